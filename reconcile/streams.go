package reconcile

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Streams returns all streams that have reports or settings, by name.
func (r *Reader) Streams(ctx context.Context, now time.Time) ([]store.StreamInfo, error) {
	names, err := r.store.StreamNames(ctx)
	if err != nil {
		return nil, err
	}
	return r.describeStreams(ctx, names, now)
}

// Stream returns one stream; it is false when it has neither reports nor settings.
func (r *Reader) Stream(ctx context.Context, stream string, now time.Time) (store.StreamInfo, bool, error) {
	names, err := r.store.StreamNames(ctx)
	if err != nil || !slices.Contains(names, stream) {
		return store.StreamInfo{}, false, err
	}
	found, err := r.describeStreams(ctx, []string{stream}, now)
	if err != nil {
		return store.StreamInfo{}, false, err
	}
	return found[0], true, nil
}

func (r *Reader) describeStreams(ctx context.Context, names []string, now time.Time) ([]store.StreamInfo, error) {
	settings, err := r.store.Settings(ctx, names)
	if err != nil {
		return nil, err
	}
	hops, err := r.store.Hops(ctx, names)
	if err != nil {
		return nil, err
	}
	emitters, err := r.store.EmittersSince(ctx, names, now.Add(-historyMargin))
	if err != nil {
		return nil, err
	}
	progress, err := r.store.ProgressOf(ctx, names)
	if err != nil {
		return nil, err
	}
	watermarks, err := r.watermarks(ctx, progress, settings, hops, now)
	if err != nil {
		return nil, err
	}
	infos := make([]store.StreamInfo, len(names))
	for i, name := range names {
		infos[i] = describeStream(settings[name], hops[name], emitters[name], now)
		infos[i].Earliest, infos[i].Watermark = progress[name].Earliest, watermarks[name]
	}
	return infos, nil
}

func describeStream(s store.Settings, hops []store.HopSummary, emitters []store.Emitter, now time.Time) store.StreamInfo {
	h := newHistory(Stream{Settings: s, Since: now.UnixMilli(), Hops: hops, Emitters: emitters})
	g := h.windowGraph(now.UnixMilli(), now.UnixMilli())
	info := store.StreamInfo{Stream: s.Stream, Settings: s, Edges: s.Edges}
	if len(info.Edges) == 0 {
		info.Edges = g.edges()
	}
	for _, hop := range slices.Concat(g.order, slices.Sorted(maps.Keys(g.cyclic))) {
		one := store.HopInfo{Hop: hop, After: g.before[hop]}
		for i := range emitters {
			if emitters[i].Hop == hop {
				count(&one, &emitters[i], now)
			}
		}
		info.Hops = append(info.Hops, one)
	}
	return info
}

func count(hop *store.HopInfo, e *store.Emitter, now time.Time) {
	switch {
	case !e.ClosedAt.IsZero() || !e.EndedAt.IsZero():
	case now.Sub(e.LastReceived) > 3*max(e.Heartbeat, time.Second):
		hop.Dark++
	default:
		hop.Alive++
	}
}

// watermarks returns the completeness watermark of every stream, from stored verdicts alone: up to the instant the stream was examined to and
// the complete windows that follow.
func (r *Reader) watermarks(
	ctx context.Context, progress map[string]store.Progress, settings map[string]store.Settings, hops map[string][]store.HopSummary, now time.Time,
) (map[string]time.Time, error) {
	rejudged, err := r.rejudged(ctx, progress)
	if err != nil {
		return nil, err
	}
	since, marks := map[string]time.Time{}, map[string]time.Time{}
	var young []store.WindowKey
	for stream, p := range progress {
		if p.Earliest.IsZero() {
			continue
		}
		since[stream] = p.Earliest
		marks[stream] = later(p.Earliest, p.Examined)
		k := known{settings: settings[stream], progress: p}
		k.expire(r.retention, now)
		if rejudged[stream] {
			marks[stream] = p.Earliest
			continue
		}
		start, there, err := r.unjudged(ctx, k, firstEdge(hops[stream], k.settings))
		if err != nil {
			return nil, err
		}
		if there && start.Before(marks[stream]) {
			marks[stream] = start
			continue
		}
		for start := range k.starts(marks[stream], now, now) {
			young = append(young, store.WindowKey{Stream: stream, Start: start})
		}
	}
	bad, err := r.store.FirstNotComplete(ctx, since)
	if err != nil {
		return nil, err
	}
	verdicts, err := r.store.VerdictsOf(ctx, young)
	if err != nil {
		return nil, err
	}
	for stream := range marks {
		s := settings[stream]
		counts := func(e store.Edge) bool { return len(s.Edges) == 0 || slices.Contains(s.Edges, e) }
		blocked := false
		for edge, start := range bad[stream] {
			if counts(edge) && start.Before(marks[stream]) {
				marks[stream], blocked = start, true
			}
		}
		for !blocked {
			said := slices.DeleteFunc(verdicts[store.WindowKey{Stream: stream, Start: marks[stream].UTC()}], func(v store.Verdict) bool { return v.State == store.Withdrawn })
			next, stop := walk(marks[stream], said, counts, s.Edges)
			blocked = stop != nil || next.Equal(marks[stream])
			marks[stream] = next
		}
	}
	return marks, nil
}

