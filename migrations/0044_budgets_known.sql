-- When what a slot counts became known: of its misses the latest, or, where it has none, of its events. Alarms look at this and not at the windows' own
-- time, since a window is judged when the shortest time they look at is over.
ALTER TABLE budgets ADD COLUMN IF NOT EXISTS known Int64 DEFAULT 0 COMMENT 'Unix ms; 0 where it was not kept'
