package reconcile

import (
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Set is a set of events: numbers by source, and the UIDs of events that Rollcall did not number.
type Set struct {
	Rolls   map[wire.UID]*roaring.Bitmap
	Foreign map[string]struct{}
}

func newSet() Set { return Set{Rolls: map[wire.UID]*roaring.Bitmap{}, Foreign: map[string]struct{}{}} }

// Len is the number of events in the set.
func (s Set) Len() uint64 {
	n := uint64(len(s.Foreign))
	for _, b := range s.Rolls {
		n += b.GetCardinality()
	}
	return n
}

// addRoll joins a roll into the set; it keeps b only as something to read.
func (s Set) addRoll(source wire.UID, b *roaring.Bitmap) {
	switch old := s.Rolls[source]; {
	case b == nil:
	case old == nil:
		s.Rolls[source] = b
	default:
		s.Rolls[source] = roaring.Or(old, b)
	}
}

func (s Set) union(o Set) Set {
	sum := Set{Rolls: maps.Clone(s.Rolls), Foreign: maps.Clone(s.Foreign)}
	for source, b := range o.Rolls {
		sum.addRoll(source, b)
	}
	maps.Copy(sum.Foreign, o.Foreign)
	return sum
}

func (s Set) minus(o Set) Set {
	rest := newSet()
	for source, b := range s.Rolls {
		left := b
		if other := o.Rolls[source]; other != nil {
			left = roaring.AndNot(b, other)
		}
		if !left.IsEmpty() {
			rest.Rolls[source] = left
		}
	}
	for uid := range s.Foreign {
		if _, there := o.Foreign[uid]; !there {
			rest.Foreign[uid] = struct{}{}
		}
	}
	return rest
}

// taken is what one hop says of one window, its emitters and epochs joined.
type taken struct {
	kinds      [wire.Kinds]Set
	duplicated Set // overlaps of emitters in one epoch, and repeats
	closedSeen Set // seen at the first closed verdict
	idempotent bool
	unplaced   uint64
}

// content is what all hops say of one window.
type content map[string]*taken

func (c content) of(hop string) *taken {
	t := c[hop]
	if t == nil {
		t = &taken{duplicated: newSet(), closedSeen: newSet()}
		for k := range t.kinds {
			t.kinds[k] = newSet()
		}
		c[hop] = t
	}
	return t
}

// gather joins rolls, with the overlaps that were found among emitters, into the content of a window.
func gather(rolls []store.RollSet, foreign []store.ForeignCount) content {
	c := content{}
	for i := range rolls {
		r := &rolls[i]
		t := c.of(r.Hop)
		for k, b := range r.Rolls {
			t.kinds[k].addRoll(r.Source, b)
		}
		t.duplicated.addRoll(r.Source, r.Duplicated)
		t.duplicated.addRoll(r.Source, r.Rolls[wire.Repeated])
		t.closedSeen.addRoll(r.Source, r.ClosedSeen)
	}
	c.gatherForeign(foreign)
	return c
}

func (c content) gatherForeign(foreign []store.ForeignCount) {
	type once struct {
		hop   string
		epoch uint32
		uid   string
	}
	emitters := map[once]int{}
	for i := range foreign {
		f := &foreign[i]
		t := c.of(f.Hop)
		for k, n := range f.Counts {
			if n > 0 {
				t.kinds[k].Foreign[f.UID] = struct{}{}
				t.kinds[wire.Seen].Foreign[f.UID] = struct{}{}
			}
		}
		key := once{f.Hop, f.Epoch, f.UID}
		emitters[key]++
		if f.Counts[wire.Seen] > 1 || emitters[key] > 1 {
			t.duplicated.Foreign[f.UID] = struct{}{}
		}
	}
}

// Kinds of lists of names that a comparison gives, besides those of wire.Kind.
const (
	listLost        = "lost"
	listPending     = "pending"
	listDuplicated  = "duplicated"
	listRedelivered = "redelivered"
	listUnexpected  = "unexpected"
	listCorrupt     = "corrupt"
	listInvalid     = "invalid"
	listFiltered    = "filtered"
	listRejected    = "rejected"
	listSkewed      = "skewed"
	listLate        = "late"
)

// comparison is what one edge of one window comes to: named sets, and the counts that go with them.
type comparison struct {
	counts store.Counts
	names  map[string]Set
}

// compare holds what the later hop of an edge took over against what the earlier one handed on. Before the
// edge is closed what is missing is pending; only then is it lost.
func compare(c content, g *graph, edge store.Edge, closed, wasClosed bool) comparison {
	a, b := c.of(edge.From), c.of(edge.To)
	seen := b.kinds[wire.Seen]
	expected := a.kinds[wire.Seen].minus(a.kinds[wire.Filtered]).minus(a.kinds[wire.Rejected])
	missing := expected.minus(seen)
	handed := newSet()
	for _, hop := range g.before[edge.To] {
		handed = handed.union(c.of(hop).kinds[wire.Seen])
	}
	names := map[string]Set{
		listUnexpected: seen.minus(handed),
		listCorrupt:    b.kinds[wire.Corrupt],
		listInvalid:    b.kinds[wire.Invalid],
		listSkewed:     b.kinds[wire.Skewed],
		listFiltered:   a.kinds[wire.Filtered],
		listRejected:   a.kinds[wire.Rejected],
	}
	if closed {
		names[listLost] = missing
	} else {
		names[listPending] = missing
	}
	if b.idempotent {
		names[listRedelivered] = b.duplicated
	} else {
		names[listDuplicated] = b.duplicated
	}
	if wasClosed {
		names[listLate] = numbered(seen.minus(b.closedSeen))
	}
	result := comparison{names: names}
	result.count(expected.Len(), produced(c, g), b.unplaced)
	return result
}

// numbered leaves out foreign UIDs, whose time of arrival is not kept.
func numbered(s Set) Set { return Set{Rolls: s.Rolls, Foreign: map[string]struct{}{}} }

func produced(c content, g *graph) uint64 {
	all := newSet()
	for _, hop := range g.first() {
		all = all.union(c.of(hop).kinds[wire.Seen])
	}
	return all.Len()
}

func (r *comparison) count(expected, produced, unplaced uint64) {
	n := func(list string) uint64 { return r.names[list].Len() }
	r.counts = store.Counts{
		Produced: produced, Expected: expected, Delivered: expected - n(listLost) - n(listPending),
		Lost: n(listLost), Pending: n(listPending), Duplicated: n(listDuplicated), Redelivered: n(listRedelivered),
		Unexpected: n(listUnexpected), Corrupt: n(listCorrupt), Invalid: n(listInvalid), Filtered: n(listFiltered),
		Rejected: n(listRejected), Skewed: n(listSkewed), Unplaced: unplaced, Late: n(listLate),
	}
}

// overlap returns the numbers that more than one of the emitters saw; nil when there are none.
func overlap(rolls []store.EmitterRoll) *roaring.Bitmap {
	all, twice := roaring.New(), roaring.New()
	for _, r := range rolls {
		if r.Seen == nil {
			continue
		}
		twice.Or(roaring.And(all, r.Seen))
		all.Or(r.Seen)
	}
	if twice.IsEmpty() {
		return nil
	}
	return twice
}

// uids lists the set's UIDs in order.
func (s Set) uids() []string {
	all := slices.Collect(maps.Keys(s.Foreign))
	for source, b := range s.Rolls {
		for _, n := range b.ToArray() {
			all = append(all, source.WithSequence(n).String())
		}
	}
	slices.Sort(all)
	return all
}

// has is 1 where b holds n.
func has(b *roaring.Bitmap, n uint32) uint32 {
	if b != nil && b.Contains(n) {
		return 1
	}
	return 0
}
