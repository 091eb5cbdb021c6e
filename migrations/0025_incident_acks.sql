-- Who took notice of an incident.
CREATE TABLE IF NOT EXISTS incident_acks
(
    incident UUID,
    at       Int64,
    who      String,
    note     String
)
ENGINE = MergeTree
ORDER BY (incident, at)
