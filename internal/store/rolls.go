package store

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// closedSeen is the kind in window_rolls that only the reconciler writes.
const closedSeen = wire.Kinds

// FINAL with the sort key's order is a merge of sorted parts: it streams, where GROUP BY would hold every state.
const selectSourceRolls = `
SELECT stream, start, source, hop, epoch, CAST(kind, 'Int8'), toString(roll), cards
FROM window_rolls FINAL
WHERE (stream, start) IN (SELECT stream, start FROM wanted) AND source >= toFixedString(unhex({from:String}), 16)
ORDER BY stream, start, source, hop, epoch, kind`

const selectHeaviest = `
SELECT max(c)
FROM (
    SELECT toUInt64(sum(cards) / uniq(source)) AS c
    FROM window_rolls
    WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    GROUP BY stream, start
)`

const selectEmitterRolls = `
SELECT stream, start, source, hop, epoch, emitter, toString(roll)
FROM rolls FINAL
WHERE (stream, start, source, hop, epoch) IN (SELECT stream, start, source, hop, epoch FROM wanted) AND kind = 'seen'
ORDER BY stream, start, source, hop, epoch, emitter`

const selectTimes = `
SELECT r.source, bitmapToArray(bitmapAnd(r.taken, bitmapBuild(w.numbers)))
FROM (
    SELECT source, groupBitmapMergeState(roll) AS taken
    FROM rolls
    WHERE stream = {stream:String} AND start = {start:DateTime('UTC')} AND hop = {hop:String} AND kind IN ('seen', 'repeated')
        AND source IN (SELECT source FROM wanted)
    GROUP BY source, epoch, emitter, kind
) AS r
INNER JOIN wanted AS w ON w.source = r.source`

// errStopped ends a query whose reader wants no more rows.
var errStopped = errors.New("store: the reader stopped")

// RollKey names the rolls of one source at one hop.
type RollKey struct {
	WindowKey
	Hop    string
	Epoch  uint32
	Source wire.UID
}

