package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Hours returns the roll-up of each (stream, hour) that overlaps [from, to), ascending; of all streams when streams is nil. An hour
// is the worst state of its windows over the required edges.
func (r *Reader) Hours(ctx context.Context, streams []string, from, to, now time.Time) ([]store.Hour, error) {
	if streams == nil {
		var err error
		if streams, err = r.store.StreamNames(ctx); err != nil {
			return nil, err
		}
	}
	from, to = from.UTC().Truncate(time.Hour), ceilHour(to)
	progress, err := r.store.ProgressOf(ctx, streams)
	if err != nil {
		return nil, err
	}
	settings, err := r.store.Settings(ctx, streams)
	if err != nil {
		return nil, err
	}
	edges, err := r.store.EdgeHours(ctx, streams, from, to)
	if err != nil {
		return nil, err
	}
	hops, err := r.store.Hops(ctx, streams)
	if err != nil {
		return nil, err
	}
	byHour := map[store.WindowKey][]store.EdgeHour{}
	for _, e := range edges {
		k := store.WindowKey{Stream: e.Stream, Start: e.Start.UTC()}
		byHour[k] = append(byHour[k], e)
	}
	var hours []store.Hour
	shown := shownFrom(r.retention, now)
	for _, stream := range streams {
		p := progress[stream]
		if p.Earliest.IsZero() {
			continue
		}
		for start := later(from, p.Earliest.Truncate(time.Hour)); start.Before(to) && !start.After(now); start = start.Add(time.Hour) {
			all := byHour[store.WindowKey{Stream: stream, Start: start}]
			sums := required(all, settings[stream])
			if start.Before(shown) && len(sums) == 0 {
				continue
			}
			hours = append(hours, rollUp(start, sums, lacking(all, settings[stream]), p, settings[stream], firstEdge(hops[stream], settings[stream]), now))
			lapse(&hours[len(hours)-1], r.retention, now)
		}
	}
	return hours, nil
}

