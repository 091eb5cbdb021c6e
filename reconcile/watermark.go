package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Watermark returns a stream's completeness watermark, of all required edges or of those that lead to a hop, and the window that holds it
// back, if one does. It is false where no window is known.
func (r *Reader) Watermark(ctx context.Context, stream, hop string, now time.Time) (time.Time, *store.Blocked, bool, error) {
	k, ok, err := r.know(ctx, stream, time.Time{}, now)
	if err != nil || !ok || k.progress.Earliest.IsZero() {
		return time.Time{}, nil, false, err
	}
	counts := func(e store.Edge) bool {
		return (hop == "" || e.To == hop) && (len(k.settings.Edges) == 0 || slices.Contains(k.settings.Edges, e))
	}
	bad, err := r.store.FirstNotComplete(ctx, map[string]time.Time{stream: k.progress.Earliest})
	if err != nil {
		return time.Time{}, nil, false, err
	}
	hops, err := r.store.Hops(ctx, []string{stream})
	if err != nil {
		return time.Time{}, nil, false, err
	}
	mark := later(k.progress.Earliest, k.progress.Examined)
	rejudged, err := r.rejudged(ctx, map[string]store.Progress{stream: k.progress})
	if err != nil || rejudged[stream] {
		return k.progress.Earliest, nil, err == nil, err
	}
	if start, there, err := r.unjudged(ctx, k, firstEdge(hops[stream], k.settings)); err != nil || there && start.Before(mark) {
		if err != nil {
			return time.Time{}, nil, false, err
		}
		mark = start
	}
	for edge, start := range bad[stream] {
		if counts(edge) && start.Before(mark) {
			mark = start
		}
	}
	all, err := r.Windows(ctx, stream, mark, now.Add(time.Second), now, nil)
	if err != nil {
		return time.Time{}, nil, false, err
	}
	mark, blocked := walk(mark, all, counts, requiredTo(k.settings.Edges, hop))
	return mark, blocked, true, nil
}

// rejudged says which streams are, as a whole, to be judged anew, since their settings changed or something was closed by hand: until a pass
// has begun with that, what stands may not hold.
func (r *Reader) rejudged(ctx context.Context, progress map[string]store.Progress) (map[string]bool, error) {
	marks, err := r.store.MarksOf(ctx, slices.Collect(maps.Keys(progress)))
	found := map[string]bool{}
	for _, m := range marks {
		if m.Start.IsZero() && !m.Since.IsZero() && m.Since.Before(progress[m.Stream].Earliest) {
			found[m.Stream] = true
		}
	}
	return found, err
}

// unjudged finds the first window that has no edge, so that nothing was compared.
func (r *Reader) unjudged(ctx context.Context, k known, firstEdge time.Time) (time.Time, bool, error) {
	k.progress.Earliest = later(k.progress.Earliest, k.shown)
	if !edgeless(k.progress.Earliest, firstEdge, k.settings) {
		return time.Time{}, false, nil
	}
	stored, err := r.store.VerdictsIn(ctx, k.settings.Stream, k.progress.Earliest, firstEdge)
	if err != nil {
		return time.Time{}, false, err
	}
	for start := range k.starts(k.progress.Earliest, firstEdge, firstEdge) {
		if !edgeless(start, firstEdge, k.settings) {
			break
		}
		if !slices.ContainsFunc(stored, func(v store.Verdict) bool { return v.Start.Equal(start) }) {
			return start, true, nil
		}
	}
	return time.Time{}, false, nil
}

// requiredTo returns the required edges, of all hops or those that lead to one.
func requiredTo(edges []store.Edge, hop string) []store.Edge {
	return slices.DeleteFunc(slices.Clone(edges), func(e store.Edge) bool { return hop != "" && e.To != hop })
}

// walk goes from mark over the windows that follow for as long as each is good on all edges that count.
func walk(mark time.Time, all []store.Verdict, counts func(store.Edge) bool, required []store.Edge) (time.Time, *store.Blocked) {
	for len(all) > 0 && all[0].Start.Equal(mark) {
		if lacks(sameStart(all, 0), required) {
			return mark, nil
		}
		end := mark.Add(time.Duration(all[0].Seconds) * time.Second)
		for len(all) > 0 && all[0].Start.Equal(mark) {
			v := all[0]
			if counts(v.Edge) && !v.Good() {
				return mark, &store.Blocked{Start: v.Start, Edge: v.Edge, State: v.State, Reasons: v.Reasons}
			}
			all = all[1:]
		}
		mark = end
	}
	return mark, nil
}
