-- Emitters, sources and lanes that a person closed. Never expires.
CREATE TABLE IF NOT EXISTS closings
(
    stream  String,
    kind    LowCardinality(String),
    id      UUID,
    hop     String,
    lane    String,
    at      Int64,
    why     String,
    who     String,
    made_at Int64
)
ENGINE = MergeTree
ORDER BY (stream, kind, id, hop, lane, made_at)
