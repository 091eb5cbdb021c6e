package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const verdictColumns = `
    stream, start, edge_from, edge_to, revision, seconds, state, produced, expected, delivered, lost, pending,
    duplicated, redelivered, unexpected, corrupt, invalid, filtered, rejected, skewed, unplaced, late,
    reasons, cause, k, first_closed, decided_at, due, bound, invalid_at_source, invalid_before, checked, checked_at_source,
    replayed, waived_lost, waived_corrupt, waived_rejected, waived_duplicated, waived_unplaced, waived_unknown, excused, by_hand, replays`

// verdictTypes are the types of verdictColumns, in their order.
var verdictTypes = []string{
	"String", "DateTime('UTC')", "String", "String", "UInt32", "UInt32", "UInt8", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64",
	"UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64",
	"String", "String", "Int64", "Int64", "Int64", "Int64", "Int64", "UInt64", "UInt64", "UInt64", "UInt64",
	"UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt64", "UInt8", "UInt32", "UInt32",
}

// AddVerdicts stores verdicts; a verdict of the same revision decided earlier is replaced.
func (s *Store) AddVerdicts(ctx context.Context, verdicts []Verdict) error {
	return s.addVerdicts(ctx, verdicts, nil)
}

func (s *Store) addVerdicts(ctx context.Context, verdicts []Verdict, held []Claim) error {
	rows := make([][]any, len(verdicts))
	for i := range verdicts {
		row, err := verdictRow(&verdicts[i])
		if err != nil {
			return err
		}
		rows[i] = row
	}
	return s.insertHeld(ctx, given{table: "verdicts", columns: verdictColumns, types: verdictTypes, storedAt: true, rows: rows}, held)
}

func verdictRow(v *Verdict) ([]any, error) {
	reasons, err := json.Marshal(v.Reasons)
	if err != nil {
		return nil, fmt.Errorf("store: reasons of %s %s: %w", v.Stream, v.Edge, err)
	}
	w := &v.Waived
	return []any{
		v.Stream, v.Start, v.Edge.From, v.Edge.To, v.Revision, v.Seconds, uint8(v.State),
		v.Produced, v.Expected, v.Delivered, v.Lost, v.Pending, v.Duplicated, v.Redelivered, v.Unexpected, v.Corrupt,
		v.Invalid, v.Filtered, v.Rejected, v.Skewed, v.Unplaced, v.Late,
		string(reasons), v.Cause, ms(v.K), ms(v.FirstClosed), ms(v.DecidedAt), ms(v.Due), ms(v.Bound),
		v.InvalidAtSource, v.InvalidBefore, v.Checked, v.CheckedAtSource,
		v.Replayed, w.Lost, w.Corrupt, w.Rejected, w.Duplicated, w.Unplaced, w.Unknown, bit(v.Excused), v.ByHand, v.Replays,
	}, nil
}

const selectVerdictsOfWindows = `
SELECT` + verdictColumns + `
FROM verdicts FINAL
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
ORDER BY stream, start, edge_from, edge_to, revision DESC
LIMIT 1 BY stream, start, edge_from, edge_to`

const selectVerdictsInRange = `
SELECT` + verdictColumns + `
FROM verdicts FINAL
WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
ORDER BY stream, start, edge_from, edge_to, revision DESC
LIMIT 1 BY stream, start, edge_from, edge_to`

const selectRevisions = `
SELECT` + verdictColumns + `
FROM verdicts FINAL
WHERE stream = {stream:String} AND start = {start:DateTime('UTC')} AND edge_from = {from:String} AND edge_to = {to:String}
ORDER BY revision`

const selectBoundAfter = `
SELECT stream, start, max(bound) AS latest
FROM verdicts
WHERE stream IN (SELECT stream FROM wanted) AND bound > {since:Int64}
GROUP BY stream, start`

// VerdictsOf returns the current verdict of every edge of the windows, by window.
func (s *Store) VerdictsOf(ctx context.Context, windows []WindowKey) (map[WindowKey][]Verdict, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]Verdict{}
	err = s.selectVerdicts(ctx, selectVerdictsOfWindows, args, func(v Verdict) {
		k := WindowKey{v.Stream, v.Start}
		found[k] = append(found[k], v)
	})
	return found, err
}

// VerdictsIn returns the current verdicts of a stream's windows that start in [from, to), ascending.
func (s *Store) VerdictsIn(ctx context.Context, stream string, from, to time.Time) ([]Verdict, error) {
	var found []Verdict
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	err := s.selectVerdicts(ctx, selectVerdictsInRange, args, func(v Verdict) { found = append(found, v) })
	return found, err
}

// Revisions returns all revisions of the verdict of (stream, start, edge), oldest first.
func (s *Store) Revisions(ctx context.Context, stream string, start time.Time, edge Edge) ([]Verdict, error) {
	var found []Verdict
	args := params{}.value("stream", stream).value("start", start).value("from", edge.From).value("to", edge.To)
	err := s.selectVerdicts(ctx, selectRevisions, args, func(v Verdict) { found = append(found, v) })
	return found, err
}

// BoundAfter returns the windows of the streams with a verdict that a report sent at since may still change.
func (s *Store) BoundAfter(ctx context.Context, since map[string]time.Time) ([]WindowKey, error) {
	streams := make([]string, 0, len(since))
	earliest := int64(never)
	for stream, t := range since {
		streams = append(streams, stream)
		earliest = min(earliest, ms(t))
	}
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	var keys []WindowKey
	err = s.query(ctx, "read windows that may change", selectBoundAfter, args.value("since", earliest), func(r driver.Rows) error {
		var k WindowKey
		var bound int64
		if err := r.Scan(&k.Stream, &k.Start, &bound); err != nil {
			return err
		}
		if bound > ms(since[k.Stream]) {
			keys = append(keys, k)
		}
		return nil
	})
	return keys, err
}

func (s *Store) selectVerdicts(ctx context.Context, sql string, args params, found func(Verdict)) error {
	return s.query(ctx, "read verdicts", sql, args, func(r driver.Rows) error {
		v, err := scanVerdict(r)
		if err == nil {
			found(v)
		}
		return err
	})
}

// scanVerdict reads verdictColumns and what a statement selects after them.
func scanVerdict(r driver.Rows, more ...any) (Verdict, error) {
	var v Verdict
	var state, excused uint8
	w := &v.Waived
	var reasons string
	var k, firstClosed, decidedAt, due, bound int64
	err := r.Scan(append([]any{
		&v.Stream, &v.Start, &v.Edge.From, &v.Edge.To, &v.Revision, &v.Seconds, &state,
		&v.Produced, &v.Expected, &v.Delivered, &v.Lost, &v.Pending, &v.Duplicated, &v.Redelivered, &v.Unexpected, &v.Corrupt,
		&v.Invalid, &v.Filtered, &v.Rejected, &v.Skewed, &v.Unplaced, &v.Late,
		&reasons, &v.Cause, &k, &firstClosed, &decidedAt, &due, &bound,
		&v.InvalidAtSource, &v.InvalidBefore, &v.Checked, &v.CheckedAtSource,
		&v.Replayed, &w.Lost, &w.Corrupt, &w.Rejected, &w.Duplicated, &w.Unplaced, &w.Unknown, &excused, &v.ByHand, &v.Replays,
	}, more...)...)
	if err != nil {
		return v, err
	}
	v.State, v.Excused = State(state), excused == 1
	v.K, v.FirstClosed, v.DecidedAt, v.Due, v.Bound = at(k), at(firstClosed), at(decidedAt), at(due), at(bound)
	return v, json.Unmarshal([]byte(reasons), &v.Reasons)
}
