package figures

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rollcallhq/rollcall/internal/store"
)

// bound returns what says by which names a stream and one of its edges, or hops, are counted: of each stream the first ones that it is asked for.
func (n namer) bound() func(stream, part string) (string, string) {
	seen := map[string]map[string]bool{}
	return func(stream, part string) (string, string) {
		name := n.of(stream)
		if name == Other {
			return Other, Other
		}
		if seen[stream] == nil {
			seen[stream] = map[string]bool{}
		}
		if !seen[stream][part] && len(seen[stream]) == edgesEach {
			return name, Other
		}
		seen[stream][part] = true
		return name, part
	}
}

func (m *metrics) setSchemas(hops map[store.HopKey]*store.HopFigures, named namer) {
	counts, bounded := values{}, named.bound()
	for _, key := range slices.SortedFunc(maps.Keys(hops), func(a, b store.HopKey) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Hop, b.Hop))
	}) {
		if len(hops[key].Outcomes) == 0 {
			continue
		}
		stream, hop := bounded(key.Stream, key.Hop)
		for outcome, n := range hops[key].Outcomes {
			counts[labels{stream, hop, outcome}] += float64(n)
		}
	}
	m.schemas.set(counts)
}

// setLatencies counts what is lost as not arrived; what is pending may be so because its window still runs.
func (m *metrics) setLatencies(edges []store.EdgeFigures, hops map[store.HopKey]*store.HopFigures, named namer) {
	slowest, bounded := values{}, named.bound()
	for i := range edges {
		e := &edges[i]
		hop := hops[store.HopKey{Stream: e.Stream, Hop: e.Edge.To}]
		stream, edge := bounded(e.Stream, e.Edge.String())
		if hop == nil {
			continue
		}
		if p99, measured := hop.P99(e.Lost); measured {
			key := labels{stream, edge, "0.99"}
			slowest[key] = max(slowest[key], p99)
		}
	}
	m.p99.set(slowest)
}

func (m *metrics) setDelivered(delivered []store.Delivered, named namer) {
	until, bounded := values{}, named.bound()
	for i := range delivered {
		stream, edge := bounded(delivered[i].Stream, delivered[i].Edge.String())
		until.least(labels{stream, edge}, seconds(delivered[i].Until))
	}
	m.delivered.set(until)
}

func (m *metrics) setBudgets(budgets map[string][]store.ObjectiveState, named namer) {
	left := values{}
	for stream, states := range budgets {
		for i := range states {
			left.least(labels{named.of(stream), states[i].Objective}, states[i].Left)
		}
	}
	m.left.set(left)
}

// greatest keeps the greatest value of a series.
func (v values) greatest(key labels, value float64) {
	if before, there := v[key]; !there || value > before {
		v[key] = value
	}
}

// least keeps the least value of a series.
func (v values) least(key labels, value float64) {
	if before, there := v[key]; !there || value < before {
		v[key] = value
	}
}
