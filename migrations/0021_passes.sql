-- When the streams of each share were last looked at, and by whom.
CREATE TABLE IF NOT EXISTS passes
(
    share  UInt32,
    at     Int64 COMMENT 'Unix ms: end of the pass',
    took   Int64 COMMENT 'ms',
    member String
)
ENGINE = ReplacingMergeTree(at)
ORDER BY share
