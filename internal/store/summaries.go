package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const selectHours = `
SELECT
    stream, toStartOfHour(start) AS hour, edge_from, edge_to, max(state), max(if(excused, 1, state)), max(if(excused OR state = 5, 1, state)),
    count(),
    countIf(toUnixTimestamp(start) * 1000 >= examined),
    sum(produced), sum(expected), sum(delivered), sum(lost), sum(pending), sum(duplicated), sum(redelivered), sum(unexpected),
    sum(corrupt), sum(invalid), sum(filtered), sum(rejected), sum(skewed), sum(unplaced), sum(late), sum(replayed),
    sum(invalid_at_source), sum(invalid_before), sum(checked), sum(checked_at_source),
    sum(waived_lost), sum(waived_corrupt), sum(waived_rejected), sum(waived_duplicated), sum(waived_unplaced), sum(waived_unknown)
FROM (
    SELECT *
    FROM verdicts FINAL
    WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    ORDER BY stream, start, edge_from, edge_to, revision DESC
    LIMIT 1 BY stream, start, edge_from, edge_to
) AS v
LEFT JOIN (
    SELECT stream, examined FROM progress FINAL WHERE stream IN (SELECT stream FROM wanted)
) AS p ON p.stream = v.stream
WHERE state > 0
GROUP BY stream, hour, edge_from, edge_to
ORDER BY stream, hour, edge_from, edge_to`

// EdgeHour sums the stored verdicts of one edge over one hour.
type EdgeHour struct {
	Stream string
	Start  time.Time
	Edge   Edge
	Worst  State
	Good   State // the worst but for those excused
	Held   State // the worst but for those and incomplete ones
	Waived Waived
	Counts
	Windows    uint64 // with a stored verdict
	Unexamined uint64 // of these, from the instant on up to which the stream was examined
}

// EdgeHours returns the sums by (stream, hour, edge) of the windows that start in [from, to), ascending.
func (s *Store) EdgeHours(ctx context.Context, streams []string, from, to time.Time) ([]EdgeHour, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	var found []EdgeHour
	err = s.query(ctx, "sum hours", selectHours, args.value("from", from).value("to", to), func(r driver.Rows) error {
		var h EdgeHour
		var worst, good, held uint8
		w := &h.Waived
		err := r.Scan(&h.Stream, &h.Start, &h.Edge.From, &h.Edge.To, &worst, &good, &held, &h.Windows, &h.Unexamined,
			&h.Produced, &h.Expected, &h.Delivered, &h.Lost, &h.Pending, &h.Duplicated, &h.Redelivered, &h.Unexpected,
			&h.Corrupt, &h.Invalid, &h.Filtered, &h.Rejected, &h.Skewed, &h.Unplaced, &h.Late, &h.Replayed,
			&h.InvalidAtSource, &h.InvalidBefore, &h.Checked, &h.CheckedAtSource,
			&w.Lost, &w.Corrupt, &w.Rejected, &w.Duplicated, &w.Unplaced, &w.Unknown)
		h.Worst, h.Good, h.Held = State(worst), State(good), State(held)
		found = append(found, h)
		return err
	})
	return found, err
}

const selectNotComplete = `
SELECT stream, edge_from, edge_to, min(start)
FROM (
    SELECT v.stream AS stream, v.start AS start, v.edge_from AS edge_from, v.edge_to AS edge_to,
        argMax(if(v.excused, 1, v.state), (v.revision, v.decided_at)) AS latest
    FROM verdicts AS v
    INNER JOIN wanted AS w ON w.stream = v.stream
    WHERE v.stream IN (SELECT stream FROM wanted) AND v.start >= w.since
    GROUP BY stream, start, edge_from, edge_to
)
WHERE latest > 1
GROUP BY stream, edge_from, edge_to`

// FirstNotComplete returns, by stream and edge, the first window from the given instant on whose verdict is neither complete nor excused.
func (s *Store) FirstNotComplete(ctx context.Context, since map[string]time.Time) (map[string]map[Edge]time.Time, error) {
	rows := make([][]any, 0, len(since))
	for stream, from := range since {
		rows = append(rows, []any{stream, from})
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"since", "DateTime('UTC')"}}, rows)
	if err != nil {
		return nil, err
	}
	found := map[string]map[Edge]time.Time{}
	err = s.query(ctx, "look for windows that are not complete", selectNotComplete, args, func(r driver.Rows) error {
		var stream string
		var e Edge
		var start time.Time
		err := r.Scan(&stream, &e.From, &e.To, &start)
		if found[stream] == nil {
			found[stream] = map[Edge]time.Time{}
		}
		found[stream][e] = start
		return err
	})
	return found, err
}

