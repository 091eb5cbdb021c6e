package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// sent is one report as it leaves its emitter.
type sent struct {
	by     *simEmitter
	at     time.Duration
	report *wire.Report
	ends   []*simEmitter // the dead emitters it closes
}

// sender makes the reports of one emitter.
type sender struct {
	w      *world
	e      *simEmitter
	number uint64
	since  time.Duration // what was taken over before was reported
	marks  map[string]time.Duration
	out    []*sent
}

// emit makes all reports of all emitters.
func (w *world) emit() []*sent {
	var all []*sent
	for _, hop := range w.hops {
		byEmitter := map[*simEmitter][]*sent{}
		for _, e := range hop.emitters {
			byEmitter[e] = w.reports(e)
		}
		for _, e := range hop.emitters {
			if e.fate == recovers && e.byEnded {
				w.endBySuccessor(e, byEmitter[e.successor])
			}
			all = append(all, byEmitter[e]...)
		}
	}
	slices.SortStableFunc(all, func(a, b *sent) int { return int(a.at - b.at) })
	return all
}

func (w *world) reports(e *simEmitter) []*sent {
	s := &sender{w: w, e: e, since: -never, marks: map[string]time.Duration{}}
	beats := slices.Sorted(slices.Values(e.beats))
	for i, at := range beats {
		if i > 0 && beats[i-1] == at {
			continue
		}
		s.beat(at, wire.Running)
	}
	switch e.fate {
	case runsOn:
		s.epilogue()
	case closes:
		s.finish(e.dies)
	case recovers:
		if e.hop.depth > 0 {
			s.outbox()
		}
	}
	return s.out
}

// epilogue reports a little after the end of the run, once the hops before have done so.
func (s *sender) epilogue() {
	step := s.w.settings.Skew + 2500*time.Millisecond
	rounds := s.w.d.int("last rounds", 1, 2)
	for round := range rounds {
		s.beat(s.w.end+time.Duration(round*4+s.e.hop.depth)*step, wire.Running)
	}
	for _, t := range s.e.takes {
		if t.seen >= s.since {
			s.beat(t.seen+time.Millisecond, wire.Running)
		}
	}
}

// finish says CLOSED once all that was taken over has left; an emitter that waits for ever goes on reporting.
func (s *sender) finish(at time.Duration) {
	s.beat(at, wire.Running)
	for _, t := range s.e.takes {
		if t.left == never {
			s.epilogue()
			return
		}
		at = max(at, t.left+time.Millisecond)
	}
	s.beat(at+s.w.d.between(0, 2*time.Second), wire.Closed)
}

// outboxSpan is what a successor needs to send on what the dead emitter held.
const outboxSpan = 700 * time.Millisecond

// outbox is what the successor sends under the old id.
func (s *sender) outbox() {
	at := s.e.successor.born + outboxSpan
	s.beat(at, wire.Running)
	for _, t := range s.e.takes {
		if t.left == never {
			return
		}
		at = max(at, t.left+time.Millisecond)
	}
	if !s.e.byEnded {
		s.beat(at+s.w.d.between(0, 2*time.Second), wire.Closed)
	}
}

// endBySuccessor puts `ended` into the first report of the successor that may say it.
func (w *world) endBySuccessor(dead *simEmitter, reports []*sent) {
	from := dead.successor.born
	if dead.hop.depth > 0 {
		from += outboxSpan + time.Second
		for _, t := range dead.takes {
			from = max(from, t.left+time.Millisecond)
		}
	}
	for _, s := range reports {
		if s.at < from {
			continue
		}
		w.fault("ended")
		s.ends = append(s.ends, dead)
		s.report.Ended = append(s.report.Ended, w.ended(dead)...)
		return
	}
}

