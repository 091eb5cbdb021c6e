-- What of a verdict is waived, what a declared replay delivered again, and what its next revision tells its cause by.
ALTER TABLE verdicts
    ADD COLUMN IF NOT EXISTS replayed UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_lost UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_corrupt UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_rejected UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_duplicated UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_unplaced UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS waived_unknown UInt64 DEFAULT 0 COMMENT 'of what holds the window',
    ADD COLUMN IF NOT EXISTS excused UInt8 DEFAULT 0 COMMENT '1: all that keeps the window from complete is waived',
    ADD COLUMN IF NOT EXISTS by_hand UInt32 DEFAULT 0 COMMENT 'of what would hold the window: closed by a person',
    ADD COLUMN IF NOT EXISTS replays UInt32 DEFAULT 0 COMMENT 'reports of declared replays that mention the window at a hop of the edge'
