-- What a receiver was told of an incident. What an incident is and was not yet told is what has to be sent: nothing is queued elsewhere.
CREATE TABLE IF NOT EXISTS notifications
(
    receiver String,
    incident UUID,
    told     LowCardinality(String) COMMENT 'open, resolved',
    since    Int64 COMMENT 'since when the incident was so',
    outcome  LowCardinality(String) COMMENT 'sent, gave_up',
    attempts UInt32,
    detail   String,
    at       Int64
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (receiver, incident, told, since)
