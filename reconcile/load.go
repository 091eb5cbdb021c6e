package reconcile

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// historyStore is what a stream's history is read from.
type historyStore interface {
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	ClosingsOf(ctx context.Context, streams []string) (map[string][]store.Closing, error)
	EpochsOf(ctx context.Context, streams []string) (map[string][]store.Epoch, error)
	Reports(ctx context.Context, streams []string, since time.Time) (map[string][]store.Report, error)
	EmittersSince(ctx context.Context, streams []string, since time.Time) (map[string][]store.Emitter, error)
	Hops(ctx context.Context, streams []string) (map[string][]store.HopSummary, error)
	UncoveredSources(ctx context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error)
}

// contentStore is what the rolls of windows are read from.
type contentStore interface {
	SourceRolls(ctx context.Context, windows []store.WindowKey, from wire.UID) iter.Seq2[store.SourceRolls, error]
	EmitterRolls(ctx context.Context, keys []store.RollKey, events uint64) iter.Seq2[store.EmitterRoll, error]
	ForeignEvents(ctx context.Context, windows []store.WindowKey, from string) iter.Seq2[store.ForeignEvent, error]
	WaivedOf(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.WaivedName, error)
	HopTallies(ctx context.Context, windows []store.WindowKey) (map[store.HopWindow]store.HopTally, error)
	Announced(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Announced, error)
	Announcers(ctx context.Context, since map[string]time.Time) (map[string][]store.HopEmitter, error)
}

// historyQuery names a stream and its settings.
type historyQuery struct {
	stream   string
	settings store.Settings
	horizon  time.Time // what was known of sources seen only in windows before it has not changed, and all were covered; zero: look at all
}

// loadHistories reads what was reported since an instant. What says which reports count is read first, then the reports, and the caller reads
// rolls after: so a report that counts has been read with the windows it mentions, and a watermark that counts never precedes its rolls.
func loadHistories(ctx context.Context, s historyStore, queries []historyQuery, since time.Time) (map[string]*history, error) {
	names := make([]string, len(queries))
	for i, q := range queries {
		names[i] = q.stream
	}
	emitters, err := s.EmittersSince(ctx, names, since.Add(-historyMargin))
	if err != nil {
		return nil, err
	}
	hops, err := s.Hops(ctx, names)
	if err != nil {
		return nil, err
	}
	reports, err := s.Reports(ctx, names, since)
	if err != nil {
		return nil, err
	}
	closings, err := s.ClosingsOf(ctx, names)
	if err != nil {
		return nil, err
	}
	epochs, err := s.EpochsOf(ctx, names)
	if err != nil {
		return nil, err
	}
	asked := make([]store.UncoveredQuery, len(queries))
	for i, q := range queries {
		asked[i] = q.uncovered(reports[q.stream])
	}
	uncovered, err := s.UncoveredSources(ctx, asked)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*history, len(queries))
	for _, q := range queries {
		found[q.stream] = newHistory(Stream{
			Settings: q.settings, Since: since.UnixMilli(), Hops: hops[q.stream], Emitters: emitters[q.stream],
			Reports: reports[q.stream], Closings: closings[q.stream], Epochs: epochs[q.stream],
			Uncovered: uncovered[q.stream],
		})
	}
	return found, nil
}

// uncovered asks for the sources that are not covered. What uncovers a source is a report that names it, or the first report with a hop before
// it of a hop that had none: that reaches back from when it was sent by a window and its grace. All windows that the reports at hand mention
// are looked at too, so that a report which was stored since the horizon was chosen is judged with its sources.
func (q historyQuery) uncovered(reports []store.Report) store.UncoveredQuery {
	found := store.UncoveredQuery{Stream: q.stream, Reach: q.settings.Grace}
	var longest time.Duration
	for _, l := range q.settings.Lengths {
		longest = max(longest, time.Duration(l.Seconds)*time.Second)
	}
	if n := len(q.settings.Lengths); n > 0 {
		found.Reach += time.Duration(q.settings.Lengths[n-1].Seconds) * time.Second
	}
	for _, e := range q.settings.Edges {
		found.NotFirst = append(found.NotFirst, e.To)
	}
	if q.horizon.IsZero() {
		return found
	}
	found.Horizon = q.horizon
	for i := range reports {
		for _, start := range reports[i].Windows {
			if start.Before(found.Horizon) {
				found.Horizon = start
			}
		}
	}
	found.Horizon = found.Horizon.Add(-longest - q.settings.Grace)
	return found
}

// fillWindows reads and compares, part by part, what the hops took over of the windows, and keeps those open that are torn.
func fillWindows(ctx context.Context, s contentStore, windows []*window) error {
	if err := readWaived(ctx, s, windows); err != nil {
		return err
	}
	if err := readContents(ctx, s, windows); err != nil {
		return err
	}
	return holdTorn(ctx, s, windows)
}

func readContents(ctx context.Context, s contentStore, windows []*window) error {
	keys, byKey := mentionedKeys(windows)
	if len(keys) == 0 {
		return nil
	}
	for p, err := range eachPart(ctx, s, keys, epochsOfWindows(byKey)) {
		if err != nil {
			return err
		}
		w := byKey[p.WindowKey]
		w.content.add(p, &w.closing.graph)
	}
	tallies, err := s.HopTallies(ctx, keys)
	if err != nil {
		return err
	}
	for h, n := range tallies {
		byKey[h.WindowKey].content.tallies[h.Hop] = n
	}
	return nil
}

