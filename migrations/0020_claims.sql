-- Who judges which share of the streams: the greatest (generation, token) of a share holds it. What is written under an older claim is
-- left out by the statement that would write it.
CREATE TABLE IF NOT EXISTS claims
(
    share  UInt32,
    latest SimpleAggregateFunction(max, Tuple(UInt64, UInt64)) COMMENT 'generation, token'
)
ENGINE = AggregatingMergeTree
ORDER BY share
