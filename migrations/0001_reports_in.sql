-- Where rolls land: one row per (report, window, source, kind). Null keeps nothing; the materialized views turn the
-- bytes of each roll into a bitmap state and join it.
-- A roll is ClickHouse's serialised bitmap: 0x01, uvarint length, Roaring portable bytes; 0x00 0x00 when empty.
CREATE TABLE IF NOT EXISTS reports_in
(
    stream       String,
    start        DateTime('UTC'),
    source       FixedString(16),
    hop          String,
    epoch        UInt32,
    kind         Enum8('seen' = 0, 'repeated' = 1, 'corrupt' = 2, 'invalid' = 3, 'filtered' = 4, 'rejected' = 5, 'skewed' = 6, 'closed' = 7),
    emitter      UUID,
    host         String COMMENT 'of the report',
    first        UInt8 COMMENT '1: the report names no hop before its own',
    roll         String,
    card         UInt64 COMMENT 'cardinality of the roll',
    observations UInt64 COMMENT 'with seen',
    bytes        UInt64 COMMENT 'with seen'
)
ENGINE = Null
