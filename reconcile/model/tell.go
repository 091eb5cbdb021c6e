package model

import (
	"cmp"
	"slices"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// told is what an edge tells of the invalid events of its earlier hop, a first one, and which of those of its later hop it leaves to other edges.
type told struct{ source, before set }

// tell has each invalid event told of at one hop, on one edge: at the hop with a required edge, where there is one, that comes after the fewest others,
// and of those at the first by name. A first hop's edge is one that leaves it, any other's one that leads to it: the first required one by name, or the
// first by name.
func (w *window) tell(tallies map[string]*tally) map[string]told {
	all := map[string]told{}
	for hop, after := range w.hops {
		for _, before := range after {
			said := told{before: set{}}
			for id := range tallies[hop].kinds[wire.Invalid] {
				if w.teller(id, tallies) != hop || w.spokesman(hop) != before+".."+hop {
					said.before[id] = true
				}
			}
			if w.first(before) && w.spokesman(before) == before+".."+hop {
				said.source = set{}
				for id := range tallies[before].kinds[wire.Invalid] {
					if w.teller(id, tallies) == before {
						said.source[id] = true
					}
				}
			}
			all[before+".."+hop] = said
		}
	}
	return all
}

// teller is the hop at which an invalid event is told of.
func (w *window) teller(id int32, tallies map[string]*tally) string {
	var hops []string
	for hop := range w.hops {
		if tallies[hop].kinds[wire.Invalid][id] && w.spokesman(hop) != "" {
			hops = append(hops, hop)
		}
	}
	if len(hops) == 0 {
		return ""
	}
	return slices.MinFunc(hops, func(a, b string) int {
		return cmp.Or(w.optional(a)-w.optional(b), len(w.ancestors(a, map[string]bool{}))-len(w.ancestors(b, map[string]bool{})), cmp.Compare(a, b))
	})
}

// spokesman is the edge that tells of a hop.
func (w *window) spokesman(hop string) string {
	var required, others []string
	for to, after := range w.hops {
		for _, from := range after {
			edge := from + ".." + to
			switch {
			case w.first(hop) && from != hop, !w.first(hop) && to != hop:
			case w.needs(edge):
				required = append(required, edge)
			default:
				others = append(others, edge)
			}
		}
	}
	slices.Sort(required)
	slices.Sort(others)
	if all := append(required, others...); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (w *window) needs(edge string) bool {
	return len(w.m.settings.Edges) == 0 || slices.Contains(w.m.settings.Edges, edge)
}

// optional is 1 for a hop whose edge is not required.
func (w *window) optional(hop string) int {
	if w.needs(w.spokesman(hop)) {
		return 0
	}
	return 1
}

// ancestors adds to found the hop and all hops it comes after, directly or not.
func (w *window) ancestors(hop string, found map[string]bool) map[string]bool {
	if !found[hop] {
		found[hop] = true
		for _, before := range w.hops[hop] {
			w.ancestors(before, found)
		}
	}
	return found
}
