package model

import (
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// lane is a partition, or the own lane ("") of one emitter of a partitioned hop.
type lane struct {
	name    string
	emitter wire.UID // zero for a partition
}

// board is what the counted reports of a partitioned hop and epoch, sent up to some instant, state.
type board struct {
	passed map[lane]bool // every lane stated → whether it has a watermark ≥ t
	count  uint32        // the highest laneCount stated
	stated bool          // a report stated a lane
}

// partitionsPassed is K of a partitioned hop and epoch: the earliest sentAt such that, among the counted reports
// sent up to it, every lane stated and as many lanes as the highest laneCount have a watermark ≥ t.
func (w *window) partitionsPassed(hop string, epoch uint32, t time.Time) (time.Time, bool) {
	b := w.newBoard(hop)
	reports := w.m.countedOf(hop, epoch)
	for i, r := range reports {
		b.read(r, t, func(l lane) bool { return w.laneClosed(hop, l) })
		more := i+1 < len(reports) && reports[i+1].sentAt.Equal(r.sentAt)
		if !more && b.done() {
			return r.sentAt, true
		}
	}
	return time.Time{}, false
}

// newBoard begins with the partitions that a person closed: they have passed at once.
func (w *window) newBoard(hop string) *board {
	b := &board{passed: map[lane]bool{}}
	for key := range w.m.closedLanes {
		if key.hop == hop && key.lane != "" && closedBy(w.m.closedLanes, key, w.s) {
			b.passed[lane{name: key.lane}] = true
		}
	}
	return b
}

// laneClosed tells whether a person closed the lane: a partition by its name, an own lane by its emitter.
func (w *window) laneClosed(hop string, l lane) bool {
	if l.name == "" {
		return closedBy(w.m.closedEmitters, l.emitter, w.s)
	}
	return closedBy(w.m.closedLanes, laneKey{hop, l.name}, w.s)
}

// countedOf lists the counted reports of a hop and epoch in order of sentAt.
func (m *Model) countedOf(hop string, epoch uint32) []*record {
	var found []*record
	for _, r := range m.records {
		if r.hop == hop && r.epoch == epoch && r.counted {
			found = append(found, r)
		}
	}
	return found
}

func (b *board) read(r *record, t time.Time, closed func(lane) bool) {
	b.count = max(b.count, r.laneCount)
	for name, mark := range r.lanes {
		b.stated = true
		l := r.lane(name)
		b.passed[l] = b.passed[l] || !mark.Before(t) || closed(l)
	}
	if own := r.lane(""); r.closed {
		if _, stated := b.passed[own]; stated {
			b.passed[own] = true
		}
	}
}

func (r *record) lane(name string) lane {
	if name == "" {
		return lane{emitter: r.id}
	}
	return lane{name: name}
}

// done tells whether all that was stated has passed; where no lane was stated yet, nothing has.
func (b *board) done() bool {
	passed := uint32(0)
	for _, ok := range b.passed {
		if !ok {
			return false
		}
		passed++
	}
	return b.stated && passed >= b.count
}
