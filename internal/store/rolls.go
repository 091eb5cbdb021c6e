package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const selectWindowRolls = `
SELECT
    stream, start, hop, epoch, source,
    toString(groupBitmapMergeState(seen)), toString(groupBitmapMergeState(repeated)), toString(groupBitmapMergeState(corrupt)),
    toString(groupBitmapMergeState(invalid)), toString(groupBitmapMergeState(filtered)), toString(groupBitmapMergeState(rejected)),
    toString(groupBitmapMergeState(skewed)), toString(groupBitmapMergeState(duplicated)), toString(groupBitmapMergeState(closed))
FROM window_rolls
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
GROUP BY stream, start, hop, epoch, source`

const selectCards = `
SELECT stream, start, hop, epoch, source, sum(card), count()
FROM (
    SELECT stream, start, hop, epoch, source, emitter, arraySum(mapValues(maxMap(cards))) AS card
    FROM rolls
    WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    GROUP BY stream, start, hop, epoch, source, emitter
)
GROUP BY stream, start, hop, epoch, source`

const selectEmitterRolls = `
SELECT stream, start, hop, epoch, source, emitter, toString(groupBitmapMergeState(seen)), toString(groupBitmapMergeState(repeated))
FROM rolls
WHERE (stream, start, hop, epoch, source) IN (SELECT stream, start, hop, epoch, source FROM wanted)
GROUP BY stream, start, hop, epoch, source, emitter`

// RollKey names the rolls of one source at one hop.
type RollKey struct {
	WindowKey
	Hop    string
	Epoch  uint32
	Source wire.UID
}

// EmitterRoll is what one emitter saw and repeated of one source; nil when empty.
type EmitterRoll struct {
	Emitter        wire.UID
	Seen, Repeated *roaring.Bitmap
}

// Rolls returns the rolls of the windows, the emitters joined, by window.
func (s *Store) Rolls(ctx context.Context, windows []WindowKey) (map[WindowKey][]RollSet, error) {
	cards, err := s.cards(ctx, windows)
	if err != nil {
		return nil, err
	}
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]RollSet{}
	err = s.query(ctx, "read rolls", selectWindowRolls, args, func(r driver.Rows) error {
		k, set, err := scanRollSet(r)
		if err != nil {
			return err
		}
		k.Hop, k.Epoch, k.Source = set.Hop, set.Epoch, set.Source
		set.Cards = cards[k]
		found[k.WindowKey] = append(found[k.WindowKey], set)
		return nil
	})
	return found, err
}

func scanRollSet(r driver.Rows) (RollKey, RollSet, error) {
	var k RollKey
	var set RollSet
	var source uuid.UUID
	var states [wire.Kinds + 2]string
	targets := []any{&k.Stream, &k.Start, &set.Hop, &set.Epoch, &source}
	for i := range states {
		targets = append(targets, &states[i])
	}
	if err := r.Scan(targets...); err != nil {
		return k, set, err
	}
	set.Source = uid(source)
	for i, state := range states {
		b, err := decodeBitmap(state)
		if err != nil {
			return k, set, err
		}
		switch wire.Kind(i) {
		case wire.Kinds:
			set.Duplicated = b
		case wire.Kinds + 1:
			set.ClosedSeen = b
		default:
			set.Rolls[i] = b
		}
	}
	return k, set, nil
}

// cards returns, by key with more than one report, the sum of the cardinalities of all its reports.
func (s *Store) cards(ctx context.Context, windows []WindowKey) (map[RollKey]uint64, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[RollKey]uint64{}
	err = s.query(ctx, "read roll sizes", selectCards, args, func(r driver.Rows) error {
		var k RollKey
		var source uuid.UUID
		var card, emitters uint64
		if err := r.Scan(&k.Stream, &k.Start, &k.Hop, &k.Epoch, &source, &card, &emitters); err != nil {
			return err
		}
		k.Source = uid(source)
		if emitters > 1 {
			found[k] = card
		}
		return nil
	})
	return found, err
}

const selectDigestsOfWindows = `
SELECT stream, start, groupUniqArrayArray(mapKeys(r.cards))
FROM rolls AS r
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
GROUP BY stream, start`

// Digests returns the digests of the reports whose rolls, or foreign UIDs, are stored of the windows, by window. Read after them, it names at
// least every report that what was read came from.
func (s *Store) Digests(ctx context.Context, windows []WindowKey) (map[WindowKey][]uint64, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]uint64{}
	err = s.query(ctx, "read digests", selectDigestsOfWindows, args, func(r driver.Rows) error {
		var k WindowKey
		var digests []uint64
		err := r.Scan(&k.Stream, &k.Start, &digests)
		found[k] = digests
		return err
	})
	return found, err
}

// EmitterRolls returns the rolls by emitter for the keys.
func (s *Store) EmitterRolls(ctx context.Context, keys []RollKey) (map[RollKey][]EmitterRoll, error) {
	rows := make([][]any, len(keys))
	for i, k := range keys {
		rows[i] = []any{k.Stream, k.Start, k.Hop, k.Epoch, id(k.Source)}
	}
	columns := [][2]string{{"stream", "String"}, {"start", "DateTime('UTC')"}, {"hop", "String"}, {"epoch", "UInt32"}, {"source", "UUID"}}
	args, err := params{}.table("wanted", columns, rows)
	if err != nil {
		return nil, err
	}
	found := map[RollKey][]EmitterRoll{}
	err = s.query(ctx, "read rolls by emitter", selectEmitterRolls, args, func(r driver.Rows) error {
		var k RollKey
		var e EmitterRoll
		var source, emitter uuid.UUID
		var seen, repeated string
		if err := r.Scan(&k.Stream, &k.Start, &k.Hop, &k.Epoch, &source, &emitter, &seen, &repeated); err != nil {
			return err
		}
		k.Source, e.Emitter = uid(source), uid(emitter)
		var err error
		if e.Seen, err = decodeBitmap(seen); err != nil {
			return err
		}
		if e.Repeated, err = decodeBitmap(repeated); err != nil {
			return err
		}
		found[k] = append(found[k], e)
		return nil
	})
	return found, err
}

