CREATE MATERIALIZED VIEW IF NOT EXISTS emitters_mv TO emitters AS
SELECT
    stream, hop, emitter,
    max(l.epoch) AS epoch,
    groupBitmapStateIf(number, ended = 0) AS numbers,
    min(sent_at) AS first_sent,
    max(sent_at) AS last_sent,
    maxIf(received_at, ended = 0) AS last_received,
    min(if(closed AND NOT ended, sent_at, 9223372036854775807)) AS closed_at,
    min(if(ended, sent_at, 9223372036854775807)) AS ended_at,
    min(if(notEmpty(l.after), sent_at, 9223372036854775807)) AS after_since,
    minMap(CAST(arrayMap(a -> (toString(a), sent_at), l.after), 'Map(String, Int64)')) AS after_first,
    min(if(empty(windows), 9223372036854775807, toInt64(toUnixTimestamp(arrayMin(windows))) * 1000)) AS first_window,
    minMap(mapApply((k, v) -> (k, sent_at), lanes)) AS lane_first,
    minMap(if(lane_count > 0, map(lane_count, sent_at), CAST(map(), 'Map(UInt32, Int64)'))) AS lane_counts,
    max(l.heartbeat) AS heartbeat,
    max(toString(l.host)) AS host,
    max(toString(l.container)) AS container,
    max(toString(l.version)) AS version,
    max(if(ended, (toUInt64(0), toUInt64(0), toUInt64(0)), (number, spool_events, spool_bytes))) AS spool
FROM lanes AS l
GROUP BY stream, hop, emitter
