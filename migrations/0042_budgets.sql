-- What each objective of a stream counts, summed over five minutes: `slot` is the end of the windows, rounded up. The row summed last is kept, so
-- that a verdict that is revised later has its slot summed again. A budget is of 28 days.
CREATE TABLE IF NOT EXISTS budgets
(
    stream    LowCardinality(String),
    objective LowCardinality(String) COMMENT 'completeness, timeliness, latency, validity',
    slot      DateTime('UTC'),
    total     UInt64 COMMENT 'events counted',
    bad       UInt64 COMMENT 'of these, those that miss the objective',
    at        Int64 COMMENT 'Unix ms of the sum'
)
ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(slot)
ORDER BY (stream, objective, slot)
TTL slot + toIntervalDay(60)
