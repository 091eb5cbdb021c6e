-- The rolls without the emitter: small, kept for years. `duplicated` and `closed` are added by the reconciler.
CREATE TABLE IF NOT EXISTS window_rolls
(
    stream       LowCardinality(String),
    start        DateTime('UTC'),
    hop          LowCardinality(String),
    epoch        UInt32,
    source       UUID,
    seen         AggregateFunction(groupBitmap, UInt32),
    repeated     AggregateFunction(groupBitmap, UInt32),
    corrupt      AggregateFunction(groupBitmap, UInt32),
    invalid      AggregateFunction(groupBitmap, UInt32),
    filtered     AggregateFunction(groupBitmap, UInt32),
    rejected     AggregateFunction(groupBitmap, UInt32),
    skewed       AggregateFunction(groupBitmap, UInt32),
    duplicated   AggregateFunction(groupBitmap, UInt32) COMMENT 'taken over by more than one emitter of the epoch',
    closed       AggregateFunction(groupBitmap, UInt32) COMMENT 'seen when the hop was first closed'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (stream, start, hop, epoch, source)
