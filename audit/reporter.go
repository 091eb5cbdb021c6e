package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The waits between attempts to send: doubling, with full jitter on top of half.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 30 * time.Second
)

// Start begins to report. The first report, the hello, goes at once; in durable
// mode it goes with the first stored checkpoint. A second Start does nothing.
func (h *Hop) Start() {
	if h.started.CompareAndSwap(false, true) {
		go h.run()
	}
}

func (h *Hop) run() {
	defer close(h.stopped)
	if h.cfg.Journal != nil {
		for _, err := range h.cfg.Journal.refused {
			h.cfg.OnError(fmt.Errorf("%s/%s: %w", h.cfg.Stream, h.cfg.Hop, err))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for failures := 0; ; {
		wait, kick := h.cfg.Heartbeat, h.kick
		if err := h.cycle(ctx); err != nil {
			failures++
			wait, kick = pause(failures, err), nil // asking again does not make the server well
		} else {
			failures = 0
		}
		h.sweep(time.Now())
		timer := time.NewTimer(wait)
		select {
		case <-h.stop:
			timer.Stop()
			return
		case <-timer.C:
		case <-kick:
			timer.Stop()
		}
	}
}

// pause returns how long to wait after a failure.
func pause(failures int, err error) time.Duration {
	wait := min(longestWait, firstWait<<min(failures-1, 10))
	wait = wait/2 + rand.N(wait/2)
	return max(wait, sendError(err).RetryAfter)
}

// cycle sends what is waiting, then makes and sends new reports.
func (h *Hop) cycle(ctx context.Context) error {
	if err := h.drain(ctx); err != nil || h.cfg.Durable {
		return err
	}
	for {
		n := h.begin()
		h.seal(0)
		if err := h.drain(ctx); err != nil {
			return err
		}
		if !h.finishSeal(n) {
			return nil
		}
	}
}

func (h *Hop) begin() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.begun++
	return h.begun
}

// finishSeal notes that seal n is accepted and reports whether another was asked for.
func (h *Hop) finishSeal(n uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = n
	h.wake()
	return h.want > n
}

// wake tells all who wait that something was accepted, under Hop.mu.
func (h *Hop) wake() {
	close(h.progress)
	h.progress = make(chan struct{})
}

// drain sends every report whose turn it is, one at a time.
func (h *Hop) drain(ctx context.Context) error {
	if h.cfg.Transport == nil {
		return nil // they are handed out
	}
	for {
		em, r := h.nextReport()
		if r == nil {
			return nil
		}
		if err := h.send(ctx, em, r); err != nil {
			return err
		}
	}
}

func (h *Hop) nextReport() (*emitter, *wire.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, em := range h.emitters {
		if r := em.head(h.stored); r != nil {
			return em, r
		}
	}
	return nil, nil
}

func (h *Hop) send(ctx context.Context, em *emitter, r *wire.Report) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	h.count.attempts.Add(1)
	err := h.cfg.Transport.Send(ctx, wire.Batch{Reports: []wire.Report{*r}})
	if err == nil {
		return h.accept(em, r)
	}
	known := sendError(err)
	if known.Permanent {
		h.count.refused.Add(1)
		h.amend(em, time.Now())
	} else {
		h.count.failed.Add(1)
	}
	h.cfg.OnError(fmt.Errorf("%s/%s: report %d of emitter %s: %w", r.Stream, r.Hop, r.Number, em.id, err))
	return err
}

func (h *Hop) accept(em *emitter, r *wire.Report) error {
	h.count.accepted.Add(1)
	h.mu.Lock()
	em.fixed = em.fixed[1:]
	idle := !slices.ContainsFunc(h.emitters, func(o *emitter) bool { return !o.idle() })
	if em.finished() {
		h.emitters = slices.DeleteFunc(h.emitters, func(o *emitter) bool { return o == em })
	}
	h.wake()
	h.mu.Unlock()
	if h.cfg.Journal != nil {
		h.acceptInJournal(em, r, idle)
	}
	return nil
}

