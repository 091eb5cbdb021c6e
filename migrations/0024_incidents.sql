-- Runs of bad windows of one edge with one cause. A row is a pure function of the verdicts it was made from, and its version grows with
-- every one of them, so that of several writers the one that saw most is kept. A row whose `first` lies within an earlier row of the same
-- stream, edge and cause is part of that one.
CREATE TABLE IF NOT EXISTS incidents
(
    id        UUID,
    stream    LowCardinality(String),
    edge_from LowCardinality(String),
    edge_to   LowCardinality(String),
    cause     LowCardinality(String) COMMENT 'loss, unknown, stopped',
    first     DateTime('UTC') COMMENT 'start of the first window',
    last      DateTime('UTC') COMMENT 'start of the last window',
    seconds   UInt32 COMMENT 'length of the last window',
    windows   UInt32,
    bad       UInt32 COMMENT 'windows that are still bad; 0: resolved',
    first_bad DateTime('UTC') COMMENT 'the first window that is still bad; the first one when none is',
    lost      UInt64,
    expected  UInt64,
    opened_at Int64,
    since     Int64 COMMENT 'Unix ms: since when it is as it is, open or resolved',
    text      String,
    version   UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (stream, edge_from, edge_to, cause, first)
