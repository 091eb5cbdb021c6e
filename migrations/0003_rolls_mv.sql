CREATE MATERIALIZED VIEW IF NOT EXISTS rolls_mv TO rolls AS
SELECT
    stream, start, source, hop, epoch, emitter, kind,
    CAST(roll, 'AggregateFunction(groupBitmap, UInt32)') AS roll,
    observations,
    bytes
FROM reports_in
