package inspector

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	latencyRange = 7 * 24 * time.Hour // longest range of latencies asked for at once, and how far back freshness looks
	latencyPiece = 24 * time.Hour     // read at once
	mostClocks   = 1000
)

// Latencies tells what was measured of a stream's latency, what its edges delivered last, and what is known of its clocks.
type Latencies interface {
	Latencies(ctx context.Context, stream string, from, to time.Time) (map[store.LatencyKey]latency.Histogram, error)
	Newest(ctx context.Context, stream string, since time.Time) (map[store.Edge]store.Delivery, error)
	HostClocks(ctx context.Context, stream string, from, to time.Time) ([]store.HostClock, error)
}

func (s *Inspector) latencyRoutes() {
	get(s, "list-latency", "/streams/{stream}/latency", "Latency since production by window, of edges, of hops and end to end, and merged over the range", s.listLatency)
}

type latencyInput struct {
	StreamParam
	RangeParams
	PageParams
	EdgeParam
}

// latencyQuery is what a request asks for.
type latencyQuery struct {
	info     store.StreamInfo
	from, to time.Time // whole seconds, as the starts of windows are
	now      time.Time
	edge     *store.Edge // nil: all edges and hops
	limit    int
	after    string
}

// wants says whether a row is asked for: a request for an edge does not ask for hops.
func (q *latencyQuery) wants(w way) bool { return q.edge == nil || w.edge == *q.edge }

func (s *Inspector) listLatency(ctx context.Context, in *latencyInput) (*answer[api.LatencyPage], error) {
	q, err := s.latencyQuery(ctx, in)
	if err != nil {
		return nil, err
	}
	series, whole, err := s.latencySeries(ctx, q)
	if err != nil {
		return nil, err
	}
	cut := page(series, q.limit, q.after, latencyKey)
	out := api.LatencyPage{Items: cut.Items, Next: cut.Next}
	if q.after == "" {
		out.Whole = toldWhole(whole)
		if out.Freshness, err = s.freshness(ctx, q); err != nil {
			return nil, err
		}
		if out.Clocks, err = s.clocks(ctx, q); err != nil {
			return nil, err
		}
	}
	return reply(out), nil
}

func (s *Inspector) latencyQuery(ctx context.Context, in *latencyInput) (*latencyQuery, error) {
	q := &latencyQuery{now: s.Now()}
	var err error
	if q.limit, q.after, err = in.PageParams.read(); err != nil {
		return nil, err
	}
	if q.from, q.to, err = in.RangeParams.read(q.now, time.Hour, latencyRange); err != nil {
		return nil, err
	}
	if q.edge, err = readEdge("query.edge", in.Edge); err != nil {
		return nil, err
	}
	if q.info, err = s.stream(ctx, in.Stream, q.now); err != nil {
		return nil, err
	}
	q.from, q.to = nextSecond(q.from), nextSecond(q.to)
	return q, nil
}

// nextSecond is the first whole second that is not before t.
func nextSecond(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }

func latencyKey(w api.LatencyWindow) string {
	what := way{hop: w.Hop}.key()
	if w.Edge != "" {
		what = "edge|" + w.Edge
	}
	return fmt.Sprintf("%016x|%s", w.Start.UnixMilli(), what)
}

// latencySeries returns the rows of a page and one more, where there is one. For the first page it goes on to the end of the range
// and merges all of it; what comes after the page is not kept.
func (s *Inspector) latencySeries(ctx context.Context, q *latencyQuery) (series []api.LatencyWindow, whole map[way]taken, err error) {
	from, err := startAfter(q.from, q.after)
	if err != nil {
		return nil, nil, err
	}
	if from.Before(q.info.Earliest) {
		from = q.info.Earliest
	}
	whole = map[way]taken{}
	piece := time.Duration(q.limit+2) * shortest(q.info.Settings)
	for from.Before(q.to) && (q.after == "" || len(series) <= q.limit) {
		end := from.Add(min(piece, latencyPiece))
		if end.After(q.to) {
			end = q.to
		}
		found, err := s.latencyWindows(ctx, q, from, end)
		if err != nil {
			return nil, nil, err
		}
		for _, w := range found {
			merge(whole, w.ways)
			if len(series) <= q.limit {
				series = append(series, w.rows(q.after)...)
			}
		}
		from, piece = end, 4*piece
	}
	return series, whole, nil
}

// windowWays is the latency of one window.
type windowWays struct {
	start   time.Time
	seconds uint32
	ways    map[way]taken
}

