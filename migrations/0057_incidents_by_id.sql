-- So that who looks for a few incidents by their ids does not read all there ever were.
ALTER TABLE incidents ADD INDEX IF NOT EXISTS by_id id TYPE bloom_filter GRANULARITY 1
