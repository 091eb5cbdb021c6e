package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Insert stores reports durably: first the announcement of what comes, then the rolls and tallies, then the lane rows, so that a visible
// watermark never precedes its rolls, then the marks by which the reconciler finds what changed. Each step is a join,
// so a call that failed half-way is simply made again.
func (s *Store) Insert(ctx context.Context, reports []Received) error {
	var b insertion
	for i := range reports {
		if err := b.add(&reports[i]); err != nil {
			return err
		}
	}
	if err := s.insert(ctx, "announced", b.announced); err != nil {
		return err
	}
	if b.sources > 0 {
		if err := s.insertEach(ctx, "reports_in", eachRoll(reports)); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		table string
		rows  [][]any
	}{{"uid_counts", b.foreign}, {"tallies", b.tallies}, {"lanes", b.lanes}} {
		if err := s.insert(ctx, part.table, part.rows); err != nil {
			return err
		}
	}
	return s.insert(ctx, "marks", b.marks())
}

// insertion gathers the rows of one Insert, by table, but for the rolls.
type insertion struct {
	announced, foreign, tallies, lanes [][]any
	sources                            int // that have rolls
	changed                            map[WindowKey]struct{}
	since                              map[string]int64
}

func (b *insertion) add(r *Received) error {
	digest := wire.Digest(r.Report)
	for i := range r.Windows {
		w := &r.Windows[i]
		b.announce(r, w.Start, digest)
		b.sources += len(w.Sources)
		b.uids(r, w)
		if err := b.tally(r, w); err != nil {
			return err
		}
	}
	b.ended(r, digest)
	b.mark(r, time.Time{})
	b.lanes = append(b.lanes, laneRow(r, digest))
	return nil
}

func (b *insertion) announce(r *Received, start time.Time, digest uint64) {
	b.mark(r, start)
	b.announced = append(b.announced, []any{r.Stream, start, r.Hop, id(r.Emitter), r.Number, digest})
}

func (b *insertion) mark(r *Received, start time.Time) {
	if b.changed == nil {
		b.changed, b.since = map[WindowKey]struct{}{}, map[string]int64{}
	}
	if !start.IsZero() {
		b.changed[WindowKey{r.Stream, start.UTC()}] = struct{}{}
		return
	}
	if since, ok := b.since[r.Stream]; !ok || r.SentAt.UnixMilli() < since {
		b.since[r.Stream] = r.SentAt.UnixMilli()
	}
}

// marks returns one mark for each window that changed and one for each stream.
func (b *insertion) marks() [][]any {
	rows := make([][]any, 0, len(b.changed)+len(b.since))
	for k := range b.changed {
		rows = append(rows, markRow(Mark{WindowKey: k}, 1))
	}
	for stream, since := range b.since {
		rows = append(rows, markRow(Mark{WindowKey: WindowKey{Stream: stream}, Since: at(since)}, 1))
	}
	return rows
}

// eachRoll yields a row for each roll of the reports, and of what they say of dead emitters. Every source has one of the kind seen, the other
// kinds where there is something.
func eachRoll(reports []Received) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for i := range reports {
			r := &reports[i]
			for j := range r.Windows {
				for k := range r.Windows[j].Sources {
					if !yieldRolls(r, r.Windows[j].Start, r.Emitter, &r.Windows[j].Sources[k], yield) {
						return
					}
				}
			}
			for j := range r.Ended {
				for start, span := range r.Ended[j].Windows {
					src := wire.Source{ID: r.Ended[j].Source}
					src.Rolls[wire.Seen] = rangeRoll(span)
					if !yieldRolls(r, start, r.Ended[j].Emitter, &src, yield) {
						return
					}
				}
			}
		}
	}
}

func yieldRolls(r *Received, start time.Time, emitter wire.UID, src *wire.Source, yield func([]any, error) bool) bool {
	first := bit(len(r.After) == 0)
	for kind, roll := range src.Rolls {
		seen := wire.Kind(kind) == wire.Seen
		if !seen && (roll == nil || roll.IsEmpty()) {
			continue
		}
		state, card, err := encodeBitmap(roll)
		if err != nil {
			err = fmt.Errorf("store: stream %s, source %s: %w", r.Stream, src.ID, err)
		}
		row := []any{r.Stream, start, src.ID[:], r.Hop, r.Epoch, int8(kind), id(emitter), r.Host, first, state, card, uint64(0), uint64(0)}
		if seen {
			row[11], row[12] = src.Observations, src.Bytes
		}
		if !yield(row, err) {
			return false
		}
	}
	return true
}

