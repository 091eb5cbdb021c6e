package audit

import (
	"encoding/binary"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// stripe is one part of a hop's state. A source belongs to one stripe, so that
// observing takes one lock that others seldom want.
type stripe struct {
	mu     sync.Mutex
	last   *part // the window met last
	parts  map[int64]*part
	closed bool
	_      [64]byte // stripes do not share a cache line
}

// part is what one stripe knows of one window.
type part struct {
	start    int64 // Unix ms
	window   *window
	entries  table
	changed  []*entry // entries that changed since the last report
	latency  histogram
	reasons  map[wire.ReasonTally]uint64 // Count is zero in the keys
	schemas  map[SchemaTally]*uint64     // likewise
	recent   [recentSchemas]schemaCount  // those met last
	spare    uint8                       // which of them makes room next
	unplaced wire.Unplaced
	foreign  map[string]*foreign
	dirty    bool
	bytes    int // of the entries, when they were last accounted for
}

// foreign is one UID that Rollcall did not number.
type foreign struct {
	wire.Foreign
	dirty   bool
	checked bool // its schema outcome is counted
}

// entry is one source in one window.
type entry struct {
	id           UID
	fresh        roll
	old          settled
	observations uint64
	bytes        uint64
	marks        *[wire.Kinds]marks // nil while no event was anything but seen
	checked      *marks             // whose schema outcome is counted; nil while there are none
	accounted    int
	dirty        bool
}

// marks is one kind other than seen, or those that were checked.
type marks struct {
	fresh roll
	old   settled
}

// source returns the entry of a source, made when needed; see key.
func (p *part) source(high uint64, low uint32) *entry {
	e := p.entries.find(high, low)
	if e == nil {
		e = new(entry)
		binary.BigEndian.PutUint64(e.id[:8], high)
		binary.BigEndian.PutUint32(e.id[8:12], low)
		p.entries.add(high, low, e)
	}
	return e
}

func (p *part) touch(e *entry) {
	if !e.dirty {
		e.dirty, p.dirty = true, true
		p.changed = append(p.changed, e)
	}
}

// see takes n as taken over once more and reports whether it was so before.
func (e *entry) see(n uint32, size int) (repeated bool) {
	e.observations++
	if e.old.contains(n) || !e.fresh.add(n) {
		e.mark(wire.Repeated, n)
		return true
	}
	e.bytes += uint64(size)
	return false
}

// mark puts n among a kind and among seen, and reports whether it was new there.
func (e *entry) mark(k wire.Kind, n uint32) bool {
	if e.marks == nil {
		e.marks = new([wire.Kinds]marks)
	}
	m := &e.marks[k]
	return !m.old.contains(n) && m.fresh.add(n)
}

// ensure makes n seen where a kind was told of an event that nobody observed.
func (e *entry) ensure(n uint32) {
	if !e.old.contains(n) && e.fresh.add(n) {
		e.observations++
	}
}

// seal moves what is new into a source of a report.
func (e *entry) seal() wire.Source {
	s := wire.Source{ID: e.id, Observations: e.observations, Bytes: e.bytes}
	s.Rolls[wire.Seen] = e.old.seal(&e.fresh)
	if e.marks != nil {
		for k := range e.marks {
			if m := &e.marks[k]; !m.fresh.empty() {
				s.Rolls[k] = m.old.seal(&m.fresh)
				s.Rolls[wire.Seen] = with(s.Rolls[wire.Seen], s.Rolls[k])
			}
		}
	}
	if e.checked != nil && !e.checked.fresh.empty() {
		e.checked.old.seal(&e.checked.fresh)
	}
	e.dirty = false
	return s
}

// with keeps every kind a subset of seen within one report.
func with(seen, kind *roaring.Bitmap) *roaring.Bitmap {
	seen.Or(kind)
	return seen
}

const entrySize = 232 // with its share of the map

func (e *entry) size() int {
	n := entrySize + e.fresh.size() + e.old.size()
	if e.marks != nil {
		for k := range e.marks {
			n += 64 + e.marks[k].fresh.size() + e.marks[k].old.size()
		}
	}
	if e.checked != nil {
		n += 96 + e.checked.fresh.size() + e.checked.old.size()
	}
	return n
}

// overhead is about how many bytes the part takes beside its sources.
func (p *part) overhead() int {
	n := 512 + 8*len(p.latency.counts) + 8*cap(p.changed)
	for uid := range p.foreign {
		n += 192 + len(uid)
	}
	return n + 160*(len(p.reasons)+len(p.schemas))
}
