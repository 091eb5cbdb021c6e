CREATE MATERIALIZED VIEW IF NOT EXISTS hops_mv TO hops AS
SELECT
    stream, hop, epoch,
    min(sent_at) AS first_sent,
    min(if(notEmpty(l.after), sent_at, 9223372036854775807)) AS after_since,
    minMap(CAST(arrayMap(a -> (toString(a), sent_at), l.after), 'Map(String, Int64)')) AS after_first,
    min(if(empty(windows), 9223372036854775807, toInt64(toUnixTimestamp(arrayMin(windows))) * 1000)) AS first_window,
    minMap(mapApply((k, v) -> (k, sent_at), lanes)) AS lane_first,
    minMap(if(lane_count > 0, map(lane_count, sent_at), CAST(map(), 'Map(UInt32, Int64)'))) AS lane_counts
FROM lanes AS l
GROUP BY stream, hop, epoch
