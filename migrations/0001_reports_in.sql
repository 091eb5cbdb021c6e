-- Where rolls land: one row per (report, window, source). Null keeps nothing; the
-- materialized views turn the bytes of each roll into a bitmap state and join it.
-- A roll is ClickHouse's serialised bitmap: 0x01, uvarint length, Roaring portable bytes; 0x00 0x00 when empty.
CREATE TABLE IF NOT EXISTS reports_in
(
    stream       String,
    start        DateTime('UTC'),
    hop          String,
    epoch        UInt32,
    source       UUID,
    emitter      UUID,
    first        UInt8 COMMENT '1: the report names no hop before its own',
    digest       UInt64 COMMENT 'of the report, so that a repeat adds nothing to cards',
    card         UInt64 COMMENT 'cardinality of seen in this report',
    seen         String,
    repeated     String,
    corrupt      String,
    invalid      String,
    filtered     String,
    rejected     String,
    skewed       String,
    observations UInt64,
    bytes        UInt64
)
ENGINE = Null
