package model

import (
	"cmp"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The states of a verdict, as the API spells them.
const (
	Complete   = "complete"
	Open       = "open"
	Settling   = "settling"
	Unknown    = "unknown"
	Incomplete = "incomplete"
)

// Verdict is what the model says of one window and edge. Counts and names of duplicated, redelivered, corrupt,
// invalid, skewed and unexpected belong to the edge's later hop, those of filtered and rejected to its earlier one.
type Verdict struct {
	Start time.Time
	Edge  string // "a..b"
	State string

	Produced, Expected, Delivered, Lost, Pending          uint64
	Duplicated, Redelivered, Unexpected, Corrupt, Invalid uint64
	Filtered, Rejected, Skewed, Replayed                  uint64
	InvalidAtSource, InvalidBefore                        uint64 // each invalid event is told of once: see tell

	// Names holds, by kind as the API spells it, the sorted UIDs; a kind without any is absent.
	Names map[string][]string

	// Waived counts, by kind, which of the names people waived; of unknown, how much of what holds the window.
	Waived map[string]uint64
	// Good: complete, or all that keeps it from that is waived.
	Good bool
}

// Verdicts judges every window from the earliest one mentioned up to the last that began before now, and every edge
// of each window's graph, by window and then by edge. now must not be before any receipt.
func (m *Model) Verdicts(now time.Time) []Verdict {
	var all []Verdict
	for s, ok := m.earliest(); ok && s.Before(now); s = s.Add(m.length()) {
		all = append(all, m.judge(s, now).verdicts()...)
	}
	return all
}

// Watermark is the end of the last window such that it and every window before it is good on all its edges (on
// the required ones where any are set). It begins at the start of the earliest window mentioned and does not pass a
// window without edges. It is zero when no window was mentioned.
func (m *Model) Watermark(now time.Time) time.Time {
	s, ok := m.earliest()
	for ; ok && s.Before(now); s = s.Add(m.length()) {
		if !m.judge(s, now).good(m.settings.Edges) {
			break
		}
	}
	return s
}

func (m *Model) earliest() (time.Time, bool) {
	var first int64
	found := false
	for _, r := range m.records {
		for start := range r.mentions {
			if !found || start < first {
				first, found = start, true
			}
		}
	}
	if !found {
		return time.Time{}, false
	}
	return time.Unix(first, 0).UTC(), true
}

// good tells whether the window is good on all the required edges, or on all it has, of which there is one at least.
func (w *window) good(required []string) bool {
	seen := 0
	for _, v := range w.verdicts() {
		if len(required) > 0 && !slices.Contains(required, v.Edge) {
			continue
		}
		if !v.Good {
			return false
		}
		seen++
	}
	return seen > 0
}

func (w *window) verdicts() []Verdict {
	tallies := map[string]*tally{}
	produced := set{}
	for hop := range w.hops {
		tallies[hop] = w.tally(hop)
		if w.first(hop) {
			produced.join(tallies[hop].kinds[wire.Seen])
		}
	}
	told := w.tell(tallies)
	limit := w.settleLimit()
	var all []Verdict
	for hop, after := range w.hops {
		unexpected := w.unexpected(hop, tallies)
		for _, before := range after {
			v := Verdict{Start: w.s, Edge: before + ".." + hop, Produced: uint64(len(produced)), Names: map[string][]string{}}
			w.compare(&v, tallies[before], tallies[hop], w.closing[hop].closed)
			v.Unexpected = w.name(&v, "unexpected", unexpected)
			v.InvalidAtSource = w.name(&v, "invalidAtSource", told[v.Edge].source)
			v.InvalidBefore = uint64(len(told[v.Edge].before))
			v.Replayed = w.name(&v, "replayed", tallies[hop].replayed)
			v.State = w.state(w.closing[hop].closed, v.Lost, limit)
			w.waive(&v)
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b Verdict) int { return cmp.Compare(a.Edge, b.Edge) })
	return all
}

func (w *window) state(closed bool, lost uint64, limit time.Time) string {
	switch {
	case closed && lost == 0:
		return Complete
	case closed:
		return Incomplete
	case w.now.Before(w.e):
		return Open
	case w.now.Before(limit):
		return Settling
	default:
		return Unknown
	}
}

// compare fills in what the sets of the edge's two hops say.
func (w *window) compare(v *Verdict, a, b *tally, closed bool) {
	expected := a.kinds[wire.Seen].minus(a.kinds[wire.Filtered]).minus(a.kinds[wire.Rejected])
	missing := expected.minus(b.kinds[wire.Seen])
	v.Expected = uint64(len(expected))
	v.Delivered = uint64(len(expected) - len(missing))
	if closed {
		v.Lost = w.name(v, "lost", missing)
	} else {
		v.Pending = w.name(v, "pending", missing)
	}
	if b.idempotent {
		v.Redelivered = w.name(v, "redelivered", b.twice)
	} else {
		v.Duplicated = w.name(v, "duplicated", b.twice)
	}
	v.Filtered = w.name(v, "filtered", a.kinds[wire.Filtered])
	v.Rejected = w.name(v, "rejected", a.kinds[wire.Rejected])
	v.Corrupt = w.name(v, "corrupt", b.kinds[wire.Corrupt])
	v.Invalid = w.name(v, "invalid", b.kinds[wire.Invalid])
	v.Skewed = w.name(v, "skewed", b.kinds[wire.Skewed])
}

func (w *window) unexpected(hop string, tallies map[string]*tally) set {
	rest := tallies[hop].kinds[wire.Seen]
	for _, before := range w.hops[hop] {
		rest = rest.minus(tallies[before].kinds[wire.Seen])
	}
	return rest
}

// name puts the UIDs of a set into the verdict and returns how many they are.
func (w *window) name(v *Verdict, kind string, events set) uint64 {
	if len(events) == 0 {
		return 0
	}
	names := make([]string, 0, len(events))
	for id := range events {
		names = append(names, w.m.events[id].name)
	}
	slices.Sort(names)
	v.Names[kind] = names
	return uint64(len(names))
}
