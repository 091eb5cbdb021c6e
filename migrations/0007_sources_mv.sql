CREATE MATERIALIZED VIEW IF NOT EXISTS sources_mv TO sources AS
SELECT
    stream, source, hop, r.host AS host, start AS first, start AS last,
    if(r.first, toInt64(toUnixTimestamp(start)) * 1000, 9223372036854775807) AS alone
FROM reports_in AS r
WHERE kind = 'seen'
