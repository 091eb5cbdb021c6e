package model

import (
	"maps"
	"slices"
	"time"
)

// closing is what the protocol says of one hop in one window.
type closing struct {
	target    time.Time // t; zero when there is none
	hasTarget bool
	closed    bool
	k         time.Time
	hands     bool // whether it hands a K on to the hops after it
	handed    time.Time
}

// closeHop judges one hop whose predecessors are judged.
func (w *window) closeHop(hop string) closing {
	var c closing
	c.target, c.hasTarget = w.target(hop)
	if !c.hasTarget || w.now.Before(w.grace()) || w.first(hop) && w.uncovered() {
		return c
	}
	c.k, c.closed = w.passed(hop, c.target)
	if !c.closed {
		return c
	}
	c.handed, c.hands = c.k, true
	if late := w.lateEntry(hop, c.target); late.After(c.target) {
		c.handed, c.hands = w.passed(hop, late)
	}
	return c
}

// target is t: e for a first hop, else the latest of e and the K handed on, and the skew.
func (w *window) target(hop string) (time.Time, bool) {
	t := w.e
	if w.first(hop) {
		return t, true
	}
	for _, before := range w.hops[hop] {
		c := w.closing[before]
		if !c.hands {
			return time.Time{}, false
		}
		if c.handed.After(t) {
			t = c.handed
		}
	}
	return t.Add(w.m.settings.Skew), true
}

func (w *window) uncovered() bool {
	since, found := w.m.uncoveredSince(w.s)
	return found && !w.s.Before(since)
}

// passed returns the hop's K for target t: the largest over its judged epochs.
func (w *window) passed(hop string, t time.Time) (time.Time, bool) {
	var k time.Time
	for _, epoch := range w.epochs(hop, t) {
		epochK, ok := w.epochPassed(hop, epoch, t)
		if !ok {
			return time.Time{}, false
		}
		if epochK.After(k) {
			k = epochK
		}
	}
	return k, true
}

// epochs lists the judged epochs of a hop: 0, unless it has no lane while another is judged, and those that mention the window.
func (w *window) epochs(hop string, t time.Time) []uint32 {
	judged := map[uint32]bool{}
	for _, r := range w.m.records {
		if r.hop == hop && r.epoch > 0 && w.mentionedBy(r) {
			judged[r.epoch] = true
		}
	}
	if len(judged) == 0 || w.m.partitioned(hop, 0) || len(w.emitterLanes(hop, 0, t)) > 0 {
		judged[0] = true
	}
	return slices.Sorted(maps.Keys(judged))
}

func (w *window) epochPassed(hop string, epoch uint32, t time.Time) (time.Time, bool) {
	if w.m.partitioned(hop, epoch) {
		return w.partitionsPassed(hop, epoch, t)
	}
	return w.emittersPassed(hop, epoch, t)
}

// partitioned tells whether some counted report of the hop and epoch states a named lane or a lane count.
func (m *Model) partitioned(hop string, epoch uint32) bool {
	for _, r := range m.records {
		if r.hop != hop || r.epoch != epoch || !r.counted {
			continue
		}
		if r.laneCount > 0 {
			return true
		}
		for lane := range r.lanes {
			if lane != "" {
				return true
			}
		}
	}
	return false
}

// emittersPassed is K of an unpartitioned hop and epoch: the latest instant at which one of its emitters passed t.
func (w *window) emittersPassed(hop string, epoch uint32, t time.Time) (time.Time, bool) {
	lanes := w.emitterLanes(hop, epoch, t)
	if len(lanes) == 0 {
		return t, w.first(hop) && len(w.candidates(hop, epoch, t)) > 0
	}
	var k time.Time
	for _, emitter := range lanes {
		r := w.m.passing(emitter, t)
		if r == nil {
			return time.Time{}, false
		}
		if r.sentAt.After(k) {
			k = r.sentAt
		}
	}
	return k, true
}

// candidates are the emitters that mention the window or first spoke before the later of the end of grace and t
// (a zero t stands for none).
func (w *window) candidates(hop string, epoch uint32, t time.Time) []emitterKey {
	until := w.grace()
	if t.After(until) {
		until = t
	}
	var found []emitterKey
	for _, r := range w.m.records { // in order of sentAt
		belongs := w.mentionedBy(r) || r.sentAt.Before(until)
		if r.hop == hop && r.epoch == epoch && belongs && !slices.Contains(found, r.emitterKey) {
			found = append(found, r.emitterKey)
		}
	}
	return found
}

// emitterLanes are the candidates that were not shut down before the window, nor closed by a person before they passed t.
func (w *window) emitterLanes(hop string, epoch uint32, t time.Time) []emitterKey {
	return slices.DeleteFunc(w.candidates(hop, epoch, t), func(e emitterKey) bool {
		return w.shutDownBefore(e) || closedBy(w.m.closedEmitters, e.id, w.s) && (t.IsZero() || w.m.passing(e, t) == nil)
	})
}

// shutDownBefore tells whether the emitter's CLOSED was sent before s and it does not mention the window.
func (w *window) shutDownBefore(e emitterKey) bool {
	shut := false
	for _, r := range w.m.records {
		if r.emitterKey != e {
			continue
		}
		if w.mentionedBy(r) {
			return false
		}
		shut = shut || r.counted && r.closed && r.sentAt.Before(w.s)
	}
	return shut
}

// passing is the counted report, the earliest sent, by which the emitter's own lane passed t; nil when there is none.
func (m *Model) passing(e emitterKey, t time.Time) *record {
	for _, r := range m.records {
		if r.emitterKey != e || !r.counted {
			continue
		}
		if mark, stated := r.lanes[""]; r.closed || stated && !mark.Before(t) {
			return r
		}
	}
	return nil
}

// lateEntry is T: the latest sentAt of a stored report of the hop that mentions the window and was sent after the
// emitter's own lane passed t, or with partitions after the epoch's K. It is zero when there is none.
func (w *window) lateEntry(hop string, t time.Time) time.Time {
	var late time.Time
	for _, r := range w.m.records {
		if r.hop != hop || !w.mentionedBy(r) || !r.sentAt.After(late) {
			continue
		}
		if at, ok := w.ownLanePassed(r.emitterKey, t); ok && r.sentAt.After(at) {
			late = r.sentAt
		}
	}
	return late
}

func (w *window) ownLanePassed(e emitterKey, t time.Time) (time.Time, bool) {
	if w.m.partitioned(e.hop, e.epoch) {
		return w.partitionsPassed(e.hop, e.epoch, t)
	}
	if r := w.m.passing(e, t); r != nil {
		return r.sentAt, true
	}
	return time.Time{}, false
}
