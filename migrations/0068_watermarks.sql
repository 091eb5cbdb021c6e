-- How the completeness watermark of each stream moved, and why: one row each time it did.
CREATE TABLE IF NOT EXISTS watermarks
(
    stream    LowCardinality(String),
    at        Int64 COMMENT 'Unix ms',
    watermark Int64 COMMENT 'Unix ms',
    previous  Int64 COMMENT 'Unix ms; 0 for the first',
    reason    LowCardinality(String) COMMENT 'first, advanced, or the cause of the verdict that made it step back',
    blocked   String COMMENT 'JSON: the window it stands before; empty while there is none'
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, at)
