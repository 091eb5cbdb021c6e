package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Epoch is a replay that a person declared: what is reported under its number of windows that start in [From, To) was delivered again on purpose.
type Epoch struct {
	Stream string
	Number uint32 // 1, 2, 3 …
	From   time.Time
	To     time.Time
	Why    string
	Who    string
	MadeAt time.Time
}

// Holds says whether a window that starts at an instant lies in the declared range.
func (e *Epoch) Holds(start time.Time) bool { return !start.Before(e.From) && start.Before(e.To) }

const insertEpoch = `
INSERT INTO epochs (stream, epoch, token, from_ms, to_ms, why, who, made_at)
SELECT {stream:String}, max(epoch) + 1, {token:UInt64}, {from:Int64}, {to:Int64}, {why:String}, {who:String}, {made:Int64}
FROM epochs WHERE stream = {stream:String}`

const selectEpochHolds = `
SELECT epoch, least FROM (
    SELECT epoch, min(token) AS least, groupArray(token) AS tokens FROM epochs WHERE stream = {stream:String} GROUP BY epoch
) WHERE has(tokens, {token:UInt64})`

// epochTries bounds how often a declaration asks for a number that others ask for too: each time one of them gets it.
const epochTries = 50

// AddEpoch gives a replay the next number of its stream, stores it and has the windows of its range judged again. A number is given once: of those
// who ask for it at the same time all but one ask again.
func (s *Store) AddEpoch(ctx context.Context, e Epoch) (Epoch, error) {
	for range epochTries {
		number, won, err := s.claimEpoch(ctx, e)
		if err != nil {
			return e, err
		}
		if won {
			e.Number = number
			return e, s.markRange(ctx, e.Stream, e.From, e.To)
		}
	}
	return e, errors.Join(ErrAway, ErrBusy, errors.New("too many declare replays of the stream at once"))
}

// claimEpoch asks for the next number. Whoever may have asked for the same began before this row was there, and is waited for: then all who
// ask see the same rows, and agree on who has it.
func (s *Store) claimEpoch(ctx context.Context, e Epoch) (number uint32, won bool, err error) {
	token := rand.Uint64()
	args := params{}.value("stream", e.Stream).value("token", token).value("from", ms(e.From)).value("to", ms(e.To)).value("why", e.Why).
		value("who", e.Who).value("made", ms(e.MadeAt)).setting("max_execution_time", 2) // less than awaitHeld waits
	if err := s.conn.Exec(args.context(heldContext(ctx)), insertEpoch); err != nil {
		return 0, false, wrap("declare a replay", err)
	}
	if err := s.awaitHeld(ctx); err != nil {
		return 0, false, err
	}
	args = params{}.value("stream", e.Stream).value("token", token)
	err = s.query(ctx, "read who has the number of a replay", selectEpochHolds, args, func(r driver.Rows) error {
		var least uint64
		err := r.Scan(&number, &least)
		won = least == token
		return err
	})
	return number, won, err
}

const insertRangeMarks = `
INSERT INTO marks (due, stream, start, since, token, n)
SELECT 0, stream, start, 0, rand64() % 9223372036854775807 + 1, 1
FROM (
    SELECT DISTINCT toString(stream) AS stream, start
    FROM verdicts
    WHERE stream = {stream:String} AND toInt64(toUnixTimestamp(start)) * 1000 >= {from:Int64} AND toInt64(toUnixTimestamp(start)) * 1000 < {to:Int64}
)`

// markRange has the stored windows of a stream that start in [from, to) looked at again.
func (s *Store) markRange(ctx context.Context, stream string, from, to time.Time) error {
	args := params{}.value("stream", stream).value("from", ms(from)).value("to", ms(to))
	return wrap("mark the windows of a replay", s.conn.Exec(args.context(ctx), insertRangeMarks))
}

const selectEpochs = `
SELECT stream, epoch, from_ms, to_ms, why, who, made_at
FROM epochs WHERE stream IN (SELECT stream FROM wanted)
ORDER BY stream, epoch, token
LIMIT 1 BY stream, epoch`

// EpochsOf returns the declared replays of the streams, by stream, ascending.
func (s *Store) EpochsOf(ctx context.Context, streams []string) (map[string][]Epoch, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]Epoch{}
	err = s.query(ctx, "read declared replays", selectEpochs, args, func(r driver.Rows) error {
		var e Epoch
		var from, to, made int64
		err := r.Scan(&e.Stream, &e.Number, &from, &to, &e.Why, &e.Who, &made)
		e.From, e.To, e.MadeAt = time.UnixMilli(from).UTC(), time.UnixMilli(to).UTC(), at(made)
		found[e.Stream] = append(found[e.Stream], e)
		return err
	})
	return found, err
}
