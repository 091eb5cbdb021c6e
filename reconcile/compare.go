package reconcile

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// part is what all hops say of one source, or of one foreign UID, in one window. What is lost, duplicated or unexpected of one part
// has nothing to do with any other, so a window is compared part by part and never held whole.
type part struct {
	store.WindowKey
	source  wire.UID
	foreign string // a UID that Rollcall did not number; the event is then number 0 of the rolls
	hops    map[string]*taken
	suspect []store.RollKey // where the rolls of several emitters may overlap
	weight  uint64          // events of all its rolls
}

// taken is what one hop says of a part, its emitters and epochs joined. A roll is nil when empty.
type taken struct {
	kinds      [wire.Kinds]*roaring.Bitmap
	twice      *roaring.Bitmap // repeats, and overlaps of emitters in one epoch
	closedSeen *roaring.Bitmap // seen at the first closed verdict
	replayed   *roaring.Bitmap // seen in more than one epoch
	epochs     []epochSeen
}

func (p *part) of(hop string) *taken {
	t := p.hops[hop]
	if t == nil {
		t = &taken{}
		p.hops[hop] = t
	}
	return t
}

// seen is what a hop saw; nil when nothing.
func (p *part) seen(hop string) *roaring.Bitmap {
	if t := p.hops[hop]; t != nil {
		return t.kinds[wire.Seen]
	}
	return nil
}

// numberedPart joins the epochs of one source.
func numberedPart(one *store.SourceRolls, epochs epochsOf) *part {
	p := &part{WindowKey: one.WindowKey, source: one.Source, hops: make(map[string]*taken, len(one.Sets))}
	for i := range one.Sets {
		set := &one.Sets[i]
		t := p.of(set.Hop)
		for k, roll := range set.Rolls {
			t.kinds[k] = or(t.kinds[k], roll)
		}
		t.twice = or(t.twice, set.Rolls[wire.Repeated])
		t.closedSeen = or(t.closedSeen, set.ClosedSeen)
		t.overlap(epochs(one.WindowKey, set.Epoch), set.Rolls[wire.Seen])
		seen := card(set.Rolls[wire.Seen])
		p.weight += seen
		if set.Cards > seen {
			p.suspect = append(p.suspect, store.RollKey{WindowKey: one.WindowKey, Hop: set.Hop, Epoch: set.Epoch, Source: one.Source})
		}
	}
	return p
}

// foreignPart reads the counts of one UID as rolls that hold number 0.
func foreignPart(one *store.ForeignEvent, epochs epochsOf) *part {
	p := &part{WindowKey: one.WindowKey, foreign: one.UID, hops: map[string]*taken{}}
	for i := range one.Counts {
		f := &one.Counts[i]
		t := p.of(f.Hop)
		if f.Closed {
			t.closedSeen = roaring.BitmapOf(0)
			continue
		}
		for k, n := range f.Kinds {
			if n > 0 {
				t.kinds[k], t.kinds[wire.Seen] = roaring.BitmapOf(0), roaring.BitmapOf(0)
			}
		}
		if f.Kinds[wire.Seen] > 0 {
			t.overlap(epochs(one.WindowKey, f.Epoch), roaring.BitmapOf(0))
		}
		if f.Kinds[wire.Seen] > 1 {
			t.twice = roaring.BitmapOf(0)
		}
	}
	return p
}

// list is one set of events that a comparison gives.
type list uint8

const (
	missing list = iota // lost where the edge is closed, else pending
	twice               // redelivered where the later hop is idempotent, else duplicated
	unexpected
	corrupt
	invalid
	filtered
	rejected
	skewed
	late // as far as the edge was closed before
	atSource
	toldBefore   // of the invalid ones; no kind of names
	newlyInvalid // those at the source, and the invalid ones not told before; no kind of names
	replayed
	lists
)

// compare holds what the later hop of an edge took over of the part against what the earlier one handed on. A set is nil when empty.
func (p *part) compare(g *graph, edge store.Edge) (sets [lists]*roaring.Bitmap, expected *roaring.Bitmap) {
	a, b := p.hops[edge.From], p.hops[edge.To]
	sets[atSource], sets[toldBefore] = p.told(g, edge)
	sets[newlyInvalid] = sets[atSource]
	if a != nil {
		sets[filtered], sets[rejected] = a.kinds[wire.Filtered], a.kinds[wire.Rejected]
		expected = andNot(andNot(a.kinds[wire.Seen], sets[filtered]), sets[rejected])
	}
	if b == nil {
		sets[missing] = expected
		return sets, expected
	}
	seen := b.kinds[wire.Seen]
	sets[missing] = andNot(expected, seen)
	sets[unexpected] = seen
	for _, hop := range g.before[edge.To] {
		sets[unexpected] = andNot(sets[unexpected], p.seen(hop))
	}
	sets[twice], sets[corrupt], sets[invalid], sets[skewed] = b.twice, b.kinds[wire.Corrupt], b.kinds[wire.Invalid], b.kinds[wire.Skewed]
	sets[newlyInvalid] = or(sets[atSource], andNot(sets[invalid], sets[toldBefore]))
	sets[late], sets[replayed] = andNot(seen, b.closedSeen), b.replayed
	return sets, expected
}

