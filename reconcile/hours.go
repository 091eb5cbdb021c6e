package reconcile

import (
	"context"
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
			h := rollUp(start, sums, lacking(all, settings[stream]), p, settings[stream], firstEdge(hops[stream], settings[stream]), now)
			hours = append(hours, r.appraised(h, settings[stream], now))
		}
	}
	return hours, dropWaivedBars(ctx, r.store, hours)
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
	h := store.Hour{Stream: s.Stream, Start: start, State: store.Complete, Good: store.Complete, Held: store.Complete}
	end := start.Add(time.Hour)
	from := later(start, p.Earliest)
	unexamined := windowsBetween(later(from, p.Examined), end, s)
	covered, stored := len(sums) > 0, len(sums) > 0
	for i := range sums {
		h.State, h.Good, h.Held = h.State.Worse(sums[i].Worst), h.Good.Worse(sums[i].Good), h.Held.Worse(sums[i].Held)
		h.Waived.Add(sums[i].Waived)
		addCounts(&h.Counts, &sums[i].Counts)
		covered = covered && sums[i].Unexamined >= unexamined
		stored = stored && sums[i].Windows >= windowsBetween(from, end, s)
	}
	for i := range sums {
		h.Produced = max(h.Produced, sums[i].Produced)
	}
	if edgeless(from, firstEdge, s) && !stored {
		worsen(&h, store.Unknown)
	}
	switch {
	case now.Before(end):
		worsen(&h, store.Open)
	case lacking, unexamined > 0 && !covered:
		worsen(&h, store.Settling)
	}
	return h
}

// appraised says of an hour that is rolled up what stands in the way of a certificate, and when that can be no more.
func (r *Reader) appraised(h store.Hour, s store.Settings, now time.Time) store.Hour {
	lapse(&h, r.retention, now)
	h.Next, h.Bars = nextGood(&h, h.Start.Add(time.Hour+s.Grace)), bars(&h, &s)
	return h
}

// worsen makes an hour at least as bad as a state that nobody can waive.
func worsen(h *store.Hour, s store.State) {
	h.State, h.Good, h.Held = h.State.Worse(s), h.Good.Worse(s), h.Held.Worse(s)
}

// nextGood is the earliest instant at which the hour can be good; zero where it is, or time alone makes it no better.
func nextGood(h *store.Hour, graceEnds time.Time) time.Time {
	if h.Good == store.Open || h.Good == store.Settling {
		return graceEnds
	}
	return time.Time{}
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
	sum.Replayed += c.Replayed
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
	a, err := r.appraise(ctx, stream, hour, edge, now)
	return a.hour, slices.DeleteFunc(a.verdicts, func(v store.Verdict) bool { return v.State == store.Complete }), err
}

// appraisal is an hour with what it is rolled up from.
type appraisal struct {
	hour     store.Hour
	settings store.Settings
	verdicts []store.Verdict // of the edges that count, ascending by start and edge
}

// appraise rolls up one hour, over one edge or over the required ones. The state is 0 where nothing is known of the hour at now.
func (r *Reader) appraise(ctx context.Context, stream string, hour time.Time, edge *store.Edge, now time.Time) (appraisal, error) {
	end := hour.Add(time.Hour)
	all, err := r.Windows(ctx, stream, hour, end, now, edge)
	if err != nil {
		return appraisal{}, err
	}
	settings, err := r.store.Settings(ctx, []string{stream})
	if err != nil {
		return appraisal{}, err
	}
	s := settings[stream]
	h := store.Hour{Stream: stream, Start: hour}
	if edge == nil && len(s.Edges) > 0 {
		unjudged, err := r.onNewEdges(ctx, all, s)
		if err != nil {
			return appraisal{}, err
		}
		if unjudged && !now.Before(end) {
			worsen(&h, store.Settling)
		}
		all = slices.DeleteFunc(all, func(v store.Verdict) bool { return !slices.Contains(s.Edges, v.Edge) })
	}
	produced := map[store.Edge]uint64{}
	for i := range all {
		v := &all[i]
		h.State, h.Good, h.Held = h.State.Worse(v.State), h.Good.Worse(goodState(v)), h.Held.Worse(heldState(v))
		h.Waived.Add(v.Waived)
		addCounts(&h.Counts, &v.Counts)
		produced[v.Edge] += v.Produced
		h.Produced = max(h.Produced, produced[v.Edge])
	}
	if edge == nil {
		blank, err := r.blank(ctx, s, hour, now)
		if err != nil {
			return appraisal{}, err
		}
		if blank {
			worsen(&h, store.Unknown)
		}
	}
	if h.State != 0 && now.Before(end) {
		worsen(&h, store.Open)
	}
	one := []store.Hour{r.appraised(h, s, now)}
	err = dropWaivedBars(ctx, r.store, one)
	return appraisal{one[0], s, all}, err
}

// onNewEdges says whether windows were not judged on all edges that are required: one of them has no verdict there, or the stream is to be judged anew
// as a whole, so that windows without an event may not be what they are called.
func (r *Reader) onNewEdges(ctx context.Context, all []store.Verdict, s store.Settings) (bool, error) {
	for i := range all {
		if (i == 0 || !all[i].Start.Equal(all[i-1].Start)) && lacks(sameStart(all, i), s.Edges) {
			return true, nil
		}
	}
	if len(all) == 0 {
		return false, nil
	}
	progress, err := r.store.ProgressOf(ctx, []string{s.Stream})
	if err != nil {
		return false, err
	}
	rejudged, err := r.rejudged(ctx, progress)
	return rejudged[s.Stream], err
}

// goodState is the verdict's state, and complete where all that keeps it from that is waived.
func goodState(v *store.Verdict) store.State {
	if v.Good() {
		return store.Complete
	}
	return v.State
}

// heldState is goodState, and complete also where events are lost.
func heldState(v *store.Verdict) store.State {
	if v.State == store.Incomplete {
		return store.Complete
	}
	return goodState(v)
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