// SourceRolls yields the rolls of the windows, the emitters joined, source by source: in the order of stream, start and source, from the source
// from on. What is held at once is one source and some megabytes of what comes next. An error is yielded last.
func (s *Store) SourceRolls(ctx context.Context, windows []WindowKey, from wire.UID) iter.Seq2[SourceRolls, error] {
	return func(yield func(SourceRolls, error) bool) {
		args, err := windowList(windows)
		if err == nil {
			args, err = s.blocks(ctx, args)
		}
		if err != nil {
			yield(SourceRolls{}, err)
			return
		}
		var one SourceRolls
		err = s.query(ctx, "read rolls", selectSourceRolls, args.value("from", hex.EncodeToString(from[:])), func(r driver.Rows) error {
			key, source, err := one.scan(r, yield)
			one.WindowKey, one.Source = key, source
			return err
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(SourceRolls{}, err)
		case len(one.Sets) > 0:
			yield(one, nil)
		}
	}
}

// scan reads one row into the source it is of; when another source begins the one before is yielded.
func (one *SourceRolls) scan(r driver.Rows, yield func(SourceRolls, error) bool) (WindowKey, wire.UID, error) {
	var k RollKey
	var source, state string
	var kind int8
	var cards uint64
	if err := r.Scan(&k.Stream, &k.Start, &source, &k.Hop, &k.Epoch, &kind, &state, &cards); err != nil {
		return one.WindowKey, one.Source, err
	}
	copy(k.Source[:], source)
	roll, err := decodeBitmap(state)
	if err != nil {
		return one.WindowKey, one.Source, err
	}
	if len(one.Sets) > 0 && (k.Source != one.Source || !k.Start.Equal(one.Start) || k.Stream != one.Stream) {
		if !yield(*one, nil) {
			return one.WindowKey, one.Source, errStopped
		}
		one.Sets = nil
	}
	set := one.set(k.Hop, k.Epoch)
	if wire.Kind(kind) == closedSeen {
		set.ClosedSeen = roll
		return k.WindowKey, k.Source, nil
	}
	set.Rolls[kind] = roll
	if wire.Kind(kind) == wire.Seen {
		set.Cards = cards
	}
	return k.WindowKey, k.Source, nil
}

func (one *SourceRolls) set(hop string, epoch uint32) *RollSet {
	if n := len(one.Sets); n > 0 && one.Sets[n-1].Hop == hop && one.Sets[n-1].Epoch == epoch {
		return &one.Sets[n-1]
	}
	one.Sets = append(one.Sets, RollSet{Hop: hop, Epoch: epoch})
	return &one.Sets[len(one.Sets)-1]
}

// blocks bounds how many rows the server sends at once by what a roll of the heaviest window may weigh.
func (s *Store) blocks(ctx context.Context, args params) (params, error) {
	var events uint64 // of a source
	err := s.query(ctx, "weigh rolls", selectHeaviest, args, func(r driver.Rows) error { return r.Scan(&events) })
	return args.setting("max_block_size", blockRows(events)), err
}

// blockRows is how many rolls of about so many events come to some four megabytes.
func blockRows(events uint64) uint64 { return min(max(16<<20/(events+1), 16), 4096) }

// EmitterRolls yields what each emitter saw of the keys, the emitters of a key one after the other. An error is yielded last.
func (s *Store) EmitterRolls(ctx context.Context, keys []RollKey, events uint64) iter.Seq2[EmitterRoll, error] {
	return func(yield func(EmitterRoll, error) bool) {
		rows := make([][]any, len(keys))
		for i, k := range keys {
			rows[i] = []any{k.Stream, k.Start, k.Source[:], k.Hop, k.Epoch}
		}
		columns := [][2]string{{"stream", "String"}, {"start", "DateTime('UTC')"}, {"source", "FixedString(16)"}, {"hop", "String"}, {"epoch", "UInt32"}}
		args, err := params{}.setting("max_block_size", blockRows(events)).table("wanted", columns, rows)
		if err != nil {
			yield(EmitterRoll{}, err)
			return
		}
		err = s.query(ctx, "read rolls by emitter", selectEmitterRolls, args, func(r driver.Rows) error {
			one, err := scanEmitterRoll(r)
			if err == nil && !yield(one, nil) {
				return errStopped
			}
			return err
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(EmitterRoll{}, err)
		}
	}
}

func scanEmitterRoll(r driver.Rows) (EmitterRoll, error) {
	var e EmitterRoll
	var emitter uuid.UUID
	var source, state string
	if err := r.Scan(&e.Stream, &e.Start, &source, &e.Hop, &e.Epoch, &emitter, &state); err != nil {
		return e, err
	}
	copy(e.Source[:], source)
	e.Emitter = uid(emitter)
	var err error
	e.Seen, err = decodeBitmap(state)
	return e, err
}

// Times returns how often, at least, the emitters of a hop say that they took over each of the events, by UID. Events nobody saw are left out.
func (s *Store) Times(ctx context.Context, window WindowKey, hop string, events []wire.UID) (map[wire.UID]uint32, error) {
	numbers := map[wire.UID][]uint32{}
	for _, u := range events {
		numbers[u.Source()] = append(numbers[u.Source()], u.Sequence())
	}
	rows := make([][]any, 0, len(numbers))
	for source, n := range numbers {
		rows = append(rows, []any{source[:], n})
	}
	args, err := params{}.table("wanted", [][2]string{{"source", "FixedString(16)"}, {"numbers", "Array(UInt32)"}}, rows)
	if err != nil {
		return nil, err
	}
	args = args.value("stream", window.Stream).value("start", window.Start).value("hop", hop)
	times := map[wire.UID]uint32{}
	err = s.query(ctx, "count how often events were taken over", selectTimes, args, func(r driver.Rows) error {
		var source string
		var taken []uint32
		err := r.Scan(&source, &taken)
		for _, n := range taken {
			times[wire.UID([]byte(source)).WithSequence(n)]++
		}
		return err
	})
	return times, err
}

const selectAnnounced = `
SELECT DISTINCT stream, start, digest
FROM announced
WHERE (stream, start) IN (SELECT stream, start FROM wanted)`

// Digests returns the digests of the reports whose rolls, or foreign UIDs, may be stored of the windows, by window. Read after them, it names at
// least every report that what was read came from.
func (s *Store) Digests(ctx context.Context, windows []WindowKey) (map[WindowKey][]uint64, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]uint64{}
	err = s.query(ctx, "read digests", selectAnnounced, args, func(r driver.Rows) error {
		var k WindowKey
		var digest uint64
		err := r.Scan(&k.Stream, &k.Start, &digest)
		found[k] = append(found[k], digest)
		return err
	})
	return found, err
}

const insertClosedSeen = `
INSERT INTO window_rolls (stream, start, source, hop, epoch, kind, roll, cards)
SELECT stream, start, source, hop, epoch, 'closed', roll, 0
FROM window_rolls FINAL
WHERE (stream, start, hop) IN (SELECT stream, start, hop FROM wanted) AND kind = 'seen'`

// HopWindow names a hop in a window.
type HopWindow struct {
	WindowKey
	Hop string
}

// KeepClosedSeen keeps what the hops have seen of the windows, so that what they see later can be called late.
func (s *Store) KeepClosedSeen(ctx context.Context, hops []HopWindow) error {
	return s.keepClosedSeen(ctx, hops, nil)
}

func (s *Store) keepClosedSeen(ctx context.Context, hops []HopWindow, held []Claim) error {
	if len(hops) == 0 || held != nil && len(held) == 0 {
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
	sql := insertClosedSeen
	if held != nil {
		sql += " AND " + shareOf + " IN (" + heldShares + ")"
		if args, err = args.held(held); err != nil {
			return err
		}
	}
	return wrap("keep what closed hops saw", s.conn.Exec(args.context(heldContext(ctx)), sql))
}

const selectForeign = `
SELECT stream, start, uid, hop, epoch, count, corrupt, invalid, filtered, rejected, skewed
FROM uid_counts FINAL
WHERE (stream, start) IN (SELECT stream, start FROM wanted) AND uid >= {from:String}
ORDER BY stream, start, uid, hop, epoch, emitter`

// ForeignEvent is what all hops counted of one event that Rollcall did not number, in one window.
type ForeignEvent struct {
	WindowKey
	UID    string
	Counts []ForeignCount // one per emitter
}

// ForeignCount is what one emitter counted of one foreign UID.
type ForeignCount struct {
	Hop   string
	Epoch uint32
	Kinds [wire.Kinds]uint64 // Kinds[Seen] is how often it was taken over; Repeated is unused
}

// ForeignEvents yields the foreign UIDs of the windows in the order of stream, start and UID, from the UID from on. An error is yielded last.
func (s *Store) ForeignEvents(ctx context.Context, windows []WindowKey, from string) iter.Seq2[ForeignEvent, error] {
	return func(yield func(ForeignEvent, error) bool) {
		args, err := windowList(windows)
		if err != nil {
			yield(ForeignEvent{}, err)
			return
		}
		var one ForeignEvent
		args = args.value("from", from).setting("max_block_size", 4096)
		err = s.query(ctx, "read foreign UIDs", selectForeign, args, func(r driver.Rows) error {
			var k ForeignEvent
			var f ForeignCount
			n := &f.Kinds
			err := r.Scan(&k.Stream, &k.Start, &k.UID, &f.Hop, &f.Epoch,
				&n[wire.Seen], &n[wire.Corrupt], &n[wire.Invalid], &n[wire.Filtered], &n[wire.Rejected], &n[wire.Skewed])
			if err != nil {
				return err
			}
			if len(one.Counts) > 0 && (k.UID != one.UID || !k.Start.Equal(one.Start) || k.Stream != one.Stream) {
				if !yield(one, nil) {
					return errStopped
				}
				one.Counts = nil
			}
			one.WindowKey, one.UID, one.Counts = k.WindowKey, k.UID, append(one.Counts, f)
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(ForeignEvent{}, err)
		case len(one.Counts) > 0:
			yield(one, nil)
		}
	}
}

// EmitterRoll is what one emitter saw of one source; nil when empty.
type EmitterRoll struct {
	RollKey
	Emitter wire.UID
	Seen    *roaring.Bitmap
}