// content is what the parts of one window come to.
type content struct {
	produced uint64
	seen     map[string]uint64 // by hop
	edges    map[store.Edge]*edgeContent
	tallies  map[string]store.HopTally
	invalid  map[string]uint64 // by hop
	waived   map[store.Edge]*waived
}

// checked is how many events the hop checked against their schema. One that names invalid events and tells no outcomes looked at all it took over.
func (c *content) checked(hop string) uint64 {
	checked, broken := c.tallies[hop].Checked, c.invalid[hop]
	if checked == 0 && broken > 0 {
		return c.seen[hop]
	}
	return max(checked, broken)
}

// edgeContent sums what the parts of a window come to on one edge.
type edgeContent struct {
	expected uint64
	sizes    [lists]uint64
	waived   [lists]uint64 // of these
}

func newContent() content {
	return content{seen: map[string]uint64{}, edges: map[store.Edge]*edgeContent{}, tallies: map[string]store.HopTally{}, invalid: map[string]uint64{}}
}

// add counts one more part.
func (c *content) add(p *part, g *graph) {
	var produced *roaring.Bitmap
	for hop, before := range g.before {
		seen := p.seen(hop)
		c.seen[hop] += card(seen)
		c.invalid[hop] += card(p.invalid(hop))
		if len(before) == 0 {
			produced = or(produced, seen)
		}
		for _, b := range before {
			c.addEdge(p, g, store.Edge{From: b, To: hop})
		}
	}
	c.produced += card(produced)
}

func (c *content) addEdge(p *part, g *graph, edge store.Edge) {
	e := c.edges[edge]
	if e == nil {
		e = &edgeContent{}
		c.edges[edge] = e
	}
	sets, expected := p.compare(g, edge)
	e.expected += card(expected)
	for i, set := range sets {
		e.sizes[i] += card(set)
		e.waived[i] += card(and(set, c.waived[edge].of(list(i), p)))
	}
}

// how is what decides which names the sets of an edge have.
type how struct {
	closed     bool // before the edge is closed what is missing is pending; only then is it lost
	wasClosed  bool
	idempotent bool // of the later hop
	first      bool // the earlier hop comes after none
}

// counts names what the parts of a window come to on one edge.
func (c *content) counts(edge store.Edge, h how) store.Counts {
	e := c.edges[edge]
	if e == nil {
		e = &edgeContent{}
	}
	n := &e.sizes
	counts := store.Counts{
		Produced: c.produced, Expected: e.expected, Delivered: e.expected - n[missing], Unexpected: n[unexpected], Corrupt: n[corrupt],
		Invalid: n[invalid], Filtered: n[filtered], Rejected: n[rejected], Skewed: n[skewed], Unplaced: c.tallies[edge.To].Unplaced, Replayed: n[replayed],
		InvalidAtSource: n[atSource], InvalidBefore: n[toldBefore], Checked: c.checked(edge.To),
	}
	if h.first {
		counts.CheckedAtSource = c.checked(edge.From)
	}
	if h.closed {
		counts.Lost = n[missing]
	} else {
		counts.Pending = n[missing]
	}
	if h.idempotent {
		counts.Redelivered = n[twice]
	} else {
		counts.Duplicated = n[twice]
	}
	if h.wasClosed {
		counts.Late = n[late]
	}
	return counts
}

// kinds are the lists of names a window and edge has, and when a set of the comparison goes by that name.
var kinds = []struct {
	name  string
	set   list
	holds func(how) bool // nil: always
}{
	{"lost", missing, func(h how) bool { return h.closed }},
	{"pending", missing, func(h how) bool { return !h.closed }},
	{"duplicated", twice, func(h how) bool { return !h.idempotent }},
	{"redelivered", twice, func(h how) bool { return h.idempotent }},
	{"unexpected", unexpected, nil},
	{"corrupt", corrupt, nil},
	{"invalid", invalid, nil},
	{"filtered", filtered, nil},
	{"rejected", rejected, nil},
	{"skewed", skewed, nil},
	{"late", late, func(h how) bool { return h.wasClosed }},
	{"invalidAtSource", atSource, nil},
	{"replayed", replayed, nil},
}

// setOf returns the set that a kind of names is read from, and whether the set goes by that name.
func setOf(kind string, h how) (list, bool) {
	for _, k := range kinds {
		if k.name == kind {
			return k.set, k.holds == nil || k.holds(h)
		}
	}
	return lists, false
}

// or joins two rolls, of which either may be nil; it changes neither.
func or(a, b *roaring.Bitmap) *roaring.Bitmap {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return roaring.Or(a, b)
}

// and is what both rolls hold; it changes neither.
func and(a, b *roaring.Bitmap) *roaring.Bitmap {
	if a == nil || b == nil {
		return nil
	}
	return filled(roaring.And(a, b))
}

// andNot is a without b; it changes neither.
func andNot(a, b *roaring.Bitmap) *roaring.Bitmap {
	if a == nil || b == nil {
		return a
	}
	return filled(roaring.AndNot(a, b))
}

func filled(b *roaring.Bitmap) *roaring.Bitmap {
	if b.IsEmpty() {
		return nil
	}
	return b
}

func card(b *roaring.Bitmap) uint64 {
	if b == nil {
		return 0
	}
	return b.GetCardinality()
}
