-- The rolls by emitter: who took over what. The join is the union of bitmaps.
CREATE TABLE IF NOT EXISTS rolls
(
    stream       LowCardinality(String),
    start        DateTime('UTC'),
    hop          LowCardinality(String),
    epoch        UInt32,
    source       UUID,
    emitter      UUID,
    seen         AggregateFunction(groupBitmap, UInt32),
    repeated     AggregateFunction(groupBitmap, UInt32),
    corrupt      AggregateFunction(groupBitmap, UInt32),
    invalid      AggregateFunction(groupBitmap, UInt32),
    filtered     AggregateFunction(groupBitmap, UInt32),
    rejected     AggregateFunction(groupBitmap, UInt32),
    skewed       AggregateFunction(groupBitmap, UInt32),
    cards        SimpleAggregateFunction(maxMap, Map(UInt64, UInt64)) COMMENT 'report digest → cardinality of its seen',
    observations SimpleAggregateFunction(max, UInt64),
    bytes        SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(start)
ORDER BY (stream, start, hop, epoch, source, emitter)
