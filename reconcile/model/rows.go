package model

import (
	"maps"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// set is a set of events.
type set map[int32]bool

func (s set) join(o set) { maps.Copy(s, o) }

func (s set) minus(o set) set {
	rest := set{}
	for id := range s {
		if !o[id] {
			rest[id] = true
		}
	}
	return rest
}

// tally is what the emitters of one hop together say of one window.
type tally struct {
	kinds      [wire.Kinds]set
	twice      set  // repeated by one emitter, or seen by two of one epoch
	replayed   set  // seen in two epochs
	idempotent bool // every emitter that mentions the window says so
}

func (w *window) tally(hop string) *tally {
	t := &tally{twice: set{}, replayed: set{}, idempotent: w.idempotent(hop)}
	for k := range t.kinds {
		t.kinds[k] = set{}
	}
	taken := map[uint32]set{} // by epoch
	for e, events := range w.m.rows[w.s.Unix()] {
		if e.hop != hop {
			continue
		}
		epoch := w.epochOf(e)
		if taken[epoch] == nil {
			taken[epoch] = set{}
		}
		t.add(events, taken[epoch])
	}
	epochs := map[int32]int{} // by event: in how many it was seen
	for _, events := range taken {
		for id := range events {
			if epochs[id]++; epochs[id] == 2 {
				t.replayed[id] = true
			}
		}
	}
	return t
}

// epochOf is the epoch as which what the emitter took over of the window counts: its own where somebody declared that for the window, else 0.
func (w *window) epochOf(e emitterKey) uint32 {
	span, declared := w.m.declared[e.epoch]
	if declared && !w.s.Before(span[0]) && w.s.Before(span[1]) {
		return e.epoch
	}
	return 0
}

// add joins the events of one emitter; taken holds what the emitters of its epoch before it have seen.
func (t *tally) add(events row, taken set) {
	for id, kinds := range events {
		for k := range t.kinds {
			if kinds.has(wire.Kind(k)) {
				t.kinds[k][id] = true
			}
		}
		if kinds.has(wire.Repeated) || taken[id] {
			t.twice[id] = true
		}
		taken[id] = true
	}
}

func (w *window) idempotent(hop string) bool {
	mentioned := false
	for _, r := range w.m.records {
		if r.hop != hop || !w.mentionedBy(r) {
			continue
		}
		if !r.idempotent {
			return false
		}
		mentioned = true
	}
	return mentioned
}

// sightings says where the sources were seen.
type sightings struct {
	covered map[wire.UID]bool      // reported by a hop in a window in which that hop was first
	beyond  map[wire.UID]time.Time // seen elsewhere: the start of the earliest window
}

func (m *Model) sight() *sightings {
	seen := &sightings{covered: map[wire.UID]bool{}, beyond: map[wire.UID]time.Time{}}
	for start, emitters := range m.rows {
		s := time.Unix(start, 0).UTC()
		w := &window{m: m, s: s, e: s.Add(m.length())}
		for e, events := range emitters {
			first := w.covers(e)
			for source := range m.sourcesOf(events) {
				if first {
					seen.covered[source] = true
				} else {
					keepEarliest(seen.beyond, source, s)
				}
			}
		}
	}
	return seen
}

// sourcesOf returns the sources of the numbered events of a row.
func (m *Model) sourcesOf(events row) map[wire.UID]bool {
	found := map[wire.UID]bool{}
	for id := range events {
		if source := m.events[id].source; !source.IsZero() {
			found[source] = true
		}
	}
	return found
}
