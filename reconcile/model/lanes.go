package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// lanes are the watermarks that an emitter can state at an instant, and the number of lanes of the hop.
func (s *sender) lanes(at time.Duration) (map[string]time.Time, uint32) {
	hop := s.e.hop
	if hop.parts == 0 {
		return map[string]time.Time{"": s.mark("", at, s.e.takes)}, 0
	}
	lanes := map[string]time.Time{}
	for part := range hop.partsAt(at) {
		lane := simLane{s.e.epoch, part}
		if hop.owner(lane, at) == s.e {
			name := fmt.Sprintf("%s/%d", hop.name, part)
			lanes[name] = s.mark(name, at, hop.logs[lane])
		}
	}
	return lanes, uint32(hop.partsAt(at))
}

// mark is the latest instant such that all that entered before it has left at the given one; a first hop does not
// let it pass the produced time of an event it holds. It never falls.
func (s *sender) mark(name string, at time.Duration, takes []*take) time.Time {
	mark := at
	for _, t := range takes {
		if t.entered >= at || t.left < at || s.w.lies {
			continue
		}
		mark = min(mark, t.entered)
		if s.e.hop.depth == 0 {
			mark = min(mark, t.event.produced-s.e.offset)
		}
	}
	if s.w.lies {
		s.w.fault("lie")
	}
	if old, ok := s.marks[name]; ok {
		mark = max(mark, old)
	}
	s.marks[name] = mark
	return genesis.Add(mark + s.e.offset)
}

func sortedForeign(foreign map[string]wire.Foreign) []wire.Foreign {
	return slices.SortedFunc(maps.Values(foreign), func(a, b wire.Foreign) int { return cmp.Compare(a.UID, b.UID) })
}
