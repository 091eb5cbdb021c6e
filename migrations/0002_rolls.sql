-- The rolls by emitter: who took over what. The join is the union of bitmaps. Every source seen has a row of the kind seen, be it
-- empty; the other kinds have one where there is something. Sources are bytes, since a UUID does not sort as its text does.
CREATE TABLE IF NOT EXISTS rolls
(
    stream       LowCardinality(String),
    start        DateTime('UTC'),
    source       FixedString(16),
    hop          LowCardinality(String),
    epoch        UInt32,
    emitter      UUID,
    kind         Enum8('seen' = 0, 'repeated' = 1, 'corrupt' = 2, 'invalid' = 3, 'filtered' = 4, 'rejected' = 5, 'skewed' = 6, 'closed' = 7),
    roll         AggregateFunction(groupBitmap, UInt32),
    observations SimpleAggregateFunction(max, UInt64),
    bytes        SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(start)
ORDER BY (stream, start, source, hop, epoch, emitter, kind)
