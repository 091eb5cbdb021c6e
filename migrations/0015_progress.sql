-- How far each stream was examined: a window from `earliest` and before `examined` without a stored verdict is complete and empty,
-- or has no edge. No report sent more than `reach` ms after the end of such a window can change that.
CREATE TABLE IF NOT EXISTS progress
(
    stream    String,
    earliest  Int64,
    examined  Int64,
    reach     Int64,
    uncovered Int64 COMMENT 'fingerprint of the uncovered sources',
    at        Int64
)
ENGINE = ReplacingMergeTree(at)
ORDER BY stream
