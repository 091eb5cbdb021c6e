package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// An event that breaks its schema breaks it at every hop that checks it, and a first hop is no edge's later one. So that it is told of, and told of
// once, each hop has one edge that tells of what it found, and the hops tell in an order in which nobody repeats what another has told.

// telling is the edge that tells of the events that a hop found to break their schema.
type telling struct {
	hop   string
	edge  store.Edge
	first bool // the hop is the edge's earlier one, and comes after none
}

// tell fills tells: a hop's edge is the first by name of those that lead to it, of a first hop of those that leave it, and among them of the required
// ones. Hops with a required edge tell first, since nobody is called of the others; for the rest
// it is byReach.
func (g *graph) tell(required []store.Edge) {
	needed := func(e store.Edge) bool { return len(required) == 0 || slices.Contains(required, e) }
	edges := g.edges()
	var others []telling
	for _, hop := range g.byReach() {
		t := telling{hop: hop, first: len(g.before[hop]) == 0}
		mine := slices.DeleteFunc(slices.Clone(edges), func(e store.Edge) bool { return t.first && e.From != hop || !t.first && e.To != hop })
		n := slices.IndexFunc(mine, needed)
		switch {
		case n >= 0:
			t.edge = mine[n]
			g.tells = append(g.tells, t)
		case len(mine) > 0:
			t.edge = mine[0]
			others = append(others, t)
		}
	}
	g.tells = append(g.tells, others...)
}

// byReach is every hop, by how many hops it comes after, directly or not, and by name: so each comes later than all it comes after.
func (g *graph) byReach() []string {
	reach := map[string]int{}
	for hop := range g.before {
		reach[hop] = len(g.upTo(hop))
	}
	return slices.SortedFunc(maps.Keys(reach), func(a, b string) int { return cmp.Or(cmp.Compare(reach[a], reach[b]), cmp.Compare(a, b)) })
}

// invalid is what a hop found to break its schema; nil when nothing.
func (p *part) invalid(hop string) *roaring.Bitmap {
	if t := p.hops[hop]; t != nil {
		return t.kinds[wire.Invalid]
	}
	return nil
}

// told returns what the edge tells of the first hop it leaves, and what of the invalid events of its later hop is told of on other edges.
func (p *part) told(g *graph, edge store.Edge) (source, before *roaring.Bitmap) {
	var known *roaring.Bitmap
	for _, t := range g.tells {
		broken := p.invalid(t.hop)
		switch {
		case broken == nil:
		case t.first && t.edge == edge:
			source = andNot(broken, known)
		case !t.first && t.edge == edge:
			before = and(broken, known)
		case !t.first && t.hop == edge.To:
			before = broken
		}
		known = or(known, broken)
	}
	return source, before
}
