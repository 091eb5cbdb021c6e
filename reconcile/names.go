package reconcile

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Named returns up to limit events of one list of a window and edge in the order of their UIDs, from after the UID after, and the UID to go on
// after; found is false where there is no such window or edge.
func (r *Reader) Named(
	ctx context.Context, stream string, start time.Time, edge store.Edge, kind, after string, limit int, now time.Time,
) (items []store.Named, next string, found bool, err error) {
	set, _ := setOf(kind, how{})
	w, err := r.open(ctx, stream, start, now, func(w *window) error {
		if set == lists || !w.mentioned() {
			return nil
		}
		items, err = r.page(ctx, w, edge, set, after, limit+1)
		return err
	})
	if err != nil || w == nil || !slices.Contains(w.closing.graph.edges(), edge) {
		return nil, "", false, err
	}
	before, err := r.store.VerdictsOf(ctx, []store.WindowKey{w.key()})
	if err != nil {
		return nil, "", false, err
	}
	var how how
	if i := slices.IndexFunc(before[w.key()], func(v store.Verdict) bool { return v.Edge == edge }); i >= 0 {
		how = w.how(edge, !before[w.key()][i].FirstClosed.IsZero())
		how.idempotent = how.idempotent || w.past && before[w.key()][i].Redelivered > 0
		how.closed = how.closed || w.torn && before[w.key()][i].Closed() // the names of what stands, until more is known
	} else {
		how = w.how(edge, false)
	}
	if _, holds := setOf(kind, how); !holds {
		return nil, "", true, nil
	}
	if len(items) > limit {
		items = items[:limit]
		next = items[limit-1].UID
	}
	hop := edge.To
	if set == atSource {
		hop = edge.From
	}
	return items, next, true, r.describe(ctx, w, hop, items)
}

// page reads up to limit events of a set after the UID after.
func (r *Reader) page(ctx context.Context, w *window, edge store.Edge, set list, after string, limit int) ([]store.Named, error) {
	keys := []store.WindowKey{w.key()}
	from := cursor(after).Source()
	// A foreign UID may sort anywhere among the numbered ones, and after may be of either sort.
	var items []store.Named
	for p, err := range numberedParts(ctx, r.store, keys, w.epochs(), from, set == twice) {
		if err != nil {
			return nil, err
		}
		if items = w.take(items, p, edge, set, after, limit); len(items) == limit {
			break
		}
	}
	var foreign []store.Named
	for p, err := range foreignParts(ctx, r.store, keys, w.epochs(), after) {
		if err != nil {
			return nil, err
		}
		if foreign = w.take(foreign, p, edge, set, after, limit); len(foreign) == limit {
			break
		}
	}
	items = append(items, foreign...)
	slices.SortFunc(items, func(a, b store.Named) int { return cmp.Compare(a.UID, b.UID) })
	return items[:min(limit, len(items))], nil
}

// cursor reads a UID to go on after; it is zero where the text sorts otherwise than the bytes, as a foreign UID or one in upper case does.
func cursor(after string) wire.UID {
	if u, err := wire.ParseUID(after); err == nil && u.String() == after {
		return u
	}
	return wire.UID{}
}

// take adds the events of a part's set that come after the UID after, until there are limit.
func (w *window) take(items []store.Named, p *part, edge store.Edge, set list, after string, limit int) []store.Named {
	sets, _ := p.compare(&w.closing.graph, edge)
	if sets[set] == nil {
		return items
	}
	it := sets[set].Iterator()
	if u := cursor(after); p.foreign == "" && u.Source() == p.source {
		it.AdvanceIfNeeded(u.Sequence())
	}
	for it.HasNext() && len(items) < limit {
		n := it.Next()
		named := store.Named{UID: p.foreign, Foreign: p.foreign != "", LastHop: w.lastHop(p, n)}
		if !named.Foreign {
			named.UID, named.Source, named.Sequence = p.source.WithSequence(n).String(), p.source, n
		}
		if named.UID > after {
			items = append(items, named)
		}
	}
	return items
}

// lastHop is the last hop, in the order of the pipeline, that saw the event.
func (w *window) lastHop(p *part, n uint32) string {
	last := ""
	for _, hop := range w.closing.graph.order {
		if seen := p.seen(hop); seen != nil && seen.Contains(n) {
			last = hop
		}
	}
	return last
}

// describe adds to each event the host of its source and how often a hop took it over.
func (r *Reader) describe(ctx context.Context, w *window, hop string, items []store.Named) error {
	sources := map[wire.UID]bool{}
	var numbered []wire.UID
	for i := range items {
		if !items[i].Foreign {
			sources[items[i].Source] = true
			numbered = append(numbered, items[i].Source.WithSequence(items[i].Sequence))
		}
	}
	if len(items) == 0 {
		return nil
	}
	hosts, err := r.store.SourceHosts(ctx, w.h.Settings.Stream, slices.Collect(maps.Keys(sources)))
	if err != nil {
		return err
	}
	times, err := r.store.Times(ctx, w.key(), hop, numbered)
	if err != nil {
		return err
	}
	foreign, err := r.foreignTimes(ctx, w, hop, items)
	if err != nil {
		return err
	}
	first := w.closing.graph.first()
	for i := range items {
		n := &items[i]
		if n.Times = foreign[n.UID]; !n.Foreign {
			n.Times = times[n.Source.WithSequence(n.Sequence)]
		}
		for _, hop := range first {
			if host := hosts[n.Source][hop]; host != "" {
				n.Host = host
			}
		}
	}
	return nil
}

// foreignTimes returns how often, at least, the hop took the foreign events among the items over.
func (r *Reader) foreignTimes(ctx context.Context, w *window, hop string, items []store.Named) (map[string]uint32, error) {
	times := map[string]uint32{}
	i := slices.IndexFunc(items, func(n store.Named) bool { return n.Foreign })
	if i < 0 {
		return times, nil
	}
	last := items[len(items)-1].UID
	for one, err := range r.store.ForeignEvents(ctx, []store.WindowKey{w.key()}, items[i].UID) {
		if err != nil {
			return nil, err
		}
		if one.UID > last {
			break
		}
		for _, f := range one.Counts {
			if f.Hop == hop {
				times[one.UID] += uint32(min(f.Kinds[wire.Seen], 1<<31))
			}
		}
	}
	return times, nil
}
