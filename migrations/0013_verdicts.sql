-- What the reconciler says of (stream, window, edge): one row a revision, of which the latest decided is kept.
CREATE TABLE IF NOT EXISTS verdicts
(
    stream       LowCardinality(String),
    start        DateTime('UTC'),
    edge_from    LowCardinality(String),
    edge_to      LowCardinality(String),
    revision     UInt32,
    seconds      UInt32,
    state        UInt8 COMMENT '1 complete, 2 open, 3 settling, 4 unknown, 5 incomplete',
    produced     UInt64,
    expected     UInt64,
    delivered    UInt64,
    lost         UInt64,
    pending      UInt64,
    duplicated   UInt64,
    redelivered  UInt64,
    unexpected   UInt64,
    corrupt      UInt64,
    invalid      UInt64,
    filtered     UInt64,
    rejected     UInt64,
    skewed       UInt64,
    unplaced     UInt64,
    late         UInt64,
    reasons      String COMMENT 'JSON',
    cause        LowCardinality(String),
    k            Int64 COMMENT 'Unix ms; 0 while not closed',
    first_closed Int64 COMMENT 'Unix ms; 0 before',
    decided_at   Int64 COMMENT 'Unix ms',
    due          Int64 COMMENT 'Unix ms; 0 for never',
    bound        Int64 COMMENT 'Unix ms: a report sent before it can still change the verdict',
    INDEX by_bound bound TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(decided_at)
ORDER BY (stream, start, edge_from, edge_to, revision)
