-- The rolls without the emitter: small, kept for years. The kind `closed` is what the hop had seen when it was first closed; the
-- reconciler adds it.
CREATE TABLE IF NOT EXISTS window_rolls
(
    stream LowCardinality(String),
    start  DateTime('UTC'),
    source FixedString(16),
    hop    LowCardinality(String),
    epoch  UInt32,
    kind   Enum8('seen' = 0, 'repeated' = 1, 'corrupt' = 2, 'invalid' = 3, 'filtered' = 4, 'rejected' = 5, 'skewed' = 6, 'closed' = 7),
    roll   AggregateFunction(groupBitmap, UInt32),
    cards  SimpleAggregateFunction(sum, UInt64) COMMENT 'sum of the cardinalities of all rolls joined, repeats included: where it exceeds that of roll, emitters may overlap'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (stream, start, source, hop, epoch, kind)
