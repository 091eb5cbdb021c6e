-- The names that a waiver was resolved to when it was made, written before its row in waivers. Never expires.
CREATE TABLE IF NOT EXISTS waived
(
    waiver    UUID,
    stream    LowCardinality(String),
    start     DateTime('UTC'),
    edge_from LowCardinality(String),
    edge_to   LowCardinality(String),
    kind      LowCardinality(String),
    source    FixedString(16) COMMENT 'of numbers; else zero',
    numbers   String COMMENT 'serialised bitmap, as in reports_in',
    name      String COMMENT 'a UID that Rollcall did not number, or what holds the window',
    count     UInt64 COMMENT 'of what has no name'
)
ENGINE = MergeTree
ORDER BY (stream, start, edge_from, edge_to, kind, source, name)
