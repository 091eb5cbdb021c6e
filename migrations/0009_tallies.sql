-- Cumulative counters per emitter and window: latency, schema outcomes, reasons, unplaced. The join is the maximum by key.
CREATE TABLE IF NOT EXISTS tallies
(
    stream     LowCardinality(String),
    start      DateTime('UTC'),
    hop        LowCardinality(String),
    epoch      UInt32,
    emitter    UUID,
    scale      SimpleAggregateFunction(max, Int32),
    latency    SimpleAggregateFunction(maxMap, Map(Int32, UInt64)),
    zero       SimpleAggregateFunction(max, UInt64),
    negative   SimpleAggregateFunction(max, UInt64),
    schemas    SimpleAggregateFunction(maxMap, Map(String, UInt64)) COMMENT 'JSON [id, version, outcome, reason] → events',
    reasons    SimpleAggregateFunction(maxMap, Map(String, UInt64)) COMMENT 'JSON [kind, reason] → events',
    too_old    SimpleAggregateFunction(max, UInt64),
    too_new    SimpleAggregateFunction(max, UInt64),
    unreadable SimpleAggregateFunction(max, UInt64),
    no_uid     SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(start)
ORDER BY (stream, start, hop, epoch, emitter)
