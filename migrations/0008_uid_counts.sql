-- Foreign UIDs, which Rollcall did not number: one row per (window, hop, emitter, UID). Correct, dearer than rolls.
CREATE TABLE IF NOT EXISTS uid_counts
(
    stream   LowCardinality(String),
    start    DateTime('UTC'),
    hop      LowCardinality(String),
    epoch    UInt32,
    uid      String,
    emitter  UUID,
    count    SimpleAggregateFunction(max, UInt64),
    corrupt  SimpleAggregateFunction(max, UInt64),
    invalid  SimpleAggregateFunction(max, UInt64),
    filtered SimpleAggregateFunction(max, UInt64),
    rejected SimpleAggregateFunction(max, UInt64),
    skewed   SimpleAggregateFunction(max, UInt64),
    INDEX by_uid uid TYPE bloom_filter GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(start)
ORDER BY (stream, start, uid, hop, epoch, emitter)
