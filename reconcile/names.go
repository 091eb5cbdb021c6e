package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Kinds are the lists of names a window and edge has.
func Kinds() []string {
	return []string{
		listLost, listPending, listDuplicated, listRedelivered, listUnexpected, listCorrupt, listInvalid,
		listFiltered, listRejected, listSkewed, listLate,
	}
}

// Named returns up to limit events of one list of a window and edge in the order of their UIDs, from after the UID after, and the UID to go on
// after; found is false where there is no such window or edge.
func (r *Reader) Named(
	ctx context.Context, stream string, start time.Time, edge store.Edge, kind, after string, limit int, now time.Time,
) (items []store.Named, next string, found bool, err error) {
	w, err := r.open(ctx, stream, start, now)
	if err != nil || w == nil || !slices.Contains(w.closing.graph.edges(), edge) {
		return nil, "", false, err
	}
	before, err := r.store.VerdictsOf(ctx, []store.WindowKey{w.key()})
	if err != nil {
		return nil, "", false, err
	}
	wasClosed := slices.ContainsFunc(before[w.key()], func(v store.Verdict) bool { return v.Edge == edge && !v.FirstClosed.IsZero() })
	list := compare(w.content, &w.closing.graph, edge, w.closing.hops[edge.To].closed(), wasClosed).names[kind]
	items = list.page(after, limit+1)
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].UID
	}
	return items, next, true, r.describe(ctx, w, edge, items)
}

// page lists up to limit events after the UID after.
func (s Set) page(after string, limit int) []store.Named {
	var items []store.Named
	for _, uid := range slices.Sorted(maps.Keys(s.Foreign)) {
		if uid > after {
			items = append(items, store.Named{UID: uid, Foreign: true})
		}
	}
	taken := 0
	sources := slices.SortedFunc(maps.Keys(s.Rolls), func(a, b wire.UID) int { return slices.Compare(a[:], b[:]) })
	for _, source := range sources {
		if taken == limit {
			break
		}
		it := s.Rolls[source].Iterator()
		if from, err := wire.ParseUID(after); err == nil {
			switch c := slices.Compare(source[:12], from[:12]); {
			case c < 0:
				continue
			case c == 0:
				it.AdvanceIfNeeded(from.Sequence())
			}
		}
		for taken < limit && it.HasNext() {
			n := it.Next()
			if uid := source.WithSequence(n).String(); uid > after {
				items = append(items, store.Named{UID: uid, Source: source, Sequence: n})
				taken++
			}
		}
	}
	slices.SortFunc(items, func(a, b store.Named) int {
		if a.UID < b.UID {
			return -1
		}
		return 1
	})
	return items[:min(limit, len(items))]
}

// describe adds to each event the host of its source, the last hop that saw it and how often the later hop took it over.
func (r *Reader) describe(ctx context.Context, w *window, edge store.Edge, items []store.Named) error {
	sources := map[wire.UID]bool{}
	for i := range items {
		if !items[i].Foreign {
			sources[items[i].Source] = true
		}
	}
	if len(items) == 0 {
		return nil
	}
	hosts, err := r.store.SourceHosts(ctx, w.h.Settings.Stream, slices.Collect(maps.Keys(sources)))
	if err != nil {
		return err
	}
	times, err := r.times(ctx, w, edge.To, slices.Collect(maps.Keys(sources)))
	if err != nil {
		return err
	}
	first := w.closing.graph.first()
	for i := range items {
		n := &items[i]
		n.LastHop = w.lastHop(n)
		n.Times = times(n)
		for _, hop := range first {
			if host := hosts[n.Source][hop]; host != "" {
				n.Host = host
			}
		}
	}
	return nil
}

// lastHop is the last hop, in the order of the pipeline, that saw the event.
func (w *window) lastHop(n *store.Named) string {
	last := ""
	for _, hop := range w.closing.graph.order {
		seen := w.content.of(hop).kinds[wire.Seen]
		if n.Foreign {
			if _, there := seen.Foreign[n.UID]; there {
				last = hop
			}
		} else if b := seen.Rolls[n.Source]; b != nil && b.Contains(n.Sequence) {
			last = hop
		}
	}
	return last
}

// times returns a function that says how often, at least, the hop took an event over.
func (r *Reader) times(ctx context.Context, w *window, hop string, sources []wire.UID) (func(*store.Named) uint32, error) {
	var keys []store.RollKey
	for key := range w.h.lanes {
		if key.hop != hop {
			continue
		}
		for _, source := range sources {
			keys = append(keys, store.RollKey{WindowKey: w.key(), Hop: hop, Epoch: key.epoch, Source: source})
		}
	}
	rolls := map[store.RollKey][]store.EmitterRoll{}
	if len(keys) > 0 {
		var err error
		if rolls, err = r.store.EmitterRolls(ctx, keys); err != nil {
			return nil, err
		}
	}
	foreign, err := r.store.Foreign(ctx, []store.WindowKey{w.key()})
	if err != nil {
		return nil, err
	}
	counts := map[string]uint32{}
	for _, f := range foreign[w.key()] {
		if f.Hop == hop {
			counts[f.UID] += uint32(min(f.Counts[wire.Seen], 1<<31))
		}
	}
	return func(n *store.Named) uint32 {
		if n.Foreign {
			return counts[n.UID]
		}
		var times uint32
		for _, k := range keys {
			if k.Source != n.Source {
				continue
			}
			for _, e := range rolls[k] {
				times += has(e.Seen, n.Sequence) + has(e.Repeated, n.Sequence)
			}
		}
		return times
	}, nil
}
