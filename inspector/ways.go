package inspector

import (
	"maps"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

// way is what a latency is of: an edge, or the way from production to a hop.
type way struct {
	edge store.Edge // zero on the way to a hop
	hop  string
}

// compare orders edges, then hops, each by name.
func (w way) compare(o way) int { return strings.Compare(w.key(), o.key()) }

func (w way) key() string {
	if w.edge == (store.Edge{}) {
		return "hop|" + w.hop
	}
	return "edge|" + w.edge.String()
}

// taken is the latency of a way with what has not arrived on it.
type taken struct {
	latency.Histogram
	arrived  uint64 // by this way
	ofHop    bool   // the histogram is of all that the later hop took over, by this edge and others
	atMost   bool   // NotArrived is no more than this, and may be less
	endToEnd bool
	judged
}

// judged counts windows by whether what they say may still change.
type judged struct{ windows, open, unknown uint64 }

// judge is one window in which these verdicts were made; without any it is as good as open.
func judge(verdicts []store.Verdict) judged {
	j := judged{windows: 1}
	if len(verdicts) == 0 {
		j.open = 1
	}
	for i := range verdicts {
		switch v := &verdicts[i]; {
		case v.State == store.Unknown:
			j.unknown = 1
		case !v.Closed():
			j.open = 1
		}
	}
	if j.unknown == 1 {
		j.open = 0
	}
	return j
}

func (j judged) plus(o judged) judged {
	return judged{j.windows + o.windows, j.open + o.open, j.unknown + o.unknown}
}

// ways returns the latency of every edge and hop in one window, from what its hops measured and its verdicts miss. The edges are those of the
// stream: verdicts may be of one of several that lead to a hop.
func ways(verdicts []store.Verdict, measured map[string]latency.Histogram, edges []store.Edge) map[way]taken {
	found, hops, into := map[way]taken{}, map[string]bool{}, leadingTo(verdicts, edges)
	for hop := range measured {
		hops[hop] = true
	}
	for i := range verdicts {
		e := verdicts[i].Edge
		hops[e.From], hops[e.To] = true, true
		found[way{e, e.To}] = ofEdge(&verdicts[i], measured[e.To], into[e.To] > 1)
	}
	for hop := range hops {
		found[way{hop: hop}] = toHop(hop, verdicts, measured[hop])
	}
	return found
}

// leadingTo counts the edges that lead to each hop.
func leadingTo(verdicts []store.Verdict, edges []store.Edge) map[string]int {
	all, into := map[store.Edge]bool{}, map[string]int{}
	for _, e := range edges {
		all[e] = true
	}
	for i := range verdicts {
		all[verdicts[i].Edge] = true
	}
	for e := range all {
		into[e.To]++
	}
	return into
}

func ofEdge(v *store.Verdict, measured latency.Histogram, shared bool) taken {
	t := taken{Histogram: measured, ofHop: shared, judged: judge([]store.Verdict{*v})}
	t.NotArrived = missing(v)
	if shared {
		t.arrived = v.Delivered
		return t
	}
	t.Deliver(v.Delivered)
	t.arrived = t.Arrived()
	return t
}

// missing is what an edge has not delivered, or not yet.
func missing(v *store.Verdict) uint64 { return v.Lost + v.Pending }

// toHop is the latency from production to a hop.
func toHop(hop string, verdicts []store.Verdict, measured latency.Histogram) taken {
	r := routeTo(hop, verdicts)
	t := taken{Histogram: measured, endToEnd: true, judged: judge(r.edges)}
	leaving := slices.DeleteFunc(slices.Clone(verdicts), func(v store.Verdict) bool { return v.Edge.From != hop })
	if len(leaving) > 0 {
		t.endToEnd = false
	}
	if len(r.edges) == 0 { // the events are produced here
		t.judged = judge(leaving)
	}
	least, most := r.lacks()
	t.NotArrived, t.atMost = most, least < most
	t.Deliver(r.delivered())
	t.arrived = t.Arrived()
	return t
}

// merge adds the latencies of one window to those of others. What is the end of the stream is decided by the last window of which there is something
// to say: a hop that has not reported by then has no edge.
func merge(whole, window map[way]taken) {
	for w, t := range window {
		sum := whole[w]
		sum.Add(t.Histogram)
		sum.arrived += t.arrived
		sum.ofHop, sum.atMost = sum.ofHop || t.ofHop, sum.atMost || t.atMost
		sum.judged = sum.plus(t.judged)
		if !t.Empty() {
			sum.endToEnd = t.endToEnd
		}
		whole[w] = sum
	}
}

// told lists latencies, edges first. Those of which there is nothing to say are left out.
func told(found map[way]taken) []api.LatencyOf {
	return rows(toldWays(found), func(w way) api.LatencyOf { return latencyOf(w, found[w]) })
}

// toldWhole is told of all windows of a range, with how many of them may still change.
func toldWhole(found map[way]taken) []api.LatencyWhole {
	return rows(toldWays(found), func(w way) api.LatencyWhole {
		t := found[w]
		return api.LatencyWhole{LatencyOf: latencyOf(w, t), Standing: standingOf(t.judged)}
	})
}

func toldWays(found map[way]taken) []way {
	all := slices.SortedFunc(maps.Keys(found), way.compare)
	return slices.DeleteFunc(all, func(w way) bool {
		t := found[w]
		return t.Empty() || t.ofHop && t.arrived == 0 && t.NotArrived == 0
	})
}

func latencyOf(w way, t taken) api.LatencyOf {
	of := api.LatencyOf{Hop: w.hop, EndToEnd: t.endToEnd, Distribution: distributionOf(t)}
	if w.edge != (store.Edge{}) {
		of.Edge = w.edge.String()
	}
	return of
}
