package model

import (
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// never is later than any instant of a simulation. Simulated instants are spans since genesis, in real time;
// an emitter's clock is off by its offset.
const never = time.Duration(1) << 60

const (
	windowLength = 10 * time.Second
	traffic      = 4 * windowLength // events are produced until then
)

// world is one simulated pipeline.
type world struct {
	d        *dice
	rates    rates
	settings Settings
	end      time.Duration // the emitters report until then, and a few times more
	hops     []*simHop     // those that come first, first
	events   []*simEvent
	lies     bool
	causal   bool
	replays  bool
	faults   map[string]int
	stamps   map[time.Duration]bool // instants already given to a report
}

type simHop struct {
	name       string
	after      []*simHop
	next       []*simHop
	depth      int
	parts      int           // partitions; 0 where the emitters are the lanes
	grownAt    time.Duration // from then on there is one partition more
	joins      time.Duration // the hop is not there before
	silent     bool          // nobody reports there
	idempotent bool
	emitters   []*simEmitter
	arrivals   []arrival
	logs       map[simLane][]*take
}

type simLane struct {
	epoch uint32
	part  int
}

// fate is how an emitter ends.
type fate int

const (
	runsOn fate = iota
	closes
	goesDark
	recovers // dies, and its successor ends it: from the journal at a first hop, else from the outbox
)

type simEmitter struct {
	hop        *simHop
	id         wire.UID
	epoch      uint32
	slot       int
	born, dies time.Duration
	fate       fate
	successor  *simEmitter
	byEnded    bool // the successor ends it with `ended`, not with CLOSED under the old id
	cumulative bool // rolls are sent whole, not as deltas
	offset     time.Duration
	beats      []time.Duration
	rebalances map[time.Duration]bool // those of the beats at which partitions change hands
	sources    []*simSource
	takes      []*take
}

func (e *simEmitter) live(at time.Duration) bool { return e.born <= at && at < e.dies }

type simSource struct {
	id      wire.UID
	host    *simEmitter
	foreign bool
	hidden  bool // no first hop ever reports it
	events  []*simEvent
}

type simEvent struct {
	source   *simSource
	n        uint32
	produced time.Duration // by the source's clock
	late     bool          // reaches the first hop long after
	replayed bool
}

func (e *simEvent) window() time.Time { return genesis.Add(e.produced).Truncate(windowLength) }

func (e *simEvent) name() string {
	if e.source.foreign {
		return fmt.Sprintf("order-%x-%d", e.source.id[2:8], e.n)
	}
	return e.source.id.WithSequence(e.n).String()
}

func newWorld(d *dice) *world {
	return &world{
		d: d, rates: drawRates(d), faults: map[string]int{}, stamps: map[time.Duration]bool{},
		settings: Settings{
			WindowSeconds: uint32(windowLength / time.Second),
			Grace:         pick[time.Duration](d, "grace", 2, 5, 10) * time.Second,
			Settle:        pick[time.Duration](d, "settle", 20, 40) * time.Second,
			Skew:          pick[time.Duration](d, "skew", 0, 500, 2000) * time.Millisecond,
		},
		end:    pick[time.Duration](d, "end", 44, 52, 60) * time.Second,
		lies:   d.chance("lies", 5),
		causal: !d.chance("disorder", 25),
	}
}

func (w *world) fault(class string) { w.faults[class]++ }

func (w *world) build() {
	w.buildHops()
	w.buildEdges()
	for _, hop := range w.hops {
		w.buildHop(hop)
	}
	for _, hop := range w.hops {
		for _, e := range hop.emitters {
			w.schedule(e)
		}
	}
	for _, hop := range w.hops {
		if hop.depth == 0 {
			w.buildSources(hop)
		}
	}
}

func (w *world) hop(name string, after ...*simHop) *simHop {
	h := &simHop{name: name, after: after, parts: 0, grownAt: never, logs: map[simLane][]*take{}}
	for _, before := range after {
		before.next = append(before.next, h)
		h.depth = max(h.depth, before.depth+1)
	}
	w.hops = append(w.hops, h)
	return h
}

func (w *world) buildHops() {
	app := w.hop("app")
	switch pick(w.d, "shape", "two", "chain", "fan-in", "fan-out", "both") {
	case "two":
		w.hop("sink", app)
	case "chain":
		w.hop("sink", w.hop("agent", app))
	case "fan-in":
		w.fault("fan-in")
		w.hop("sink", w.hop("agent", app, w.hop("web")))
	case "fan-out":
		w.fault("fan-out")
		w.fanOut(w.hop("agent", app))
	case "both":
		w.fault("fan-in")
		w.fault("fan-out")
		w.fanOut(app, w.hop("web"))
	}
}

// fanOut adds two hops; the second may join while the pipeline runs.
func (w *world) fanOut(after ...*simHop) {
	w.hop("sink", after...)
	side := w.hop("side", after...)
	if w.d.chance("joins later", 30) {
		side.joins = w.d.between(5*time.Second, 35*time.Second)
		w.fault("hop joins")
	}
}

// buildEdges makes all edges required, and perhaps one to a hop that never speaks.
func (w *world) buildEdges() {
	if !w.d.chance("required edges", 30) {
		return
	}
	if w.d.chance("silent hop", 25) {
		w.fault("silent hop")
		w.hop("archive", w.hops[len(w.hops)-1]).silent = true
	}
	for _, hop := range w.hops {
		for _, before := range hop.after {
			w.settings.Edges = append(w.settings.Edges, before.name+".."+hop.name)
		}
	}
}

func (w *world) buildHop(hop *simHop) {
	if hop.silent {
		return
	}
	if hop.depth > 0 && w.d.chance("partitioned", 45) {
		w.fault("partitions")
		hop.parts = w.d.int("partitions", 1, 4)
		if w.d.chance("grows", 20) {
			w.fault("partition added")
			hop.grownAt = w.d.between(hop.joins+5*time.Second, traffic)
		}
	}
	if hop.depth > 0 && w.d.chance("idempotent", 30) {
		w.fault("idempotent")
		hop.idempotent = true
	}
	for slot := range w.d.int("emitters", 1, pick(w.d, "most emitters", 1, 2, 3)) {
		w.buildSlot(hop, slot)
	}
}

// buildSlot makes one emitter and, where it ends, perhaps the one that takes its place.
func (w *world) buildSlot(hop *simHop, slot int) {
	e := w.emitter(hop, slot, hop.joins)
	if slot > 0 && w.d.chance("starts late", 30) {
		w.fault("late start")
		e.born += w.d.between(3*time.Second, 30*time.Second)
	}
	if !w.d.chance("ends", w.rates.turmoil) {
		return
	}
	e.fate = pick(w.d, "fate", closes, goesDark, recovers)
	if hop.parts > 0 && e.fate == recovers {
		e.fate = goesDark
	}
	e.dies = e.born + w.d.between(8*time.Second, 35*time.Second)
	w.fault([]string{"", "clean close", "dark", "recovered"}[e.fate])
	if e.fate == recovers || w.d.chance("restart", 60) {
		w.fault("restart")
		e.successor = w.emitter(hop, slot, e.dies+w.d.between(500*time.Millisecond, 12*time.Second))
		e.byEnded = hop.depth == 0 || w.d.chance("by ended", 50)
		if w.d.chance("successor closes", 25) {
			e.successor.fate = closes
			e.successor.dies = e.successor.born + w.d.between(5*time.Second, 20*time.Second)
		}
	}
}

func (w *world) emitter(hop *simHop, slot int, born time.Duration) *simEmitter {
	e := &simEmitter{
		hop: hop, id: w.d.emitterID(), slot: slot, born: born, dies: never, cumulative: w.d.percent(50),
		offset: w.d.between(-w.settings.Skew/2, w.settings.Skew/2), rebalances: map[time.Duration]bool{},
	}
	hop.emitters = append(hop.emitters, e)
	return e
}

// schedule gives the emitter the instants of its reports while it lives: the hello, the heartbeats, and those of the
// rebalances of a partitioned hop, where what was taken over is reported before a partition changes hands.
func (w *world) schedule(e *simEmitter) {
	beat := w.d.between(6*time.Second, 14*time.Second)
	for at := e.born; at < min(e.dies, w.end); at += beat {
		e.beats = append(e.beats, at)
	}
	if e.hop.parts == 0 {
		return
	}
	for _, other := range e.hop.emitters {
		if other == e || other.epoch != e.epoch {
			continue
		}
		for _, change := range []time.Duration{other.born, other.dies} {
			if e.born < change && change < min(e.dies, w.end) {
				w.fault("rebalance")
				e.beats = append(e.beats, change)
				e.rebalances[change] = true
			}
		}
	}
}

func (w *world) buildSources(hop *simHop) {
	for _, e := range hop.emitters {
		for range w.d.int("sources", 1, 3) {
			w.buildSource(e, w.d.int("events", 0, 30))
		}
	}
}

// buildSource makes a source that lives as long as the emitter it belongs to. Its numbers and its produced times
// rise together.
func (w *world) buildSource(e *simEmitter, events int) {
	s := &simSource{id: w.d.sourceID(genesis.Add(e.born)), host: e, foreign: e.fate != recovers && w.d.percent(w.rates.foreign)}
	if s.foreign {
		w.fault("foreign")
	} else if e.fate != recovers && w.d.percent(w.rates.uncovered) {
		w.fault("uncovered source")
		s.hidden = true
	}
	e.sources = append(e.sources, s)
	span := min(e.dies, traffic) - e.born - 200*time.Millisecond
	if span <= 0 {
		return
	}
	at := e.born + 100*time.Millisecond
	for n := range events {
		at += w.d.between(0, 2*span/time.Duration(events))
		if at >= e.born+span {
			break
		}
		ev := &simEvent{source: s, n: uint32(n), produced: at + e.offset, late: e.fate != recovers && w.d.percent(w.rates.late)}
		s.events = append(s.events, ev)
		w.events = append(w.events, ev)
	}
}