// acceptInJournal retires what the server now knows; idle says that no report of any emitter waits.
func (h *Hop) acceptInJournal(em *emitter, r *wire.Report, idle bool) {
	covered := func(*journalSlot) bool { return false }
	if idle {
		covered = h.covers
	}
	h.cfg.Journal.accepted(em.slot, r.Number, covered)
	if r.State == wire.Closed {
		h.cfg.Journal.dropEmitter(em.slot)
	}
	if !idle {
		return // what the dead left may be in a report that is still to come
	}
	if err := h.cfg.Journal.endedAccepted(); err != nil {
		h.cfg.OnError(fmt.Errorf("%s/%s: remove the journal of a dead process: %w", r.Stream, r.Hop, err))
	}
}

// covers reports whether all numbers of a journal slot were in sealed reports.
// It is asked only while no sealed report waits.
func (h *Hop) covers(s *journalSlot) bool {
	last, ok := s.last()
	_, low := key(&s.source)
	st := h.stripe(low)
	st.mu.Lock()
	defer st.mu.Unlock()
	p := st.parts[s.start]
	if p == nil || !ok {
		return false
	}
	e := p.entries.find(key(&s.source))
	return e != nil && e.old.covers(s.first, last)
}

// amend takes windows that grew too old out of a report that the server refused:
// refused means surely not taken, so the number is free. All else is kept, for the
// refusal may end when somebody mends the token or the settings.
func (h *Hop) amend(em *emitter, now time.Time) {
	h.mu.Lock()
	var stale uint64
	r := em.fixed[0]
	r.Windows = slices.DeleteFunc(slices.Clone(r.Windows), func(w wire.Window) bool {
		old := now.Sub(w.Start) > oldest
		if old {
			stale += eventsOf(&w)
		}
		return old
	})
	late := lateEnded(r.Ended, now)
	r.Ended = slices.DeleteFunc(slices.Clone(r.Ended), func(e wire.Ended) bool { return late[e.Emitter] })
	em.fixed[0] = r
	h.mu.Unlock()
	for id := range late {
		h.refuseJournal(fmt.Errorf("emitter %s of a dead process stays open: a window it took over grew too old to be reported", id))
	}
	if stale > 0 {
		h.outdate(stale, now)
	}
}

// lateEnded returns the dead emitters of whom a window grew too old to be reported. They
// are not said to have ended: what is left would not be all that they took over.
func lateEnded(ended []wire.Ended, now time.Time) map[UID]bool {
	late := make(map[UID]bool)
	for _, e := range ended {
		for start := range e.Windows {
			if now.Sub(start) > oldest {
				late[e.Emitter] = true
			}
		}
	}
	return late
}

// refuseJournal counts and tells what of a journal is not said.
func (h *Hop) refuseJournal(err error) {
	if h.cfg.Journal != nil {
		h.cfg.Journal.refuse(err)
	}
	h.cfg.OnError(fmt.Errorf("%s/%s: %w", h.cfg.Stream, h.cfg.Hop, err))
}

// Flush makes a report of all observed so far and waits until the server has it. In
// durable mode it waits for the reports of stored checkpoints. It returns the
// context's error when that ends first; nothing is lost then.
func (h *Hop) Flush(ctx context.Context) error {
	h.mu.Lock()
	target := h.begun + 1
	h.want = max(h.want, target)
	h.mu.Unlock()
	return h.await(ctx, func() bool {
		if h.cfg.Durable {
			return !slices.ContainsFunc(h.emitters, func(em *emitter) bool { return !em.idle() })
		}
		return h.done >= target
	})
}

// await waits for a condition that is read under Hop.mu.
func (h *Hop) await(ctx context.Context, met func() bool) error {
	for {
		h.mu.Lock()
		ok, progress := met(), h.progress
		h.mu.Unlock()
		if ok {
			return nil
		}
		h.nudge()
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		case <-h.stopped:
			return errors.New("the hop is closed")
		}
	}
}

func (h *Hop) nudge() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}
