-- What could not be read, with its bytes and the reason.
CREATE TABLE IF NOT EXISTS quarantine
(
    id        UUID,
    at        Int64,
    topic     LowCardinality(String),
    partition Int32,
    offset    Int64,
    reason    String,
    body      String
)
ENGINE = ReplacingMergeTree
ORDER BY (at, id)