const selectSourceHosts = `
SELECT source, hop, max(s.host)
FROM sources AS s
WHERE stream = {stream:String} AND source IN (SELECT source FROM wanted)
GROUP BY source, hop`

// SourceHosts returns, by source and hop, a host that reported the source.
func (s *Store) SourceHosts(ctx context.Context, stream string, sources []wire.UID) (map[wire.UID]map[string]string, error) {
	rows := make([][]any, len(sources))
	for i, source := range sources {
		rows[i] = []any{source[:]}
	}
	args, err := params{}.table("wanted", [][2]string{{"source", "FixedString(16)"}}, rows)
	if err != nil {
		return nil, err
	}
	found := map[wire.UID]map[string]string{}
	err = s.query(ctx, "read hosts of sources", selectSourceHosts, args.value("stream", stream), func(r driver.Rows) error {
		var text, hop, host string
		if err := r.Scan(&text, &hop, &host); err != nil {
			return err
		}
		source := wire.UID([]byte(text))
		if found[source] == nil {
			found[source] = map[string]string{}
		}
		found[source][hop] = host
		return nil
	})
	return found, err
}

const selectTrace = `
WITH toFixedString(unhex({source:String}), 16) AS wanted
SELECT stream, start, hop, emitter, groupUniqArray(CAST(kind, 'Int8'))
FROM rolls
WHERE stream IN (SELECT DISTINCT stream FROM sources WHERE source = wanted)
    AND start >= (SELECT min(first) FROM sources WHERE source = wanted)
    AND start <= (SELECT max(last) FROM sources WHERE source = wanted)
    AND source = wanted AND bitmapContains(roll, {sequence:UInt32})
GROUP BY stream, start, hop, epoch, emitter
ORDER BY stream, start, hop, emitter`

const selectForeignTrace = `
SELECT stream, start, hop, emitter, max(count), max(corrupt), max(invalid), max(filtered), max(rejected), max(skewed)
FROM uid_counts
WHERE uid = {uid:String} AND emitter != toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY stream, start, hop, epoch, emitter
ORDER BY stream, start, hop, emitter`

// Sighting is one emitter's word on one UID.
type Sighting struct {
	WindowKey
	Hop     string
	Emitter wire.UID
	Kinds   [wire.Kinds]bool
}

// Sightings returns what every emitter said of a numbered UID.
func (s *Store) Sightings(ctx context.Context, u wire.UID) ([]Sighting, error) {
	var found []Sighting
	source := u.Source()
	args := params{}.value("source", hex.EncodeToString(source[:])).value("sequence", u.Sequence())
	err := s.query(ctx, "trace", selectTrace, args, func(r driver.Rows) error {
		var t Sighting
		var emitter uuid.UUID
		var kinds []int8
		err := r.Scan(&t.Stream, &t.Start, &t.Hop, &emitter, &kinds)
		t.Emitter = uid(emitter)
		for _, k := range kinds {
			t.Kinds[k] = true
		}
		if t.Kinds[wire.Seen] {
			found = append(found, t)
		}
		return err
	})
	return found, err
}

// ForeignSightings returns what every emitter said of a UID that Rollcall did not number.
func (s *Store) ForeignSightings(ctx context.Context, text string) ([]Sighting, error) {
	var found []Sighting
	err := s.query(ctx, "trace", selectForeignTrace, params{}.value("uid", text), func(r driver.Rows) error {
		var t Sighting
		var emitter uuid.UUID
		var n [wire.Kinds]uint64
		err := r.Scan(&t.Stream, &t.Start, &t.Hop, &emitter,
			&n[wire.Seen], &n[wire.Corrupt], &n[wire.Invalid], &n[wire.Filtered], &n[wire.Rejected], &n[wire.Skewed])
		t.Emitter = uid(emitter)
		for k := range n {
			t.Kinds[k] = n[k] > 0
		}
		t.Kinds[wire.Seen], t.Kinds[wire.Repeated] = true, n[wire.Seen] > 1
		found = append(found, t)
		return err
	})
	return found, err
}
