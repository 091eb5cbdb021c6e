CREATE MATERIALIZED VIEW IF NOT EXISTS sources_mv TO sources AS
SELECT stream, source, hop, emitter, start AS first, start AS last
FROM reports_in
