package store

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// closedSeen is the kind in window_rolls that only the reconciler writes.
const closedSeen = wire.Kinds

// FINAL with the sort key's order is a merge of sorted parts: it streams up to its limit, where GROUP BY would hold every state.
const selectSourceRolls = `
SELECT stream, start, source, hop, epoch, CAST(kind, 'Int8'), toString(roll), cards
FROM window_rolls FINAL
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    OR (stream = {stream:String} AND start = {start:DateTime('UTC')} AND source >= toFixedString(unhex({from:String}), 16))
ORDER BY stream, start, source, hop, epoch, kind
LIMIT {limit:UInt64}`

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

// SourceRolls yields the rolls of the windows, the emitters joined, source by source: in the order of stream, start and source, of the first
// window from the source from on. They are read page by page, and no connection is held while one is yielded. An error is yielded last.
func (s *Store) SourceRolls(ctx context.Context, windows []WindowKey, from wire.UID) iter.Seq2[SourceRolls, error] {
	return func(yield func(SourceRolls, error) bool) {
		p := newPager(windows, string(from[:]), firstRolls)
		for !p.done() {
			found, err := s.rollsPage(ctx, p)
			if err != nil {
				yield(SourceRolls{}, err)
				return
			}
			for _, one := range found {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

// The rows of the first page of rolls, and what a later one may hold: the first tells how heavy rolls are.
const (
	firstRolls = 64
	mostRolls  = 16_384
	rollsBytes = 8 << 20
)

// rollsPage reads one page and moves the pager on. Of a full page the last source may not be whole, and is left to the next.
func (s *Store) rollsPage(ctx context.Context, p *pager) ([]SourceRolls, error) {
	args, err := p.args(hex.EncodeToString([]byte(p.from)))
	if err != nil {
		return nil, err
	}
	var found []SourceRolls
	rows, bytes := 0, 0
	err = s.query(ctx, "read rolls", selectSourceRolls, args, func(r driver.Rows) error {
		n, err := scanSourceRolls(r, &found)
		rows, bytes = rows+1, bytes+n
		return err
	})
	if err != nil || rows < p.limit {
		p.end()
		return found, err
	}
	p.limit = min(max(rollsBytes/(bytes/rows+1), firstRolls), mostRolls, 16*p.limit)
	found = found[:len(found)-1]
	if len(found) == 0 { // one source fills the page
		p.limit = 4 * rows
		return nil, nil
	}
	last := &found[len(found)-1]
	next := last.Source.WithSequence(last.Source.Sequence() + 1) // numbers of a source end in zeros
	p.goOn(last.WindowKey, string(next[:]))
	return found, nil
}

// scanSourceRolls adds one row to the sources found and returns how many bytes its roll has.
func scanSourceRolls(r driver.Rows, found *[]SourceRolls) (int, error) {
	var k RollKey
	var source, state string
	var kind int8
	var cards uint64
	if err := r.Scan(&k.Stream, &k.Start, &source, &k.Hop, &k.Epoch, &kind, &state, &cards); err != nil {
		return 0, err
	}
	copy(k.Source[:], source)
	roll, err := decodeBitmap(state)
	if err != nil {
		return 0, err
	}
	if n := len(*found); n == 0 || !(*found)[n-1].is(k) {
		*found = append(*found, SourceRolls{WindowKey: k.WindowKey, Source: k.Source})
	}
	set := (*found)[len(*found)-1].set(k.Hop, k.Epoch)
	switch wire.Kind(kind) {
	case closedSeen:
		set.ClosedSeen = roll
	case wire.Seen:
		set.Cards = cards
		fallthrough
	default:
		set.Rolls[kind] = roll
	}
	return len(state), nil
}

func (one *SourceRolls) is(k RollKey) bool {
	return k.Source == one.Source && k.Start.Equal(one.Start) && k.Stream == one.Stream
}

func (one *SourceRolls) set(hop string, epoch uint32) *RollSet {
	if n := len(one.Sets); n > 0 && one.Sets[n-1].Hop == hop && one.Sets[n-1].Epoch == epoch {
		return &one.Sets[n-1]
	}
	one.Sets = append(one.Sets, RollSet{Hop: hop, Epoch: epoch})
	return &one.Sets[len(one.Sets)-1]
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
SELECT DISTINCT stream, start, hop, emitter, number, digest
FROM announced
WHERE (stream, start) IN (SELECT stream, start FROM wanted)`

// Announced is a report whose rolls, or foreign UIDs, may be stored of a window.
type Announced struct {
	Hop     string
	Emitter wire.UID // that sent it
	Number  uint64
	Digest  uint64
}

// Announced returns the reports of which rolls, or foreign UIDs, may be stored of the windows, by window. Read after them, it names at
// least every report that what was read came from.
func (s *Store) Announced(ctx context.Context, windows []WindowKey) (map[WindowKey][]Announced, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]Announced{}
	err = s.query(ctx, "read announcements", selectAnnounced, args, func(r driver.Rows) error {
		var k WindowKey
		var a Announced
		var emitter uuid.UUID
		err := r.Scan(&k.Stream, &k.Start, &a.Hop, &emitter, &a.Number, &a.Digest)
		a.Emitter = uid(emitter)
		found[k] = append(found[k], a)
		return err
	})
	return found, err
}

const selectAnnouncers = `
SELECT DISTINCT stream, hop, emitter
FROM announced AS a
INNER JOIN wanted AS w ON w.stream = a.stream
WHERE a.stream IN (SELECT stream FROM wanted) AND start >= toDateTime({earliest:UInt32}, 'UTC') AND start >= toDateTime(w.since, 'UTC')`

// HopEmitter names an emitter of a hop.
type HopEmitter struct {
	Hop     string
	Emitter wire.UID
}

// Announcers returns the emitters of which rolls, or foreign UIDs, may be stored of a window that starts at the stream's instant in since or
// later, by stream.
func (s *Store) Announcers(ctx context.Context, since map[string]time.Time) (map[string][]HopEmitter, error) {
	var wanted [][]any
	earliest := int64(math.MaxUint32)
	for stream, t := range since {
		from := max(0, t.Unix())
		earliest = min(earliest, from)
		wanted = append(wanted, []any{stream, uint32(from)})
	}
	args, err := params{}.value("earliest", earliest).table("wanted", [][2]string{{"stream", "String"}, {"since", "UInt32"}}, wanted)
	if err != nil {
		return nil, err
	}
	found := map[string][]HopEmitter{}
	err = s.query(ctx, "read who announced", selectAnnouncers, args, func(r driver.Rows) error {
		var stream string
		var one HopEmitter
		var emitter uuid.UUID
		err := r.Scan(&stream, &one.Hop, &emitter)
		one.Emitter = uid(emitter)
		found[stream] = append(found[stream], one)
		return err
	})
	return found, err
}

// EmitterRoll is what one emitter saw of one source; nil when empty.
type EmitterRoll struct {
	RollKey
	Emitter wire.UID
	Seen    *roaring.Bitmap
}
