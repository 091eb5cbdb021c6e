package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// historyStore is what a stream's history is read from.
type historyStore interface {
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	ClosingsOf(ctx context.Context, streams []string) (map[string][]store.Closing, error)
	Reports(ctx context.Context, streams []string, since time.Time) (map[string][]store.Report, error)
	EmittersSince(ctx context.Context, streams []string, since time.Time) (map[string][]store.Emitter, error)
	Hops(ctx context.Context, streams []string) (map[string][]store.HopSummary, error)
	UncoveredSources(ctx context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error)
}

// contentStore is what the rolls of windows are read from.
type contentStore interface {
	Rolls(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.RollSet, error)
	EmitterRolls(ctx context.Context, keys []store.RollKey) (map[store.RollKey][]store.EmitterRoll, error)
	Foreign(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.ForeignCount, error)
	Unplaced(ctx context.Context, windows []store.WindowKey) (map[store.HopWindow]uint64, error)
	Digests(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]uint64, error)
}

// historyQuery names a stream and its settings.
type historyQuery struct {
	stream   string
	settings store.Settings
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
	uncovered, err := s.UncoveredSources(ctx, uncoveredQueries(queries))
	if err != nil {
		return nil, err
	}
	found := make(map[string]*history, len(queries))
	for _, q := range queries {
		found[q.stream] = newHistory(Stream{
			Settings: q.settings, Since: since.UnixMilli(), Hops: hops[q.stream], Emitters: emitters[q.stream],
			Reports: reports[q.stream], Closings: closings[q.stream], Uncovered: uncovered[q.stream],
		})
	}
	return found, nil
}

func uncoveredQueries(queries []historyQuery) []store.UncoveredQuery {
	found := make([]store.UncoveredQuery, len(queries))
	for i, q := range queries {
		reach := q.settings.Grace
		if n := len(q.settings.Lengths); n > 0 {
			reach += time.Duration(q.settings.Lengths[n-1].Seconds) * time.Second
		}
		found[i] = store.UncoveredQuery{Stream: q.stream, Reach: reach}
		for _, e := range q.settings.Edges {
			found[i].NotFirst = append(found[i].NotFirst, e.To)
		}
	}
	return found
}

// fillWindows reads what the hops took over of the windows. Where the rolls of several emitters may overlap, the
// rolls by emitter are read too. A window is torn when rolls are there of a report whose lane row was not read: it is being stored, or was stored in part.
func fillWindows(ctx context.Context, s contentStore, windows []*window) error {
	var keys []store.WindowKey
	for _, w := range windows {
		if w.mentioned() {
			keys = append(keys, w.key())
		}
	}
	if len(keys) == 0 {
		for _, w := range windows {
			w.fill(content{}, func(string) uint64 { return 0 })
		}
		return nil
	}
	rolls, err := s.Rolls(ctx, keys)
	if err != nil {
		return err
	}
	if err := nameOverlaps(ctx, s, rolls); err != nil {
		return err
	}
	foreign, err := s.Foreign(ctx, keys)
	if err != nil {
		return err
	}
	unplaced, err := s.Unplaced(ctx, keys)
	if err != nil {
		return err
	}
	digests, err := s.Digests(ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range windows {
		k := w.key()
		w.torn = w.mentioned() && !w.h.knows(digests[k])
		w.fill(gather(rolls[k], foreign[k]), func(hop string) uint64 { return unplaced[store.HopWindow{WindowKey: k, Hop: hop}] })
	}
	return nil
}

// nameOverlaps finds by name what more than one emitter of an epoch saw.
func nameOverlaps(ctx context.Context, s contentStore, rolls map[store.WindowKey][]store.RollSet) error {
	var keys []store.RollKey
	where := map[store.RollKey]*store.RollSet{}
	for window, sets := range rolls {
		for i := range sets {
			set := &sets[i]
			if seen := set.Rolls[wire.Seen]; seen != nil && set.Cards > seen.GetCardinality() {
				k := store.RollKey{WindowKey: window, Hop: set.Hop, Epoch: set.Epoch, Source: set.Source}
				keys = append(keys, k)
				where[k] = set
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	byEmitter, err := s.EmitterRolls(ctx, keys)
	if err != nil {
		return fmt.Errorf("name overlaps: %w", err)
	}
	for k, emitters := range byEmitter {
		if set := where[k]; set != nil {
			set.Duplicated = overlap(emitters)
		}
	}
	return nil
}