func ceilHour(t time.Time) time.Time {
	start := t.UTC().Truncate(time.Hour)
	if start.Before(t) {
		start = start.Add(time.Hour)
	}
	return start
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// required leaves only the sums of required edges, where there are such.
func required(sums []store.EdgeHour, s store.Settings) []store.EdgeHour {
	if len(s.Edges) == 0 {
		return sums
	}
	return slices.DeleteFunc(slices.Clone(sums), func(e store.EdgeHour) bool { return !slices.Contains(s.Edges, e.Edge) })
}

// firstEdge is the instant from which a report, or a setting, says that a hop comes after another. A window whose grace ended before it
// has an edge only if a report that mentions it says so: otherwise nothing was compared, and it is not complete.
func firstEdge(hops []store.HopSummary, s store.Settings) time.Time {
	if len(s.Edges) > 0 {
		return time.Time{}
	}
	first := store.Never
	for i := range hops {
		for _, at := range hops[i].AfterFirst {
			if t := time.UnixMilli(at); t.Before(first) {
				first = t
			}
		}
	}
	return first
}

// edgeless says whether the window that starts at start has no edge unless a report that mentions it names one.
func edgeless(start, firstEdge time.Time, s store.Settings) bool {
	return !firstEdge.Before(start.Add(time.Duration(s.Seconds(start))*time.Second + s.Grace))
}

// lacking says whether windows were judged before an edge was required that has no verdict yet.
func lacking(sums []store.EdgeHour, s store.Settings) bool {
	var most uint64
	byEdge := map[store.Edge]uint64{}
	for i := range sums {
		byEdge[sums[i].Edge] = sums[i].Windows
		most = max(most, sums[i].Windows)
	}
	return slices.ContainsFunc(s.Edges, func(e store.Edge) bool { return byEdge[e] < most })
}

// lacks says the same of the verdicts of one window.
func lacks(verdicts []store.Verdict, required []store.Edge) bool {
	return slices.ContainsFunc(required, func(e store.Edge) bool {
		return !slices.ContainsFunc(verdicts, func(v store.Verdict) bool { return v.Edge == e })
	})
}

// rollUp joins the sums of one hour's edges. Windows without a stored verdict are complete once the stream was examined past
// them; before that the hour is not, nor where they have no edge.
func rollUp(start time.Time, sums []store.EdgeHour, lacking bool, p store.Progress, s store.Settings, firstEdge, now time.Time) store.Hour {
	h := store.Hour{Stream: s.Stream, Start: start, State: store.Complete}
	end := start.Add(time.Hour)
	from := later(start, p.Earliest)
	unexamined := windowsBetween(later(from, p.Examined), end, s)
	covered, stored := len(sums) > 0, len(sums) > 0
	for i := range sums {
		h.State = h.State.Worse(sums[i].Worst)
		addCounts(&h.Counts, &sums[i].Counts)
		covered = covered && sums[i].Unexamined >= unexamined
		stored = stored && sums[i].Windows >= windowsBetween(from, end, s)
	}
	for i := range sums {
		h.Produced = max(h.Produced, sums[i].Produced)
	}
	if edgeless(from, firstEdge, s) && !stored {
		h.State = h.State.Worse(store.Unknown)
	}
	switch {
	case now.Before(end):
		h.State = h.State.Worse(store.Open)
	case lacking, unexamined > 0 && !covered:
		h.State = h.State.Worse(store.Settling)
	}
	if h.State == store.Open || h.State == store.Settling {
		h.Next = end.Add(s.Grace)
	}
	return h
}

// addCounts adds all but Produced, which is the same on every edge.
func addCounts(sum, c *store.Counts) {
	sum.Expected += c.Expected
	sum.Delivered += c.Delivered
	sum.Lost += c.Lost
	sum.Pending += c.Pending
	sum.Duplicated += c.Duplicated
	sum.Redelivered += c.Redelivered
	sum.Unexpected += c.Unexpected
	sum.Corrupt += c.Corrupt
	sum.Invalid += c.Invalid
	sum.Filtered += c.Filtered
	sum.Rejected += c.Rejected
	sum.Skewed += c.Skewed
	sum.Unplaced += c.Unplaced
	sum.Late += c.Late
	sum.InvalidAtSource += c.InvalidAtSource
	sum.InvalidBefore += c.InvalidBefore
	sum.Checked += c.Checked
	sum.CheckedAtSource += c.CheckedAtSource
}

// windowsBetween is the number of windows that start in [from, to).
func windowsBetween(from, to time.Time, s store.Settings) uint64 {
	var n uint64
	for start := from; start.Before(to); start = start.Add(time.Duration(s.Seconds(start)) * time.Second) {
		n++
	}
	return n
}

// HourOfEdge returns the roll-up of one hour, over one edge or over the required ones, and its verdicts that are not complete. It is
// false where the stream is unknown or the hour lies outside of what is known at now.
func (r *Reader) HourOfEdge(ctx context.Context, stream string, hour time.Time, edge *store.Edge, now time.Time) (store.Hour, []store.Verdict, error) {
	end := hour.Add(time.Hour)
	all, err := r.Windows(ctx, stream, hour, end, now, edge)
	if err != nil {
		return store.Hour{}, nil, err
	}
	settings, err := r.store.Settings(ctx, []string{stream})
	if err != nil {
		return store.Hour{}, nil, err
	}
	s := settings[stream]
	if edge == nil && len(s.Edges) > 0 {
		all = slices.DeleteFunc(all, func(v store.Verdict) bool { return !slices.Contains(s.Edges, v.Edge) })
	}
	h := store.Hour{Stream: stream, Start: hour}
	produced := map[store.Edge]uint64{}
	var open []store.Verdict
	for i := range all {
		v := &all[i]
		h.State = h.State.Worse(v.State)
		if edge == nil && lacks(sameStart(all, i), s.Edges) {
			h.State = h.State.Worse(store.Settling)
		}
		addCounts(&h.Counts, &v.Counts)
		produced[v.Edge] += v.Produced
		h.Produced = max(h.Produced, produced[v.Edge])
		if v.State != store.Complete {
			open = append(open, *v)
		}
	}
	if edge == nil {
		blank, err := r.blank(ctx, s, hour, now)
		if err != nil {
			return store.Hour{}, nil, err
		}
		if blank {
			h.State = h.State.Worse(store.Unknown)
		}
	}
	if h.State != 0 && now.Before(end) {
		h.State = h.State.Worse(store.Open)
	}
	if h.State == store.Open || h.State == store.Settling {
		h.Next = end.Add(s.Grace)
	}
	lapse(&h, r.retention, now)
	return h, open, nil
}

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

// sameStart returns the verdicts of the window that the i-th one is of; all is in the order of starts.
func sameStart(all []store.Verdict, i int) []store.Verdict {
	from, to := i, i+1
	for from > 0 && all[from-1].Start.Equal(all[i].Start) {
		from--
	}
	for to < len(all) && all[to].Start.Equal(all[i].Start) {
		to++
	}
	return all[from:to]
}

// requiredTo returns the required edges, of all hops or those that lead to one.
func requiredTo(edges []store.Edge, hop string) []store.Edge {
	return slices.DeleteFunc(slices.Clone(edges), func(e store.Edge) bool { return hop != "" && e.To != hop })
}

// walk goes from mark over the windows that follow for as long as each is complete on all edges that count.
func walk(mark time.Time, all []store.Verdict, counts func(store.Edge) bool, required []store.Edge) (time.Time, *store.Blocked) {
	for len(all) > 0 && all[0].Start.Equal(mark) {
		if lacks(sameStart(all, 0), required) {
			return mark, nil
		}
		end := mark.Add(time.Duration(all[0].Seconds) * time.Second)
		for len(all) > 0 && all[0].Start.Equal(mark) {
			v := all[0]
			if counts(v.Edge) && v.State != store.Complete {
				return mark, &store.Blocked{Start: v.Start, Edge: v.Edge, State: v.State, Reasons: v.Reasons}
			}
			all = all[1:]
		}
		mark = end
	}
	return mark, nil
}

// blank says whether an hour has a window that has no edge, so that nothing was compared.
func (r *Reader) blank(ctx context.Context, s store.Settings, hour, now time.Time) (bool, error) {
	streams := []string{s.Stream}
	progress, err := r.store.ProgressOf(ctx, streams)
	if err != nil || progress[s.Stream].Earliest.IsZero() {
		return false, err
	}
	hops, err := r.store.Hops(ctx, streams)
	if err != nil {
		return false, err
	}
	k := known{settings: s, progress: store.Progress{Earliest: later(hour, progress[s.Stream].Earliest)}}
	k.expire(r.retention, now)
	start, there, err := r.unjudged(ctx, k, firstEdge(hops[s.Stream], s))
	return there && start.Before(hour.Add(time.Hour)) && !start.After(now), err
}
