package audit

import (
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Reports hands out all reports of the checkpoint that the server is not known to
// have, one to a batch, for a caller that makes them durable in the one step with its
// own state: in the Kafka transaction that holds its output, for example. It is for a
// hop without a Transport.
//
// Then the caller says what came of the step: Accepted or Refused, once. Where it
// cannot know it says neither: the reports keep their numbers, and the next checkpoint
// hands them out again, unchanged.
func (c *Checkpoint) Reports() []wire.Batch {
	h := c.hop
	h.mu.Lock()
	defer h.mu.Unlock()
	c.fixed = make(map[*emitter]int)
	var out []wire.Batch
	for _, em := range h.emitters {
		c.fixed[em] += em.fix()
		for i := range em.fixed {
			out = append(out, wire.Batch{Reports: em.fixed[i : i+1 : i+1]})
		}
	}
	return out
}

// Accepted says that the step was done: the server has the reports, or surely will. It
// returns an error when the journal of a dead process, which they told of, cannot be
// removed.
func (c *Checkpoint) Accepted() error {
	h := c.hop
	h.mu.Lock()
	h.stored = max(h.stored, c.number)
	sent := make(map[*emitter][]wire.Report)
	for em := range c.fixed {
		sent[em] = em.fixed
	}
	h.mu.Unlock()
	for em, reports := range sent {
		for i := range reports {
			if err := h.accept(em, &reports[i]); err != nil {
				return err
			}
		}
	}
	c.fixed = nil
	return nil
}

// Refused says that the step was surely not done, and that nobody will ever see the
// reports. Their numbers are free again, and what they hold goes into the next ones.
func (c *Checkpoint) Refused() {
	h := c.hop
	h.mu.Lock()
	defer h.mu.Unlock()
	for em, n := range c.fixed {
		em.unfix(n)
	}
	c.fixed = nil
}

// fix fixes all open reports and returns how many.
func (em *emitter) fix() int {
	n := len(em.open)
	em.fixed, em.open = append(em.fixed, em.open...), nil
	em.sent += uint64(n)
	return n
}

// unfix opens the last n fixed reports again.
func (em *emitter) unfix(n int) {
	keep := len(em.fixed) - n
	em.open = append(em.fixed[keep:len(em.fixed):len(em.fixed)], em.open...)
	em.fixed = em.fixed[:keep:keep]
	em.sent -= uint64(n)
}

// Abandon forgets all that was observed and is in no accepted report, and goes on as a
// fresh emitter. Call it after Refused where the same events will come again, to this
// hop or to another instance of it: those of an aborted transaction that read and
// passed on, for example. What was accepted stays said, and the emitter it was said
// under is closed by the next report: all it took over has left.
func (h *Hop) Abandon() {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		defer st.mu.Unlock()
		st.last, st.parts = nil, make(map[int64]*part)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.windows)
	h.left, h.side = true, nil
	h.ended = false // what the journal's dead left may have been in a report that is dropped
	h.emitters = slices.DeleteFunc(h.emitters, h.abandon)
	h.primary = h.newEmitter(time.Now())
}

// abandon reports whether an emitter is forgotten altogether: nobody has heard of it.
func (h *Hop) abandon(em *emitter) bool {
	em.open, em.earlier = nil, true
	n := len(em.fixed)
	em.closed = n > 0 && em.fixed[n-1].State == wire.Closed
	if em.sent == 0 && h.cfg.Journal != nil {
		h.cfg.Journal.dropEmitter(em.slot)
	}
	return em.sent == 0
}
