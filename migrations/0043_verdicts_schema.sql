-- What the hops of an edge checked and found before: an event that breaks its schema is told of once, also where the first hop finds it.
ALTER TABLE verdicts
    ADD COLUMN IF NOT EXISTS invalid_at_source UInt64 DEFAULT 0 COMMENT 'that a first hop found to break their schema; on one of the edges that leave it',
    ADD COLUMN IF NOT EXISTS invalid_before UInt64 DEFAULT 0 COMMENT 'of the invalid ones, those that are told of on another edge',
    ADD COLUMN IF NOT EXISTS checked UInt64 DEFAULT 0 COMMENT 'against their schema, by the later hop',
    ADD COLUMN IF NOT EXISTS checked_at_source UInt64 DEFAULT 0 COMMENT 'the same by the earlier hop, where it is a first one'
