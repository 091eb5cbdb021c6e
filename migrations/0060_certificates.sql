-- The entries of the chains of certificates that count: a copy of the topic rollcall.certificates, which decides. Every server that reads the topic writes
-- the same rows. An entry is never changed.
CREATE TABLE IF NOT EXISTS certificates
(
    stream    LowCardinality(String),
    number    UInt64,
    hour      DateTime('UTC'),
    action    LowCardinality(String) COMMENT 'certify, supersede, revoke',
    previous  FixedString(32) COMMENT 'SHA-256 of the envelope before',
    hash      FixedString(32) COMMENT 'SHA-256 of the envelope',
    key       FixedString(32) COMMENT 'id of the key that signed it',
    issued_at Int64 COMMENT 'Unix ms',
    issued_by String,
    reason    String,
    envelope  String COMMENT 'DSSE, as it stands in the topic' CODEC(ZSTD(3)),
    part      Int32 COMMENT 'partition of the topic',
    position  Int64 COMMENT 'offset in it',
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'clock of the server',
    INDEX by_hour hour TYPE minmax GRANULARITY 1,
    INDEX by_stored stored_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (stream, number)
SETTINGS index_granularity = 128 -- an envelope has kilobytes: one is found without reading those of months
