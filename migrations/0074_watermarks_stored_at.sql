-- When the server stored the move, by its own clock: by this the live streams of every process find what stepped back.
ALTER TABLE watermarks
    ADD COLUMN IF NOT EXISTS stored_at Int64 DEFAULT 0 COMMENT 'Unix ms; 0 where it was not kept',
    ADD INDEX IF NOT EXISTS by_stored stored_at TYPE minmax GRANULARITY 1