// rows returns those that come after the last row of the page before.
func (w windowWays) rows(after string) []api.LatencyWindow {
	all := rows(told(w.ways), func(of api.LatencyOf) api.LatencyWindow {
		return api.LatencyWindow{Start: w.start, Seconds: w.seconds, LatencyOf: of}
	})
	return slices.DeleteFunc(all, func(r api.LatencyWindow) bool { return after != "" && latencyKey(r) <= after })
}

// latencyWindows returns the windows that start in [from, to) and of which there is something to say, ascending.
func (s *Inspector) latencyWindows(ctx context.Context, q *latencyQuery, from, to time.Time) ([]windowWays, error) {
	said, err := s.Auditor.Windows(ctx, q.info.Stream, from, to, q.now, q.edge)
	if err != nil {
		return nil, err
	}
	read, err := s.Store.Latencies(ctx, q.info.Stream, from, to)
	if err != nil {
		return nil, err
	}
	verdicts, measured := map[time.Time][]store.Verdict{}, map[time.Time]map[string]latency.Histogram{}
	for _, v := range said {
		at := v.Start.UTC()
		verdicts[at], measured[at] = append(verdicts[at], v), map[string]latency.Histogram{}
	}
	for k, h := range read {
		if measured[k.Start] == nil {
			measured[k.Start] = map[string]latency.Histogram{}
		}
		measured[k.Start][k.Hop] = h
	}
	var found []windowWays
	for _, start := range slices.SortedFunc(maps.Keys(measured), time.Time.Compare) {
		w := windowWays{start: start, seconds: q.info.Settings.Seconds(start), ways: ways(verdicts[start], measured[start], q.info.Edges)}
		maps.DeleteFunc(w.ways, func(w way, _ taken) bool { return !q.wants(w) })
		if len(verdicts[start]) > 0 {
			w.seconds = verdicts[start][0].Seconds
		}
		found = append(found, w)
	}
	return found, nil
}

// freshness tells when the newest delivered event of each edge was produced, or that none was in the time that is looked at. Of an event the store
// knows its window.
func (s *Inspector) freshness(ctx context.Context, q *latencyQuery) ([]api.Freshness, error) {
	since := q.now.Add(-latencyRange)
	newest, err := s.Store.Newest(ctx, q.info.Stream, since)
	if err != nil {
		return nil, err
	}
	if q.info.Earliest.After(since) {
		since = q.info.Earliest
	}
	var all []api.Freshness
	for edge, d := range newest {
		if q.wants(way{edge: edge}) {
			all = append(all, deliveredOn(edge, d, q.now))
		}
	}
	for _, edge := range q.info.Edges {
		if _, fresh := newest[edge]; !fresh && q.wants(way{edge: edge}) {
			age := max(0, q.now.Sub(since).Milliseconds())
			all = append(all, api.Freshness{Edge: edge.String(), NothingSince: some(since), AgeMillis: age, AgeAtLeastMillis: age})
		}
	}
	sortBy(all, func(f api.Freshness) string { return f.Edge })
	return all, nil
}

func deliveredOn(edge store.Edge, d store.Delivery, now time.Time) api.Freshness {
	end := d.Start.Add(time.Duration(d.Seconds) * time.Second)
	return api.Freshness{
		Edge: edge.String(), Start: some(d.Start), Seconds: d.Seconds,
		AgeMillis: max(0, now.Sub(d.Start).Milliseconds()), AgeAtLeastMillis: max(0, now.Sub(end).Milliseconds()),
	}
}

// clocks tells what is known of the clocks of the stream's hosts, the most skewed first.
func (s *Inspector) clocks(ctx context.Context, q *latencyQuery) ([]api.Clock, error) {
	found, err := s.Store.HostClocks(ctx, q.info.Stream, q.from, q.to)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b store.HostClock) int {
		return cmp.Or(cmp.Compare(b.Negative, a.Negative), cmp.Compare(worst(b), worst(a)), cmp.Compare(a.Host, b.Host))
	})
	return rows(found[:min(len(found), mostClocks)], clockOf), nil
}

// worst is the farthest that a clock may have been off.
func worst(c store.HostClock) time.Duration { return max(c.Ahead.Abs(), c.Lowest.Abs()) }

func clockOf(c store.HostClock) api.Clock {
	out := api.Clock{Host: c.Host, Reports: c.Reports, Measured: c.Measured, Negative: c.Negative}
	if c.Reports > 0 {
		ahead, lowest, transit := c.Ahead.Milliseconds(), c.Lowest.Milliseconds(), c.Transit.Milliseconds()
		out.AtLeastAhead, out.Lowest, out.Transit = &ahead, &lowest, &transit
	}
	return out
}
