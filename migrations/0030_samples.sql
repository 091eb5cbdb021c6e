-- Samples of events that broke their schema, masked by the hop that checked them. They are evidence and no account: few of a kind are
-- kept, and each until it expires.
CREATE TABLE IF NOT EXISTS samples
(
    stream    LowCardinality(String),
    start     DateTime('UTC'),
    hop       LowCardinality(String),
    schema    String,
    version   String,
    outcome   LowCardinality(String),
    reason    String,
    uid       String,
    emitter   UUID,
    host      LowCardinality(String),
    seconds   UInt32,
    at        Int64 COMMENT 'Unix ms: when the event was checked',
    path      String,
    payload   String COMMENT 'masked',
    cut       UInt8,
    stored_at DateTime('UTC'),
    expires   DateTime('UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(expires)
ORDER BY (stream, start, hop, schema, version, outcome, reason, uid, emitter)
TTL expires DELETE
