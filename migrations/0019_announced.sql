-- Which reports speak of a window: written before their rolls, so that who reads a roll finds the report it came from named here.
CREATE TABLE IF NOT EXISTS announced
(
    stream  LowCardinality(String),
    start   DateTime('UTC'),
    hop     LowCardinality(String),
    emitter UUID,
    number  UInt64,
    digest  UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(start)
ORDER BY (stream, start, hop, emitter, number, digest)
