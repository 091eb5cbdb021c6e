package audit

import (
	"math"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// emitter is one emitter id with its outbox. All of it is under Hop.mu.
//
// Reports leave in three steps. An open report may still take in what comes after.
// It is fixed when it is its turn to be sent and, in durable mode, the checkpoint
// that changed it last is stored; from then on its fate may be unknown and it does
// not change. Once it is accepted it is forgotten. Of the fixed ones the first is
// sent; there are more of them only after a restart, which finds in its checkpoint
// what the process before may have sent.
type emitter struct {
	id      UID
	sent    uint64        // number of the last report that was ever fixed
	fixed   []wire.Report // ascending, up to number sent
	open    []wire.Report // numbered sent+1 …, the last one with the lanes
	changed uint64        // the checkpoint that changed open last
	sentAt  time.Time     // of the last report made
	horizon int64         // Unix ms: state of windows up to here was dropped
	touched int64         // Unix ms: when it last had news
	earlier bool          // of a process that is gone
	closed  bool          // its CLOSED report is made
	slot    *journalSlot
}

func (h *Hop) newEmitter(now time.Time) *emitter {
	em := &emitter{id: newID(now), horizon: math.MinInt64, touched: now.UnixMilli()}
	h.emitters = append(h.emitters, em)
	if h.cfg.Journal != nil {
		em.slot = h.cfg.Journal.addEmitter(em.id)
	}
	return em
}

// put adds a report to what is open. What could not be sent is so merged with what
// comes next, and the outbox does not grow with the length of an outage.
func (em *emitter) put(r wire.Report, limits Limits, checkpoint uint64) {
	if r.SentAt.Before(em.sentAt) {
		r.SentAt = em.sentAt // the clock stepped back
	}
	em.sentAt = r.SentAt
	for i := len(em.open) - 1; i >= 0; i-- {
		r = mergeReports(em.open[i], r)
	}
	em.open = splitReport(r, limits)
	for i := range em.open {
		em.open[i].Number = em.sent + 1 + uint64(i)
	}
	em.changed = checkpoint
	em.closed = em.closed || r.State == wire.Closed
}

// head returns the report to send now, nil when there is none.
func (em *emitter) head(stored uint64) *wire.Report {
	if len(em.fixed) == 0 && len(em.open) > 0 && em.changed <= stored {
		em.fixed, em.open = append(em.fixed, em.open[0]), em.open[1:]
		em.sent++
	}
	if len(em.fixed) == 0 {
		return nil
	}
	r := em.fixed[0]
	return &r
}

func (em *emitter) idle() bool { return len(em.fixed) == 0 && len(em.open) == 0 }

// finished reports whether nothing more will ever be sent under this id.
func (em *emitter) finished() bool { return em.closed && em.idle() }

// window returns what is known of the window that starts at start, under a stripe's
// lock. A window whose state was dropped goes to another emitter: cumulative
// counters that begin anew under the old id would be taken for the smaller of two.
func (h *Hop) window(start int64, at time.Time) *window {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.windows[start]
	if w == nil {
		w = &window{start: start, emitter: h.emitterOf(start, at), touched: at.UnixMilli()}
		h.windows[start] = w
	}
	return w
}

func (h *Hop) emitterOf(start int64, at time.Time) *emitter {
	if start > h.primary.horizon {
		return h.primary
	}
	if h.side == nil || start <= h.side.horizon || h.side.closed {
		h.side = h.newEmitter(at)
		h.count.emitters.Add(1)
	}
	h.side.touched = at.UnixMilli()
	return h.side
}
