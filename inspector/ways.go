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
	atMost   bool // NotArrived is no more than this, and may be less
	endToEnd bool
}

// ways returns the latency of every edge and hop in one window, from what its hops measured and its verdicts miss. Those
// of which there is nothing to say are left out.
func ways(verdicts []store.Verdict, measured map[string]latency.Histogram) map[way]taken {
	found := map[way]taken{}
	add := func(w way, t taken) {
		if !t.Empty() {
			found[w] = t
		}
	}
	hops := map[string]bool{}
	for hop := range measured {
		hops[hop] = true
	}
	for i := range verdicts {
		e := verdicts[i].Edge
		hops[e.From], hops[e.To] = true, true
		t := taken{Histogram: measured[e.To]}
		t.NotArrived = missing(&verdicts[i])
		t.Arrived(verdicts[i].Delivered)
		add(way{e, e.To}, t)
	}
	for hop := range hops {
		add(way{hop: hop}, toHop(hop, verdicts, measured[hop]))
	}
	return found
}

// missing is what an edge has not delivered, or not yet.
func missing(v *store.Verdict) uint64 { return v.Lost + v.Pending }

// toHop is the latency from production to a hop. An event that does not arrive is missing on the one edge on which it stopped, so that the sum over all
// edges that lead to the hop counts it once; only where ways part and meet again may it have come by another, and the sum is too large.
func toHop(hop string, verdicts []store.Verdict, measured latency.Histogram) taken {
	t := taken{Histogram: measured, endToEnd: true}
	before, from := leading(hop, verdicts), map[string]bool{}
	for i := range verdicts {
		e := verdicts[i].Edge
		if e.To == hop {
			t.Arrived(verdicts[i].Delivered)
		}
		if e.From == hop {
			t.endToEnd = false
		}
		if !before[e.To] {
			continue
		}
		t.NotArrived += missing(&verdicts[i])
		t.atMost = t.atMost || from[e.From]
		from[e.From] = true
	}
	t.atMost = t.atMost && t.NotArrived > 0
	return t
}

// leading returns the hop and all hops from which edges lead to it.
func leading(hop string, verdicts []store.Verdict) map[string]bool {
	before := map[string]bool{hop: true}
	for grown := true; grown; {
		grown = false
		for i := range verdicts {
			if e := verdicts[i].Edge; before[e.To] && !before[e.From] {
				before[e.From], grown = true, true
			}
		}
	}
	return before
}

// merge adds the latencies of one window to those of others. What is the end of the stream is decided by the last window.
func merge(whole, window map[way]taken) {
	for w, t := range window {
		sum := whole[w]
		sum.Add(t.Histogram)
		sum.atMost = sum.atMost || t.atMost
		sum.endToEnd = t.endToEnd
		whole[w] = sum
	}
}

// told lists latencies, edges first.
func told(found map[way]taken) []api.LatencyOf {
	return rows(slices.SortedFunc(maps.Keys(found), way.compare), func(w way) api.LatencyOf {
		t := found[w]
		of := api.LatencyOf{Hop: w.hop, EndToEnd: t.endToEnd, Distribution: distributionOf(t.Histogram)}
		of.NotArrivedAtMost = t.atMost
		if w.edge != (store.Edge{}) {
			of.Edge = w.edge.String()
		}
		return of
	})
}
