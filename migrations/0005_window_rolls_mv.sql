CREATE MATERIALIZED VIEW IF NOT EXISTS window_rolls_mv TO window_rolls AS
SELECT
    stream, start, source, hop, epoch, kind,
    CAST(roll, 'AggregateFunction(groupBitmap, UInt32)') AS roll,
    card AS cards
FROM reports_in
