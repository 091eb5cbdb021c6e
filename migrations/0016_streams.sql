-- Stream settings; the latest row of a stream holds.
CREATE TABLE IF NOT EXISTS streams
(
    stream   String,
    at       Int64,
    settings String COMMENT 'JSON'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY stream
