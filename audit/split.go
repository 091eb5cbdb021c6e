package audit

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// maxTallies bounds the schema and reason tallies of a report; a window has fewer.
const maxTallies = 8000

// splitter cuts one report into several that keep the limits. The split is a pure
// function of the report, so that one repeated from a checkpoint is the same.
type splitter struct {
	limits  Limits
	head    wire.Report // what every part begins with
	done    []wire.Report
	part    wire.Report
	bytes   int
	sources int
	foreign int
	tallies int
}

// splitReport returns the report in as many parts as the limits ask for, at least
// one; the lanes, the end of other emitters and CLOSED are in the last.
func splitReport(r wire.Report, limits Limits) []wire.Report {
	s := &splitter{limits: limits, head: r}
	s.head.Windows, s.head.Lanes, s.head.LaneCount, s.head.Ended = nil, nil, 0, nil
	s.head.State = wire.Running
	s.part = s.head
	for _, w := range r.Windows {
		s.window(w)
	}
	s.room(tailSize(r), 0, 0)
	last := s.part
	last.Lanes, last.LaneCount, last.Ended, last.State = r.Lanes, r.LaneCount, r.Ended, r.State
	return append(s.done, last)
}

func (s *splitter) window(w wire.Window) {
	sources, foreign := w.Sources, w.Foreign
	w.Sources, w.Foreign = nil, nil
	tallies := len(w.Schemas) + len(w.Reasons)
	if s.tallies += tallies; s.tallies > maxTallies {
		s.next()
		s.tallies = tallies
	}
	s.room(tallySize(w), 0, 0)
	s.part.Windows = append(s.part.Windows, w)
	s.bytes += tallySize(w)
	bare := wire.Window{Start: w.Start, Seconds: w.Seconds}
	for _, src := range sources {
		for i, piece := range cutSource(src, s.limits.Roll) {
			if i > 0 {
				s.next() // a report names a source once a window
			}
			into := s.into(bare, sourceSize(piece), 1, 0)
			into.Sources = append(into.Sources, piece)
		}
	}
	for _, f := range foreign {
		into := s.into(bare, len(f.UID)+40, 0, 1)
		into.Foreign = append(into.Foreign, f)
	}
}

// into makes room for one more row of a window and returns the window to add it to.
func (s *splitter) into(bare wire.Window, bytes, sources, foreign int) *wire.Window {
	if s.room(bytes, sources, foreign) || len(s.part.Windows) == 0 {
		s.part.Windows = append(s.part.Windows, bare)
	}
	s.bytes, s.sources, s.foreign = s.bytes+bytes, s.sources+sources, s.foreign+foreign
	return &s.part.Windows[len(s.part.Windows)-1]
}

// room begins a new part where the limits leave no room, and reports whether it did.
func (s *splitter) room(bytes, sources, foreign int) bool {
	if len(s.part.Windows) == 0 {
		return false
	}
	if s.bytes+bytes <= s.limits.Bytes && s.sources+sources <= s.limits.Sources && s.foreign+foreign <= s.limits.Foreign {
		return false
	}
	s.next()
	return true
}

func (s *splitter) next() {
	s.done = append(s.done, s.part)
	s.part, s.bytes, s.sources, s.foreign, s.tallies = s.head, 0, 0, 0, 0
}

// cutSource cuts a source whose rolls are over the limit into ranges of numbers.
func cutSource(src wire.Source, limit int) []wire.Source {
	largest := src.Rolls[wire.Seen]
	for _, r := range src.Rolls {
		if r != nil && (largest == nil || r.GetSerializedSizeInBytes() > largest.GetSerializedSizeInBytes()) {
			largest = r
		}
	}
	if largest == nil || largest.GetSerializedSizeInBytes() <= uint64(limit) || largest.GetCardinality() < 2 {
		return []wire.Source{src}
	}
	middle, err := largest.Select(uint32(largest.GetCardinality() / 2))
	if err != nil {
		return []wire.Source{src}
	}
	low, high := src, src
	for k, r := range src.Rolls {
		if r == nil {
			continue
		}
		low.Rolls[k], high.Rolls[k] = between(r, 0, uint64(middle)), between(r, uint64(middle), 1<<32)
	}
	return append(cutSource(low, limit), cutSource(high, limit)...)
}

// between returns the numbers of r in [from, to).
func between(r *roaring.Bitmap, from, to uint64) *roaring.Bitmap {
	out := r.Clone()
	out.RemoveRange(0, from)
	out.RemoveRange(to, 1<<32)
	return out
}

func sourceSize(s wire.Source) int {
	n := 48
	for _, r := range s.Rolls {
		if r != nil {
			n += 8 + int(r.GetSerializedSizeInBytes())
		}
	}
	return n
}

func tallySize(w wire.Window) int {
	n := 256
	if w.Latency != nil {
		n += 16 * len(w.Latency.Counts)
	}
	for _, t := range w.Schemas {
		n += 32 + len(t.ID) + len(t.Version) + len(t.Outcome) + len(t.Reason)
	}
	for _, t := range w.Reasons {
		n += 16 + len(t.Reason)
	}
	return n
}

func tailSize(r wire.Report) int {
	n := 256
	for lane := range r.Lanes {
		n += 24 + len(lane)
	}
	for _, e := range r.Ended {
		n += 64 + 32*len(e.Windows)
	}
	return n
}
