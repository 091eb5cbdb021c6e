-- What people waived of an hour and edge, who, and why. Never expires: a waiver outlives what it was about. It counts once its row is here.
CREATE TABLE IF NOT EXISTS waivers
(
    id        UUID,
    stream    LowCardinality(String),
    hour      DateTime('UTC'),
    edge_from LowCardinality(String),
    edge_to   LowCardinality(String),
    kind      LowCardinality(String),
    scope     LowCardinality(String) COMMENT 'how it was asked for: uids, all or emitter',
    emitter   UUID COMMENT 'of the scope emitter; else zero',
    reason    String,
    ticket    String,
    who       String,
    made_at   Int64,
    windows   Array(DateTime('UTC')),
    counts    Array(UInt64) COMMENT 'by window: how many it covers'
)
ENGINE = MergeTree
ORDER BY (stream, hour, made_at, id)