// ended says from the journal what the dead emitter's sources had numbered in the windows it had not reported whole;
// without sources of its own it only closes the emitter.
func (w *world) ended(dead *simEmitter) []wire.Ended {
	var entries []wire.Ended
	for _, source := range dead.sources {
		if source.foreign {
			continue
		}
		entry := wire.Ended{Emitter: dead.id, Source: source.id, Windows: map[time.Time][2]uint32{}, Reason: "journal"}
		for _, start := range dead.unreported(source) {
			entry.Windows[start] = source.numbersOf(start)
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		entries = append(entries, wire.Ended{Emitter: dead.id, Reason: "restart"})
	}
	return entries
}

// unreported lists the windows in which the source numbered events after the emitter's last report.
func (e *simEmitter) unreported(source *simSource) []time.Time {
	last := -never
	for _, at := range e.beats {
		last = max(last, at)
	}
	var starts []time.Time
	for _, t := range e.takes {
		start := t.event.window()
		if t.event.source == source && t.seen >= last && !slices.Contains(starts, start) {
			starts = append(starts, start)
		}
	}
	return starts
}

func (s *simSource) numbersOf(start time.Time) [2]uint32 {
	span := [2]uint32{1 << 31, 0}
	for _, ev := range s.events {
		if ev.window().Equal(start) {
			span[0], span[1] = min(span[0], ev.n), max(span[1], ev.n)
		}
	}
	return span
}

// beat makes one report, or two where it is split and the last one has the lanes.
func (s *sender) beat(at time.Duration, state wire.State) {
	moving := s.e.rebalances[at]
	at = s.w.stamp(at, s.e)
	if s.number > 0 && state == wire.Running && s.w.d.percent(8) {
		if windows := s.windows(at); len(windows) > 0 {
			s.w.fault("split")
			at = s.add(at, wire.Running, windows).at + time.Millisecond
		}
	}
	at = s.w.stamp(at, s.e)
	windows := s.windows(at)
	report := s.add(at, state, windows).report
	if state == wire.Running && !moving && (s.number > 1 || s.e.hop.parts == 0 && s.w.d.percent(70)) {
		report.Lanes, report.LaneCount = s.lanes(at)
	}
}

// stamp finds an instant that no other report was sent at, by the sender's clock.
func (w *world) stamp(at time.Duration, e *simEmitter) time.Duration {
	for w.stamps[at+e.offset] {
		at += time.Millisecond
	}
	return at
}

func (s *sender) add(at time.Duration, state wire.State, windows []wire.Window) *sent {
	at = s.w.stamp(at, s.e)
	s.w.stamps[at+s.e.offset] = true
	s.number++
	s.since = at
	r := &wire.Report{
		Stream: Stream, Hop: s.e.hop.name, Emitter: s.e.id, Host: fmt.Sprintf("%s-%d", s.e.hop.name, s.e.slot), Epoch: s.e.epoch,
		Idempotent: s.e.hop.idempotent, Heartbeat: 10, Number: s.number, SentAt: genesis.Add(at + s.e.offset), State: state,
		Windows: windows,
	}
	for _, before := range s.e.hop.after {
		r.After = append(r.After, before.name)
	}
	out := &sent{by: s.e, at: at, report: r}
	s.out = append(s.out, out)
	return out
}

// windows holds what the emitter took over since its last report, or all of the windows that changed.
func (s *sender) windows(at time.Duration) []wire.Window {
	changed := map[time.Time]bool{}
	for _, t := range s.e.takes {
		if !t.hidden && s.since <= t.seen && t.seen < at {
			changed[t.event.window()] = true
		}
	}
	var windows []wire.Window
	for start := genesis.Add(-windowLength); start.Before(genesis.Add(traffic + windowLength)); start = start.Add(windowLength) {
		if changed[start] {
			windows = append(windows, s.window(start, at))
		}
	}
	return windows
}

func (s *sender) window(start time.Time, at time.Duration) wire.Window {
	w := wire.Window{Start: start, Seconds: s.w.settings.WindowSeconds}
	bySource := map[*simSource]*wire.Source{}
	var order []*simSource
	foreign := map[string]wire.Foreign{}
	for _, t := range s.e.takes {
		if t.hidden || !t.event.window().Equal(start) || t.seen >= at {
			continue
		}
		source := t.event.source
		if source.foreign {
			foreign[t.event.name()] = t.count(foreign[t.event.name()])
			continue
		}
		if !s.e.cumulative && t.seen < s.since {
			continue
		}
		if bySource[source] == nil {
			bySource[source] = &wire.Source{ID: source.id}
			order = append(order, source)
		}
		t.roll(bySource[source])
	}
	for _, source := range order {
		w.Sources = append(w.Sources, *bySource[source])
	}
	w.Foreign = sortedForeign(foreign)
	return w
}

func (t *take) roll(s *wire.Source) {
	for k := range s.Rolls {
		if !t.kinds.has(wire.Kind(k)) {
			continue
		}
		if s.Rolls[k] == nil {
			s.Rolls[k] = roaring.New()
		}
		s.Rolls[k].Add(t.event.n)
	}
	s.Observations++
	s.Bytes += 100
}

func (t *take) count(f wire.Foreign) wire.Foreign {
	f.UID = t.event.name()
	add := func(k wire.Kind, to *uint64) {
		if t.kinds.has(k) {
			*to++
		}
	}
	add(wire.Seen, &f.Count)
	if f.Count == 1 {
		add(wire.Repeated, &f.Count)
	}
	add(wire.Filtered, &f.Filtered)
	add(wire.Rejected, &f.Rejected)
	add(wire.Corrupt, &f.Corrupt)
	add(wire.Invalid, &f.Invalid)
	add(wire.Skewed, &f.Skewed)
	return f
}
