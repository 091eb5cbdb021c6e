-- What was reported before there was the table. All of it is a minimum, so that to insert it twice changes nothing.
INSERT INTO hops (stream, hop, epoch, first_sent, after_since, after_first, first_window, lane_first, lane_counts)
SELECT
    stream, hop, epoch, min(first_sent), min(after_since), minMap(after_first), min(first_window), minMap(lane_first), minMap(lane_counts)
FROM (
    SELECT
        stream, hop, emitter, max(e.epoch) AS epoch, min(e.first_sent) AS first_sent, min(e.after_since) AS after_since,
        minMap(e.after_first) AS after_first, min(e.first_window) AS first_window, minMap(e.lane_first) AS lane_first,
        minMap(e.lane_counts) AS lane_counts
    FROM emitters AS e
    GROUP BY stream, hop, emitter
)
GROUP BY stream, hop, epoch
