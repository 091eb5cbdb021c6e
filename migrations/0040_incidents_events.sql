-- How many events an incident is about (lost, pending, invalid …), and how long it must stand before anybody is called.
ALTER TABLE incidents
    ADD COLUMN IF NOT EXISTS events UInt64 DEFAULT lost,
    ADD COLUMN IF NOT EXISTS hold Int64 DEFAULT 0 COMMENT 'ms beside what the notifier waits anyway; negative: nobody is called'
