ALTER TABLE verdicts ADD INDEX IF NOT EXISTS by_stored stored_at TYPE minmax GRANULARITY 1