const insertClosedSeen = `
INSERT INTO window_rolls (stream, start, hop, epoch, source, closed)
SELECT stream, start, hop, epoch, source, groupBitmapMergeState(seen)
FROM window_rolls
WHERE (stream, start, hop) IN (SELECT stream, start, hop FROM wanted)
GROUP BY stream, start, hop, epoch, source`

// HopWindow names a hop in a window.
type HopWindow struct {
	WindowKey
	Hop string
}

// KeepClosedSeen keeps what the hops have seen of the windows, so that what they see later can be called late.
func (s *Store) KeepClosedSeen(ctx context.Context, hops []HopWindow) error {
	if len(hops) == 0 {
		return nil
	}
	rows := make([][]any, len(hops))
	for i, h := range hops {
		rows[i] = []any{h.Stream, h.Start, h.Hop}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"start", "DateTime('UTC')"}, {"hop", "String"}}, rows)
	if err != nil {
		return err
	}
	return wrap("keep what closed hops saw", s.conn.Exec(args.context(ctx), insertClosedSeen))
}

const selectForeign = `
SELECT stream, start, hop, epoch, uid, emitter, max(count), max(corrupt), max(invalid), max(filtered), max(rejected), max(skewed)
FROM uid_counts
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
GROUP BY stream, start, hop, epoch, uid, emitter`

// ForeignCount is what one emitter counted of one foreign UID.
type ForeignCount struct {
	Hop     string
	Epoch   uint32
	UID     string
	Emitter wire.UID
	Counts  [wire.Kinds]uint64 // Counts[Seen] is how often it was taken over; Repeated is unused
}

// Foreign returns the counts of foreign UIDs of the windows, by window.
func (s *Store) Foreign(ctx context.Context, windows []WindowKey) (map[WindowKey][]ForeignCount, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]ForeignCount{}
	err = s.query(ctx, "read foreign UIDs", selectForeign, args, func(r driver.Rows) error {
		var k WindowKey
		var f ForeignCount
		var emitter uuid.UUID
		c := &f.Counts
		err := r.Scan(&k.Stream, &k.Start, &f.Hop, &f.Epoch, &f.UID, &emitter,
			&c[wire.Seen], &c[wire.Corrupt], &c[wire.Invalid], &c[wire.Filtered], &c[wire.Rejected], &c[wire.Skewed])
		f.Emitter = uid(emitter)
		found[k] = append(found[k], f)
		return err
	})
	return found, err
}

const selectUnplaced = `
SELECT stream, start, hop, sum(u)
FROM (
    SELECT stream, start, hop, epoch, emitter, max(too_old) + max(too_new) + max(unreadable) + max(no_uid) AS u
    FROM tallies
    WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    GROUP BY stream, start, hop, epoch, emitter
)
GROUP BY stream, start, hop
HAVING sum(u) > 0`

// Unplaced returns how many events each hop could not give a window of their own.
func (s *Store) Unplaced(ctx context.Context, windows []WindowKey) (map[HopWindow]uint64, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[HopWindow]uint64{}
	err = s.query(ctx, "read unplaced events", selectUnplaced, args, func(r driver.Rows) error {
		var h HopWindow
		var n uint64
		err := r.Scan(&h.Stream, &h.Start, &h.Hop, &n)
		found[h] = n
		return err
	})
	return found, err
}

// LatencyKey names the latency of one hop in one window.
type LatencyKey struct {
	Start time.Time
	Hop   string
}

const selectLatencies = `
SELECT start, hop, scale, sumMap(counts), sum(z), sum(neg)
FROM (
    SELECT start, hop, epoch, emitter, max(tallies.scale) AS scale, maxMap(latency) AS counts, max(zero) AS z, max(negative) AS neg
    FROM tallies
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    GROUP BY start, hop, epoch, emitter
)
GROUP BY start, hop, scale
ORDER BY start, hop, scale`

// Latencies returns the joined latency histograms of a stream's windows that start in [from, to). Emitters
// of different scales are brought to the coarsest, which is exact: a coarser bucket is a union of finer ones.
func (s *Store) Latencies(ctx context.Context, stream string, from, to time.Time) (map[LatencyKey]Histogram, error) {
	found := map[LatencyKey]Histogram{}
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	err := s.query(ctx, "read latencies", selectLatencies, args, func(r driver.Rows) error {
		var k LatencyKey
		var h Histogram
		if err := r.Scan(&k.Start, &k.Hop, &h.Scale, &h.Counts, &h.Zero, &h.Negative); err != nil {
			return err
		}
		if before, ok := found[k]; ok {
			h = before.add(h)
		}
		found[k] = h
		return nil
	})
	for k, h := range found {
		if len(h.Counts) == 0 && h.Zero == 0 && h.Negative == 0 {
			delete(found, k)
		}
	}
	return found, err
}

func (h Histogram) add(o Histogram) Histogram {
	scale := min(h.Scale, o.Scale)
	sum := Histogram{Scale: scale, Counts: map[int32]uint64{}, Zero: h.Zero + o.Zero, Negative: h.Negative + o.Negative}
	for _, part := range []Histogram{h, o} {
		for bucket, n := range part.Counts {
			sum.Counts[bucket>>(part.Scale-scale)] += n
		}
	}
	return sum
}
