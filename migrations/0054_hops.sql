-- What all reports of a hop say together, by epoch: since when it is there, what it comes after, which lanes it has. Never expires: to forget
-- an edge or a lane would have windows called complete that nobody compared.
CREATE TABLE IF NOT EXISTS hops
(
    stream       LowCardinality(String),
    hop          LowCardinality(String),
    epoch        UInt32,
    first_sent   SimpleAggregateFunction(min, Int64),
    after_since  SimpleAggregateFunction(min, Int64) COMMENT 'sent_at of its first report with a hop before it; the greatest Int64 while there is none',
    after_first  SimpleAggregateFunction(minMap, Map(String, Int64)) COMMENT 'hop before it → sent_at of the first report that names it',
    first_window SimpleAggregateFunction(min, Int64) COMMENT 'Unix ms; the greatest Int64 while it mentions none',
    lane_first   SimpleAggregateFunction(minMap, Map(String, Int64)) COMMENT 'lane → sent_at of the first report that states it',
    lane_counts  SimpleAggregateFunction(minMap, Map(UInt32, Int64)) COMMENT 'lane count → sent_at of the first report that states it'
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, hop, epoch)
