package model

import (
	"time"
)

// settleLimit is the instant of the server's clock from which the window's edges that are not closed are unknown:
// settle after the latest of e and of the receipts that moved the window on.
func (w *window) settleLimit() time.Time {
	latest := w.e
	keep := func(at time.Time) {
		if at.After(latest) {
			latest = at
		}
	}
	for _, r := range w.m.records {
		if w.mentionedBy(r) {
			keep(r.receivedAt)
		}
	}
	for hop := range w.hops {
		w.laneReceipts(hop, keep)
	}
	return latest.Add(w.m.settings.Settle)
}

// laneReceipts gives keep the receipt of the first report of each lane of the hop, and countedAt of the report that
// brought it to t.
func (w *window) laneReceipts(hop string, keep func(time.Time)) {
	c := w.closing[hop]
	for _, epoch := range w.epochs(hop, c.target) {
		if w.m.partitioned(hop, epoch) {
			w.partitionReceipts(hop, epoch, c, keep)
			continue
		}
		for _, e := range w.emitterLanes(hop, epoch, c.target) {
			keep(w.m.firstOf(func(r *record) bool { return r.emitterKey == e }).receivedAt)
			if r := w.m.passing(e, c.target); c.hasTarget && r != nil {
				keep(r.countedAt)
			}
		}
	}
}

// partitionReceipts looks at the lanes stated up to K, or at all stated while there is no K.
func (w *window) partitionReceipts(hop string, epoch uint32, c closing, keep func(time.Time)) {
	k, closed := time.Time{}, false
	if c.hasTarget {
		k, closed = w.partitionsPassed(hop, epoch, c.target)
	}
	lanes := map[lane]bool{}
	for _, r := range w.m.countedOf(hop, epoch) {
		if closed && r.sentAt.After(k) {
			break
		}
		for name, mark := range r.lanes {
			l := r.lane(name)
			if c.hasTarget && !mark.Before(c.target) && !lanes[l] {
				keep(r.countedAt)
			}
			lanes[l] = lanes[l] || c.hasTarget && !mark.Before(c.target)
		}
	}
	for l := range lanes {
		keep(w.m.firstOf(func(r *record) bool {
			_, states := r.lanes[l.name]
			return r.hop == hop && r.epoch == epoch && states && r.lane(l.name) == l
		}).receivedAt)
	}
}

// firstOf is the stored report with the smallest sentAt that matches; a record with zero times when none does.
func (m *Model) firstOf(match func(*record) bool) *record {
	for _, r := range m.records {
		if match(r) {
			return r
		}
	}
	return &record{}
}
