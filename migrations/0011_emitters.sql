-- Every emitter with which of its report numbers are stored; never expires while it is not closed.
CREATE TABLE IF NOT EXISTS emitters
(
    stream        LowCardinality(String),
    hop           LowCardinality(String),
    emitter       UUID,
    epoch         SimpleAggregateFunction(max, UInt32),
    numbers       AggregateFunction(groupBitmap, UInt64),
    first_sent    SimpleAggregateFunction(min, Int64),
    last_sent     SimpleAggregateFunction(max, Int64),
    last_received SimpleAggregateFunction(max, Int64),
    closed_at     SimpleAggregateFunction(min, Int64) COMMENT 'sent_at of its CLOSED; the greatest Int64 while there is none',
    ended_at      SimpleAggregateFunction(min, Int64) COMMENT 'sent_at of a report that ended it; the greatest Int64 while there is none',
    after_since   SimpleAggregateFunction(min, Int64) COMMENT 'sent_at of its first report with a hop before it; the greatest Int64 while there is none',
    after_first   SimpleAggregateFunction(minMap, Map(String, Int64)) COMMENT 'hop before it → sent_at of the first report that names it',
    first_window  SimpleAggregateFunction(min, Int64) COMMENT 'Unix ms; the greatest Int64 while it mentions none',
    lane_first    SimpleAggregateFunction(minMap, Map(String, Int64)) COMMENT 'lane → sent_at of the first report that states it',
    lane_counts   SimpleAggregateFunction(minMap, Map(UInt32, Int64)) COMMENT 'lane count → sent_at of the first report that states it',
    heartbeat     SimpleAggregateFunction(max, UInt32),
    host          SimpleAggregateFunction(max, String),
    container     SimpleAggregateFunction(max, String),
    version       SimpleAggregateFunction(max, String),
    spool         SimpleAggregateFunction(max, Tuple(UInt64, UInt64, UInt64)) COMMENT 'number, events, bytes of the latest report'
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, hop, emitter)
