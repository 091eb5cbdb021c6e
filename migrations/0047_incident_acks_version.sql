-- Which state of the incident somebody took notice of, whatever the clocks say.
ALTER TABLE incident_acks ADD COLUMN IF NOT EXISTS version UInt64 DEFAULT 0 COMMENT 'of the incident then'
