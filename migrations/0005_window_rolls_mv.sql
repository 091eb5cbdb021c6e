CREATE MATERIALIZED VIEW IF NOT EXISTS window_rolls_mv TO window_rolls AS
SELECT
    stream, start, hop, epoch, source,
    CAST(seen, 'AggregateFunction(groupBitmap, UInt32)') AS seen,
    CAST(repeated, 'AggregateFunction(groupBitmap, UInt32)') AS repeated,
    CAST(corrupt, 'AggregateFunction(groupBitmap, UInt32)') AS corrupt,
    CAST(invalid, 'AggregateFunction(groupBitmap, UInt32)') AS invalid,
    CAST(filtered, 'AggregateFunction(groupBitmap, UInt32)') AS filtered,
    CAST(rejected, 'AggregateFunction(groupBitmap, UInt32)') AS rejected,
    CAST(skewed, 'AggregateFunction(groupBitmap, UInt32)') AS skewed,
    CAST(unhex('0000'), 'AggregateFunction(groupBitmap, UInt32)') AS duplicated,
    CAST(unhex('0000'), 'AggregateFunction(groupBitmap, UInt32)') AS closed
FROM reports_in
