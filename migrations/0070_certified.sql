-- Up to which instant the changes of a share's streams were looked at for their certificates, by the server's clock; it only rises.
CREATE TABLE IF NOT EXISTS certified
(
    share UInt32,
    up_to SimpleAggregateFunction(max, Int64) COMMENT 'Unix ms'
)
ENGINE = AggregatingMergeTree
ORDER BY share
