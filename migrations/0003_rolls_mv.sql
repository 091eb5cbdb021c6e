CREATE MATERIALIZED VIEW IF NOT EXISTS rolls_mv TO rolls AS
SELECT
    stream, start, hop, epoch, source, emitter,
    CAST(seen, 'AggregateFunction(groupBitmap, UInt32)') AS seen,
    CAST(repeated, 'AggregateFunction(groupBitmap, UInt32)') AS repeated,
    CAST(corrupt, 'AggregateFunction(groupBitmap, UInt32)') AS corrupt,
    CAST(invalid, 'AggregateFunction(groupBitmap, UInt32)') AS invalid,
    CAST(filtered, 'AggregateFunction(groupBitmap, UInt32)') AS filtered,
    CAST(rejected, 'AggregateFunction(groupBitmap, UInt32)') AS rejected,
    CAST(skewed, 'AggregateFunction(groupBitmap, UInt32)') AS skewed,
    map(digest, card) AS cards,
    observations,
    bytes
FROM reports_in
