package inspector

import "github.com/rollcallhq/rollcall/internal/store"

// route is all edges of one window on which events may come to a hop, from wherever they were produced.
type route struct {
	hop   string
	edges []store.Verdict
	into  []*store.Verdict // those of edges that end at the hop
	from  map[string]int   // how many of edges begin at each hop
	odd   map[string]bool  // hops that took over events which no hop before them has
}

// routeTo returns the edges that lead to a hop, directly or not.
func routeTo(hop string, verdicts []store.Verdict) *route {
	before := map[string]bool{hop: true}
	for grown := true; grown; {
		grown = false
		for i := range verdicts {
			if e := verdicts[i].Edge; before[e.To] && !before[e.From] {
				before[e.From], grown = true, true
			}
		}
	}
	r := &route{hop: hop, from: map[string]int{}, odd: map[string]bool{}}
	for i := range verdicts {
		v := &verdicts[i]
		if !before[v.Edge.To] || v.Edge.From == hop {
			continue
		}
		r.edges = append(r.edges, *v)
		r.from[v.Edge.From]++
		r.odd[v.Edge.To] = r.odd[v.Edge.To] || v.Unexpected > 0
		if v.Edge.To == hop {
			r.into = append(r.into, v)
		}
	}
	return r
}

// single says whether each event can come to the hop on one way only, so that one that does not is missing on one edge.
func (r *route) single() bool {
	for hop, n := range r.from {
		if n > 1 || r.odd[hop] {
			return false
		}
	}
	return !r.odd[r.hop]
}

// delivered is how many events came to the hop at least: all that its edges delivered, or, where they may have delivered the same, the most of one.
func (r *route) delivered() uint64 {
	single, sum, most, odd := r.single(), uint64(0), uint64(0), uint64(0)
	for _, v := range r.into {
		sum, most, odd = sum+v.Delivered, max(most, v.Delivered), max(odd, v.Unexpected)
	}
	if single {
		return sum
	}
	return most + odd
}

// lacks is how many events did not come to the hop, at least and at most. On a single way each is missing on one edge, and the sum counts
// it once. Where ways part and meet again an event that the hop lacks is missing on every one of them, so that one for each hop where events enter bounds
// their number; what the hop before had and this one has not is lacking for certain.
func (r *route) lacks() (least, most uint64) {
	filters := false
	for i := range r.edges {
		v := &r.edges[i]
		most += missing(v)
		filters = filters || v.Filtered+v.Rejected > 0
	}
	if r.single() {
		return most, most
	}
	for _, v := range r.into {
		least = max(least, missing(v))
	}
	if filters { // an event that is filtered on the way looked at may have been lost on another
		return least, most
	}
	return least, min(most, r.fewest())
}

// fewest sums what is missing on the ways that miss the least, one from each hop where events enter, an edge that they share once.
func (r *route) fewest() (sum uint64) {
	next, walked := r.nearest(), map[string]bool{r.hop: true}
	for at := range r.entries() {
		for ; !walked[at]; at = next[at].Edge.To {
			walked[at] = true
			sum += missing(next[at])
		}
	}
	return sum
}

// nearest returns, for each hop, the first edge of the way from there that misses the least.
func (r *route) nearest() map[string]*store.Verdict {
	next, far := map[string]*store.Verdict{}, map[string]uint64{r.hop: 0}
	for range r.edges { // no way has more
		for i := range r.edges {
			v := &r.edges[i]
			on, known := far[v.Edge.To]
			if old, is := far[v.Edge.From]; known && (!is || on+missing(v) < old) {
				far[v.Edge.From], next[v.Edge.From] = on+missing(v), v
			}
		}
	}
	return next
}

// entries are the hops from which events came that no hop before them has; where there are none, as in a circle, all.
func (r *route) entries() map[string]bool {
	begins, all := map[string]bool{}, map[string]bool{}
	for hop := range r.from {
		begins[hop], all[hop] = true, true
	}
	for i := range r.edges {
		if to := r.edges[i].Edge.To; !r.odd[to] {
			delete(begins, to)
		}
	}
	if len(begins) == 0 {
		return all
	}
	return begins
}
