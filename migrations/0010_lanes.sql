-- One row per report: how far its emitter has got, and which windows it mentions. Written last, so that a visible watermark
-- never precedes its rolls. Instants are Unix ms, since senders may state any. `top` is the latest instant a row speaks of:
-- rows with an earlier one cannot move a later window.
CREATE TABLE IF NOT EXISTS lanes
(
    stream         LowCardinality(String),
    top            Int64,
    hop            LowCardinality(String),
    emitter        UUID,
    carrier        UUID COMMENT 'emitter of the report; another one than emitter where the row is an ended entry',
    number         UInt64,
    digest         UInt64,
    ended          UInt8 COMMENT '1: the row closes a dead emitter by an entry of the carrier''s report',
    epoch          UInt32,
    sent_at        Int64,
    received_at    Int64,
    closed         UInt8,
    lane_count     UInt32,
    lanes          Map(String, Int64),
    windows        Array(DateTime('UTC')),
    after          Array(LowCardinality(String)),
    idempotent     UInt8,
    heartbeat      UInt32,
    host           LowCardinality(String),
    container      LowCardinality(String),
    version        LowCardinality(String),
    spool_events   UInt64,
    spool_bytes    UInt64,
    first_receipt  Int64 COMMENT 'minus received_at: of repeats the first receipt is kept'
)
ENGINE = ReplacingMergeTree(first_receipt)
ORDER BY (stream, top, hop, emitter, carrier, number, digest, ended)
