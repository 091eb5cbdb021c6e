package model

import (
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Truth is what truly happened to each event at each hop, whoever reported it.
type Truth struct {
	passages map[passage]bool
	dropped  map[passage]bool // filtered or rejected, in any epoch
	events   map[string]*simEvent
	// HeldFrom is the earliest instant from which on a person closed something; windows that begin there or later rest
	// on that person's word. It is zero when nobody closed anything.
	HeldFrom time.Time
}

type passage struct {
	start int64
	hop   string
	epoch uint32
	uid   string
}

const anyEpoch = 1 << 31

func (w *world) truth(steps []Step) Truth {
	truth := Truth{passages: map[passage]bool{}, dropped: map[passage]bool{}, events: map[string]*simEvent{}}
	for _, hop := range w.hops {
		for _, e := range hop.emitters {
			for _, t := range e.takes {
				truth.add(hop, t)
			}
		}
	}
	for _, s := range steps {
		if s.Close != nil && (truth.HeldFrom.IsZero() || s.Close.At.Before(truth.HeldFrom)) {
			truth.HeldFrom = s.Close.At
		}
	}
	return truth
}

func (truth *Truth) add(hop *simHop, t *take) {
	if t.void || t.hidden || t.unheard() {
		return
	}
	p := passage{start: t.event.window().Unix(), hop: hop.name, epoch: anyEpoch, uid: t.event.name()}
	truth.events[p.uid] = t.event
	truth.passages[p] = true
	if t.kinds.has(wire.Filtered) || t.kinds.has(wire.Rejected) {
		truth.dropped[p] = true
	}
	p.epoch = t.by.epoch
	truth.passages[p] = true
}

// unheard tells whether the event came late to an emitter that died before it could say so: no trace is left of it,
// and the emitter had passed the window.
func (t *take) unheard() bool {
	return t.event.late && t.by.fate == goesDark && !t.by.reportsWithin(t.seen, t.by.dies)
}

// TookOver tells whether the hop truly took the event over, in epoch 0 or in any.
func (truth Truth) TookOver(hop string, start time.Time, uid string, inAnyEpoch bool) bool {
	p := passage{start: start.Unix(), hop: hop, uid: uid}
	if inAnyEpoch {
		p.epoch = anyEpoch
	}
	return truth.passages[p]
}

// Lost lists the events of a window that hop a took over and neither filtered nor rejected, and that hop b never took
// over in any epoch. With onTimeOnly it leaves out those that reached the first hop late or were replayed, of which a
// report may still be on its way when the window first closes.
func (truth Truth) Lost(a, b string, start time.Time, onTimeOnly bool) []string {
	var lost []string
	for p := range truth.passages {
		if p.hop != a || p.epoch != anyEpoch || p.start != start.Unix() || truth.dropped[p] {
			continue
		}
		ev := truth.events[p.uid]
		if onTimeOnly && (ev.late || ev.replayed) || truth.TookOver(b, start, p.uid, true) {
			continue
		}
		lost = append(lost, p.uid)
	}
	return lost
}