// uids adds foreign UIDs.
func (b *insertion) uids(r *Received, w *wire.Window) {
	for _, f := range w.Foreign {
		b.foreign = append(b.foreign, []any{
			r.Stream, w.Start, r.Hop, r.Epoch, f.UID, id(r.Emitter),
			f.Count, f.Corrupt, f.Invalid, f.Filtered, f.Rejected, f.Skewed,
		})
	}
}

func (b *insertion) tally(r *Received, w *wire.Window) error {
	if w.Latency == nil && len(w.Schemas) == 0 && len(w.Reasons) == 0 && w.Unplaced.Total() == 0 {
		return nil
	}
	latency := wire.Latency{Scale: noScale}
	if w.Latency != nil {
		latency = *w.Latency
	}
	schemas, reasons := map[string]uint64{}, map[string]uint64{}
	for _, t := range w.Schemas {
		key, err := json.Marshal([]string{t.ID, t.Version, t.Outcome, t.Reason})
		if err != nil {
			return fmt.Errorf("store: schema tally: %w", err)
		}
		schemas[string(key)] = max(schemas[string(key)], t.Count)
	}
	for _, t := range w.Reasons {
		key, err := json.Marshal([]string{t.Kind.String(), t.Reason})
		if err != nil {
			return fmt.Errorf("store: reason tally: %w", err)
		}
		reasons[string(key)] = max(reasons[string(key)], t.Count)
	}
	if latency.Counts == nil {
		latency.Counts = map[int32]uint64{}
	}
	b.tallies = append(b.tallies, []any{
		r.Stream, w.Start, r.Hop, r.Epoch, id(r.Emitter), latency.Scale, latency.Counts, latency.Zero, latency.Negative,
		schemas, reasons, w.Unplaced.TooOld, w.Unplaced.TooNew, w.Unplaced.Unreadable, w.Unplaced.NoUID,
	})
	return nil
}

// ended adds a lane row for each dead emitter that a report closes.
func (b *insertion) ended(r *Received, digest uint64) {
	windows := map[wire.UID][]time.Time{}
	var dead []wire.UID
	for _, e := range r.Ended {
		if _, known := windows[e.Emitter]; !known {
			dead = append(dead, e.Emitter)
			windows[e.Emitter] = []time.Time{}
		}
		b.sources += len(e.Windows)
		for start := range e.Windows {
			windows[e.Emitter] = append(windows[e.Emitter], start)
			b.announce(r, start, digest)
		}
	}
	for _, emitter := range dead {
		b.lanes = append(b.lanes, endedRow(r, emitter, windows[emitter], digest))
	}
}

// MostAhead is how far a watermark may be ahead of the receipt of its report: as far as the start of a window may be. Nobody knows what
// enters a hop later; what a clock of another year states would else hold good for all windows to come.
const MostAhead = 5 * time.Minute

func laneRow(r *Received, digest uint64) []any {
	top := r.SentAt.UnixMilli()
	lanes := make(map[string]int64, len(r.Lanes))
	for lane, watermark := range r.Lanes {
		lanes[lane] = min(watermark.UnixMilli(), r.At.Add(MostAhead).UnixMilli())
		top = max(top, lanes[lane])
	}
	windows := make([]time.Time, 0, len(r.Windows))
	for i := range r.Windows {
		windows = append(windows, r.Windows[i].Start)
		top = max(top, r.Windows[i].Start.UnixMilli())
	}
	return []any{
		r.Stream, top, r.Hop, id(r.Emitter), id(r.Emitter), r.Number, digest, uint8(0), r.Epoch, r.SentAt.UnixMilli(), r.At.UnixMilli(),
		bit(r.State == wire.Closed), r.LaneCount, lanes, windows, nonNil(r.After), bit(r.Idempotent), r.Heartbeat,
		r.Host, r.Container, r.Version, r.Spool.Events, r.Spool.Bytes, -r.At.UnixMilli(),
	}
}

func endedRow(r *Received, emitter wire.UID, windows []time.Time, digest uint64) []any {
	top := r.SentAt.UnixMilli()
	for _, w := range windows {
		top = max(top, w.UnixMilli())
	}
	return []any{
		r.Stream, top, r.Hop, id(emitter), id(r.Emitter), r.Number, digest, uint8(1), r.Epoch, r.SentAt.UnixMilli(), r.At.UnixMilli(),
		uint8(1), uint32(0), map[string]int64{}, windows, nonNil(r.After), bit(r.Idempotent), uint32(0),
		"", "", "", uint64(0), uint64(0), -r.At.UnixMilli(),
	}
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