// Trace returns what every hop said of a numbered UID, by stream and window; it is empty when none saw it.
func (r *Reader) Trace(ctx context.Context, u wire.UID) ([]store.Trace, error) {
	sightings, err := r.store.Sightings(ctx, u)
	if err != nil || len(sightings) == 0 {
		return nil, err
	}
	traces, err := r.traces(ctx, sightings)
	if err != nil {
		return nil, err
	}
	for i := range traces {
		if err := r.neighbours(ctx, &traces[i], u); err != nil {
			return nil, err
		}
	}
	return traces, nil
}

// TraceForeign is Trace for a UID that Rollcall did not number.
func (r *Reader) TraceForeign(ctx context.Context, uid string) ([]store.Trace, error) {
	sightings, err := r.store.ForeignSightings(ctx, uid)
	if err != nil {
		return nil, err
	}
	return r.traces(ctx, sightings)
}

func (r *Reader) traces(ctx context.Context, sightings []store.Sighting) ([]store.Trace, error) {
	var traces []store.Trace
	for len(sightings) > 0 {
		key := sightings[0].WindowKey
		n := slices.IndexFunc(sightings, func(s store.Sighting) bool { return s.WindowKey != key })
		if n < 0 {
			n = len(sightings)
		}
		trace, err := r.trace(ctx, key, sightings[:n])
		if err != nil {
			return nil, err
		}
		traces, sightings = append(traces, trace), sightings[n:]
	}
	return traces, nil
}

func (r *Reader) trace(ctx context.Context, key store.WindowKey, sightings []store.Sighting) (store.Trace, error) {
	trace := store.Trace{Stream: key.Stream, Start: key.Start}
	k, ok, err := r.know(ctx, key.Stream, key.Start, key.Start.Add(time.Hour))
	if err != nil || !ok {
		return trace, err
	}
	start := key.Start.UnixMilli()
	g := k.history.windowGraph(start, start+int64(k.settings.Seconds(key.Start))*1000)
	for _, hop := range slices.Concat(g.order, slices.Sorted(maps.Keys(g.cyclic))) {
		trace.Hops = append(trace.Hops, traceHop(hop, sightings, k.history.hosts))
	}
	return trace, nil
}

func traceHop(hop string, sightings []store.Sighting, hosts map[wire.UID]string) store.TraceHop {
	t := store.TraceHop{Hop: hop}
	for i := range sightings {
		s := &sightings[i]
		if s.Hop != hop {
			continue
		}
		t.Seen = true
		t.Emitters = append(t.Emitters, s.Emitter)
		if t.Host == "" {
			t.Host = hosts[s.Emitter]
		}
		for k := wire.Repeated; k < wire.Kinds; k++ {
			if s.Kinds[k] && !slices.Contains(t.Kinds, k) {
				t.Kinds = append(t.Kinds, k)
			}
		}
	}
	return t
}

// neighbours finds the nearest numbers of the source that some hop saw in the same window.
func (r *Reader) neighbours(ctx context.Context, t *store.Trace, u wire.UID) error {
	key := store.WindowKey{Stream: t.Stream, Start: t.Start}
	var all *roaring.Bitmap
	for one, err := range r.store.SourceRolls(ctx, []store.WindowKey{key}, u.Source()) {
		if err != nil {
			return err
		}
		if one.Source == u.Source() {
			for hop := range one.Sets {
				all = or(all, one.Sets[hop].Rolls[wire.Seen])
			}
		}
		break
	}
	if all == nil {
		return nil
	}
	n := u.Sequence()
	if n > 0 {
		if v := all.PreviousValue(n - 1); v >= 0 {
			t.Before = new(uint32(v))
		}
	}
	if n < math.MaxUint32 {
		if v := all.NextValue(n + 1); v >= 0 {
			t.After = new(uint32(v))
		}
	}
	return nil
}
