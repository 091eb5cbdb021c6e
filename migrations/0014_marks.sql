-- What the reconciler has to look at, and when. A mark is removed by value: the same row with n = -1.
-- A mark without a window (start 1970) is one for the stream; `since` is then the earliest instant its new reports speak of.
CREATE TABLE IF NOT EXISTS marks
(
    due    Int64,
    stream String,
    start  DateTime('UTC'),
    since  Int64,
    token  UInt64,
    n      Int64
)
ENGINE = SummingMergeTree(n)
ORDER BY (due, stream, start, since, token)
