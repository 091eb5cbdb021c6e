package reconcile

import (
	"slices"

	"github.com/rollcallhq/rollcall/internal/store"
)

// graph is the hops of one window and what each comes after.
type graph struct {
	before map[string][]string // hop → hops it comes after, in order
	order  []string            // hops that no cycle reaches, each after all it comes after
	cyclic map[string]bool     // hops on a cycle, or after one
	tells  []telling
}

// windowGraph is the graph of the window [start, end): hops and edges of the reports that mention it or were sent before its grace
// ended, and the required edges. So a hop added later changes nothing of an older window.
func (h *history) windowGraph(start, end int64) graph {
	limit := end + h.Settings.Grace.Milliseconds()
	g := graph{before: map[string][]string{}, cyclic: map[string]bool{}}
	for _, l := range h.lanes {
		if l.summary.FirstSent >= limit {
			continue
		}
		g.addHop(l.hop)
		for hop, first := range l.summary.AfterFirst {
			if first < limit {
				g.addEdge(hop, l.hop)
			}
		}
	}
	for _, r := range h.mentions[start] {
		g.addHop(r.Hop)
		for _, hop := range r.After {
			g.addEdge(hop, r.Hop)
		}
	}
	for _, e := range h.Settings.Edges {
		g.addEdge(e.From, e.To)
	}
	g.sort()
	g.tell(h.Settings.Edges)
	return g
}

func (g *graph) addHop(hop string) {
	if _, ok := g.before[hop]; !ok {
		g.before[hop] = nil
	}
}

func (g *graph) addEdge(from, to string) {
	g.addHop(from)
	if !slices.Contains(g.before[to], from) {
		g.before[to] = append(g.before[to], from)
	}
}

// sort fills order and cyclic.
func (g *graph) sort() {
	left := make([]string, 0, len(g.before))
	for hop, before := range g.before {
		slices.Sort(before)
		left = append(left, hop)
	}
	slices.Sort(left)
	placed := map[string]bool{}
	for {
		rest := left[:0:0]
		for _, hop := range left {
			if slices.ContainsFunc(g.before[hop], func(b string) bool { return !placed[b] }) {
				rest = append(rest, hop)
				continue
			}
			g.order = append(g.order, hop)
			placed[hop] = true
		}
		if len(rest) == len(left) {
			break
		}
		left = rest
	}
	for _, hop := range left {
		g.cyclic[hop] = true
	}
}

// first returns the hops that come after none.
func (g *graph) first() []string {
	var hops []string
	for _, hop := range g.order {
		if len(g.before[hop]) == 0 {
			hops = append(hops, hop)
		}
	}
	return hops
}

// edges returns all edges, by name.
func (g *graph) edges() []store.Edge {
	var edges []store.Edge
	for to, before := range g.before {
		for _, from := range before {
			edges = append(edges, store.Edge{From: from, To: to})
		}
	}
	slices.SortFunc(edges, compareEdges)
	return edges
}

func compareEdges(a, b store.Edge) int {
	if a.From != b.From {
		if a.From < b.From {
			return -1
		}
		return 1
	}
	switch {
	case a.To < b.To:
		return -1
	case a.To > b.To:
		return 1
	}
	return 0
}

// upTo returns hop and all hops it comes after, directly or not.
func (g *graph) upTo(hop string) []string {
	found := []string{hop}
	for i := 0; i < len(found); i++ {
		for _, b := range g.before[found[i]] {
			if !slices.Contains(found, b) {
				found = append(found, b)
			}
		}
	}
	return found
}