func mentionedKeys(windows []*window) ([]store.WindowKey, map[store.WindowKey]*window) {
	var keys []store.WindowKey
	byKey := map[store.WindowKey]*window{}
	for _, w := range windows {
		if w.mentioned() {
			keys = append(keys, w.key())
			byKey[w.key()] = w
		}
	}
	return keys, byKey
}

// holdTorn finds the torn windows and keeps them open: rolls are there of a report whose lane row was not read, since it is being stored, or was
// stored in part. It must be called after the rolls were read.
func holdTorn(ctx context.Context, s contentStore, windows []*window) error {
	keys, byKey := mentionedKeys(windows)
	if len(keys) == 0 {
		return nil
	}
	announced, err := s.Announced(ctx, keys)
	if err != nil {
		return err
	}
	for key, w := range byKey {
		if w.torn = w.h.awaits(announced[key], w.start); w.torn {
			w.closing.hold()
		}
	}
	return holdStrangers(ctx, s, byKey)
}

// holdStrangers keeps the windows open that close while an emitter comes up of which nothing was read. It may have covered a source after the reports
// were read and before it was asked which sources are covered: then it holds windows that its own report does not mention, and nothing read says so.
func holdStrangers(ctx context.Context, s contentStore, windows map[store.WindowKey]*window) error {
	since := map[string]time.Time{}
	for key, w := range windows {
		if w.closing.closes() {
			since[key.Stream] = time.UnixMilli(w.h.Since)
		}
	}
	if len(since) == 0 {
		return nil
	}
	announcers, err := s.Announcers(ctx, since)
	if err != nil {
		return err
	}
	for key, w := range windows {
		if w.closing.closes() && w.h.strange(announcers[key.Stream], w.start) {
			w.torn = true
			w.closing.hold()
		}
	}
	return nil
}

// eachPart yields all parts of the windows. An error is yielded last.
func eachPart(ctx context.Context, s contentStore, keys []store.WindowKey, epochs epochsOf) iter.Seq2[*part, error] {
	return func(yield func(*part, error) bool) {
		for _, parts := range []iter.Seq2[*part, error]{numberedParts(ctx, s, keys, epochs, wire.UID{}, true), foreignParts(ctx, s, keys, epochs, "")} {
			for p, err := range parts {
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

func foreignParts(ctx context.Context, s contentStore, keys []store.WindowKey, epochs epochsOf, from string) iter.Seq2[*part, error] {
	return func(yield func(*part, error) bool) {
		for one, err := range s.ForeignEvents(ctx, keys, from) {
			if !yield(foreignPart(&one, epochs), err) || err != nil {
				return
			}
		}
	}
}

// What is held at once of parts that wait for the rolls by emitter.
const (
	batchParts  = 1000
	batchWeight = 4 << 20 // events
)

// numberedParts yields the parts of numbered events from the source from on, in the order of stream, start and source; with what more than one
// emitter saw where overlaps are asked for.
func numberedParts(ctx context.Context, s contentStore, keys []store.WindowKey, epochs epochsOf, from wire.UID, overlaps bool) iter.Seq2[*part, error] {
	return func(yield func(*part, error) bool) {
		var waiting []*part
		var weight uint64
		release := func() bool {
			if err := nameOverlaps(ctx, s, waiting); err != nil {
				yield(nil, err)
				return false
			}
			for _, p := range waiting {
				if !yield(p, nil) {
					return false
				}
			}
			clear(waiting)
			waiting, weight = waiting[:0], 0
			return true
		}
		for one, err := range s.SourceRolls(ctx, keys, from) {
			if err != nil {
				yield(nil, err)
				return
			}
			p := numberedPart(&one, epochs)
			if !overlaps {
				p.suspect = nil
			}
			waiting, weight = append(waiting, p), weight+p.weight
			if (len(waiting) == batchParts || weight >= batchWeight) && !release() {
				return
			}
		}
		release()
	}
}

// nameOverlaps finds by name what more than one emitter of an epoch saw, and adds it to the parts.
func nameOverlaps(ctx context.Context, s contentStore, parts []*part) error {
	type unions struct{ all, twice *roaring.Bitmap }
	found := map[store.RollKey]*unions{}
	var keys []store.RollKey
	var heaviest uint64
	for _, p := range parts {
		for _, k := range p.suspect {
			keys = append(keys, k)
			found[k] = &unions{roaring.New(), roaring.New()}
			heaviest = max(heaviest, p.weight)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	for one, err := range s.EmitterRolls(ctx, keys, heaviest) {
		if err != nil {
			return fmt.Errorf("name overlaps: %w", err)
		}
		if u := found[one.RollKey]; u != nil && one.Seen != nil {
			u.twice.Or(roaring.And(u.all, one.Seen))
			u.all.Or(one.Seen)
		}
	}
	for _, p := range parts {
		for _, k := range p.suspect {
			t := p.of(k.Hop)
			t.twice = or(t.twice, filled(found[k].twice))
		}
	}
	return nil
}
