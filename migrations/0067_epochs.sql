-- Replays that people declared. Of rows with one number of a stream that with the least token holds; the others were made at the same instant,
-- and whoever made them asked again. Never expires.
CREATE TABLE IF NOT EXISTS epochs
(
    stream  LowCardinality(String),
    epoch   UInt32,
    token   UInt64,
    from_ms Int64,
    to_ms   Int64,
    why     String,
    who     String,
    made_at Int64
)
ENGINE = MergeTree
ORDER BY (stream, epoch, token)
