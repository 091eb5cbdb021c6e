-- What a receiver was told of an incident is ordered by what it says (opening, escalation, state) and no clock: rows of several processes, and rows
-- that were stored late, come out in one order. stored_at is the server's clock, by which new rows are found.
ALTER TABLE notifications
    ADD COLUMN IF NOT EXISTS opening UInt32 COMMENT 'the how-manieth time the receiver was told that it is open',
    ADD COLUMN IF NOT EXISTS escalation UInt32 COMMENT 'how often it was told in this opening that it got worse',
    ADD COLUMN IF NOT EXISTS version UInt64 DEFAULT 0 COMMENT 'of the incident then',
    ADD COLUMN IF NOT EXISTS stored_at Int64 DEFAULT 0 COMMENT 'Unix ms; 0 where it was not kept',
    ADD INDEX IF NOT EXISTS by_stored stored_at TYPE minmax GRANULARITY 1,
    MODIFY ORDER BY (receiver, incident, told, since, opening, escalation)
