-- What an incident came to when it was told, so that one that grew is told again.
ALTER TABLE notifications ADD COLUMN IF NOT EXISTS events UInt64 DEFAULT 0
