-- Which hop reported which source, and over which windows: for uncovered sources and for traces.
CREATE TABLE IF NOT EXISTS sources
(
    stream  LowCardinality(String),
    source  FixedString(16),
    hop     LowCardinality(String),
    host    SimpleAggregateFunction(max, String) COMMENT 'one that reported it: the greatest',
    first   SimpleAggregateFunction(min, DateTime('UTC')) COMMENT 'first window',
    last    SimpleAggregateFunction(max, DateTime('UTC')) COMMENT 'last window',
    alone   SimpleAggregateFunction(min, Int64) COMMENT 'Unix ms: first window that a report names which names no hop before its own; the greatest Int64 when none',
    INDEX by_source source TYPE bloom_filter GRANULARITY 1,
    INDEX by_last last TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, source, hop)
