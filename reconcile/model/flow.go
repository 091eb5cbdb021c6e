package model

import (
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// arrival is an event that comes to a hop.
type arrival struct {
	event  *simEvent
	at     time.Duration
	epoch  uint32
	sender *take // which has left once the hop or its log has it; nil for copies
}

// take is one event taken over by one emitter.
type take struct {
	event   *simEvent
	by      *simEmitter
	entered time.Duration // came to the hop, or into its log
	seen    time.Duration // taken over
	left    time.Duration // acknowledged by every next hop or its log, or dropped on purpose
	kinds   kindSet
	hidden  bool // the hop forgets to record it
	void    bool // never accepted: the emitter died, and another one reads the event again
}

// run lets all events pass all hops, hop by hop.
func (w *world) run() {
	for _, ev := range w.events {
		w.enter(ev)
	}
	for _, hop := range w.hops {
		if !w.replays && hop.depth > 0 && !hop.silent && w.d.chance("replay", 12) {
			w.replay(hop)
		}
		slices.SortStableFunc(hop.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
		for _, a := range hop.arrivals {
			w.arrive(hop, a)
		}
	}
}

// enter brings an event to its first hop: to the process that numbered it, or late to any that lives then.
func (w *world) enter(ev *simEvent) {
	host := ev.source.host
	at := ev.produced - host.offset
	if ev.late {
		w.fault("late entry")
		at += w.d.between(3*time.Second, min(40*time.Second, w.end-time.Second-at))
		host.hop.arrivals = append(host.hop.arrivals, arrival{event: ev, at: at})
		return
	}
	w.takeOver(host, arrival{event: ev, at: at})
}

func (w *world) arrive(hop *simHop, a arrival) {
	switch {
	case hop.silent:
		return
	case hop.parts > 0:
		w.log(hop, a)
	default:
		w.accept(hop, a)
	}
}

// accept gives an event to a live emitter of a hop without partitions, or lets it wait for one.
func (w *world) accept(hop *simHop, a arrival) {
	by, at := w.receiver(hop, a)
	if by == nil {
		if a.sender != nil {
			a.sender.left = never
		}
		return
	}
	a.at = at
	if a.sender != nil {
		a.sender.left = max(a.sender.left, at)
	}
	w.takeOver(by, a)
	if w.d.percent(w.rates.twice) {
		w.fault("across emitters")
		if other, later := w.liveFrom(hop, a.epoch, at+w.d.between(0, 3*time.Second)); other != nil {
			w.takeOver(other, arrival{event: a.event, at: later, epoch: a.epoch})
		}
	}
}

// receiver finds who takes the event over, and when; nil when nobody does while the sender still holds it.
func (w *world) receiver(hop *simHop, a arrival) (*simEmitter, time.Duration) {
	by, at := w.liveFrom(hop, a.epoch, a.at)
	if by == nil || !a.sender.diedBefore(at) {
		return by, at
	}
	if dead := a.sender.by; dead.fate == recovers && dead.hop.depth > 0 {
		return w.liveFrom(hop, a.epoch, max(at, dead.successor.born+50*time.Millisecond))
	}
	return nil, 0
}

// diedBefore tells whether the event was still in the hands of an emitter that died before the given instant.
func (t *take) diedBefore(at time.Duration) bool {
	return t != nil && t.by.hop.parts == 0 && t.by.fate != closes && t.by.dies <= at
}

// liveFrom finds an emitter that lives at the instant, or the one born next, and when it can take over.
func (w *world) liveFrom(hop *simHop, epoch uint32, at time.Duration) (*simEmitter, time.Duration) {
	var live []*simEmitter
	var next *simEmitter
	for _, e := range hop.emitters {
		switch {
		case e.epoch != epoch || hop.depth == 0 && e.fate == recovers: // a journal knows its own sources only
		case e.live(at):
			live = append(live, e)
		case e.born > at && (next == nil || e.born < next.born):
			next = e
		}
	}
	if len(live) > 0 {
		return live[w.d.rng.IntN(len(live))], max(at, 1)
	}
	if next != nil {
		return next, next.born + 30*time.Millisecond
	}
	return nil, 0
}

// log appends an event to a partition of the hop; a consumer that dies before it reported leaves it to another.
func (w *world) log(hop *simHop, a arrival) {
	if a.sender != nil {
		a.sender.left = max(a.sender.left, a.at)
	}
	lane := simLane{a.epoch, w.d.rng.IntN(hop.partsAt(a.at))}
	at := a.at + w.d.between(10*time.Millisecond, time.Second)
	for {
		by := hop.owner(lane, at)
		if by == nil {
			_, at = w.liveFrom(hop, a.epoch, at)
		}
		if at == 0 {
			hop.logs[lane] = append(hop.logs[lane], &take{event: a.event, entered: a.at, left: never})
			return
		}
		if by == nil {
			by = hop.owner(lane, at)
		}
		if by.fate == goesDark && !by.reportsWithin(at, by.dies) {
			w.fault("read again")
			w.takeOver(by, arrival{event: a.event, at: at, epoch: a.epoch}).void = true
			at = by.dies + w.d.between(time.Second, 3*time.Second)
			continue
		}
		t := w.takeOver(by, arrival{event: a.event, at: at, epoch: a.epoch})
		t.entered = a.at
		hop.logs[lane] = append(hop.logs[lane], t)
		return
	}
}

func (h *simHop) partsAt(at time.Duration) int {
	if at >= h.grownAt {
		return h.parts + 1
	}
	return h.parts
}

// owner is the live consumer that a partition is assigned to; nil when there is none.
func (h *simHop) owner(lane simLane, at time.Duration) *simEmitter {
	var live []*simEmitter
	for _, e := range h.emitters {
		if e.epoch == lane.epoch && e.live(at) {
			live = append(live, e)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return live[lane.part%len(live)]
}

func (e *simEmitter) reportsWithin(from, to time.Duration) bool {
	return slices.ContainsFunc(e.beats, func(at time.Duration) bool { return from < at && at < to })
}

// takeOver lets an emitter take an event over, work on it, and send it on.
func (w *world) takeOver(by *simEmitter, a arrival) *take {
	t := &take{event: a.event, by: by, entered: a.at, seen: a.at, kinds: w.kinds(by)}
	first := by.hop.depth == 0
	t.hidden = first && a.event.source.hidden || by.fate != recovers && w.d.percent(w.rates.hidden)
	if t.hidden {
		w.fault("unrecorded")
	}
	if slices.ContainsFunc(by.takes, func(o *take) bool { return o.event == a.event }) {
		t.kinds |= 1 << wire.Repeated
	}
	by.takes = append(by.takes, t)
	t.left = t.seen + w.d.between(50*time.Millisecond, 1500*time.Millisecond)
	if w.d.percent(w.rates.slow) {
		w.fault("slow")
		t.left += w.d.between(4*time.Second, 12*time.Second)
	}
	if by.hop.parts == 0 && t.left >= by.dies && !w.survive(t) {
		return t
	}
	if !t.dropped() {
		w.send(t, a.epoch)
	}
	return t
}

// survive decides what becomes of an event whose emitter dies while it holds it, and tells whether it goes on.
func (w *world) survive(t *take) bool {
	switch {
	case t.by.fate == closes:
		return true
	case t.by.fate == recovers && t.by.hop.depth > 0:
		w.fault("outbox")
		t.left = t.by.successor.born + w.d.between(50*time.Millisecond, 500*time.Millisecond)
		return true
	case t.by.fate == recovers:
		w.fault("journal")
		t.kinds = 1 << wire.Seen
	}
	t.left = never
	return false
}

func (t *take) dropped() bool { return t.kinds.has(wire.Filtered) || t.kinds.has(wire.Rejected) }

func (w *world) kinds(by *simEmitter) kindSet {
	kinds := kindSet(1 << wire.Seen)
	throw := func(k wire.Kind, percent int) {
		if w.d.percent(percent) {
			kinds |= 1 << k
		}
	}
	throw(wire.Repeated, w.rates.repeat)
	throw(wire.Corrupt, w.rates.corrupt)
	throw(wire.Invalid, w.rates.invalid)
	throw(wire.Skewed, w.rates.skewed)
	if by.fate != recovers && by.fate != goesDark {
		throw(wire.Filtered, w.rates.filtered)
		throw(wire.Rejected, w.rates.rejected)
	}
	return kinds
}

// send brings the event to every hop that is there, or loses it on the way.
func (w *world) send(t *take, epoch uint32) {
	at := t.left
	for _, next := range t.by.hop.next {
		switch {
		case at < next.joins || epoch > 0 && !next.replays(epoch):
		case w.d.percent(w.rates.loss):
			w.fault("loss")
		default:
			next.arrivals = append(next.arrivals, arrival{event: t.event, at: at, epoch: epoch, sender: t})
		}
	}
}

func (h *simHop) replays(epoch uint32) bool {
	return slices.ContainsFunc(h.emitters, func(e *simEmitter) bool { return e.epoch == epoch })
}

// replay delivers one window to the hop once more, under epoch 1, through emitters of their own at it and beyond.
func (w *world) replay(hop *simHop) {
	w.replays = true
	w.fault("replay")
	born := w.d.between(42*time.Second, w.end-time.Second)
	w.replayEmitters(hop, born)
	start := genesis.Add(windowLength * time.Duration(w.d.int("replayed window", 0, 3)))
	done := map[*simEvent]bool{}
	for _, before := range hop.after {
		for _, e := range before.emitters {
			for _, t := range e.takes {
				if t.event.window().Equal(start) && !t.dropped() && !done[t.event] {
					done[t.event] = true
					t.event.replayed = true
					at := born + w.d.between(50*time.Millisecond, 5*time.Second)
					hop.arrivals = append(hop.arrivals, arrival{event: t.event, at: at, epoch: 1})
				}
			}
		}
	}
}

func (w *world) replayEmitters(hop *simHop, born time.Duration) {
	if hop.silent || hop.replays(1) {
		return
	}
	e := w.emitter(hop, 0, max(born, hop.joins))
	e.epoch = 1
	if w.d.chance("replay ends", 70) {
		e.fate = closes
		e.dies = born + 7*time.Second
	}
	w.schedule(e)
	for _, next := range hop.next {
		w.replayEmitters(next, born)
	}
}
