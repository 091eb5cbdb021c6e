package audit

import "sync/atomic"

// counters are what a hop counts of itself.
type counters struct {
	sealed, attempts, accepted, failed, refused atomic.Uint64
	unplaced, afterClose                        atomic.Uint64
	emitters, dropped, lost, memory             atomic.Uint64
}

// Stats is what a hop knows of itself. All fields but Held, Memory, Emitters and
// Waiting only rise.
type Stats struct {
	Sealed   uint64 // reports made
	Attempts uint64 // attempts to send
	Accepted uint64 // reports the server has
	Failed   uint64 // attempts of unknown fate
	Refused  uint64 // attempts the server refused
	Waiting  int    // reports made that the server is not known to have

	Unplaced   uint64 // events without a window of their own
	AfterClose uint64 // events observed after Close or Finish: not reported
	Others     uint64 // names of reasons and schemas counted as "other"

	SideEmitters   uint64 // fresh emitters made for windows whose state was dropped
	Emitters       int    // emitters that are not closed
	WindowsDropped uint64 // windows whose state was dropped
	WindowsLost    uint64 // of these, dropped before they were reported
	Memory         uint64 // bytes of window state at the last look

	Held    int64  // events of the Source or InFlight that have not left
	Strays  uint64 // calls of Left or Leave for events that were not held
	Damaged uint64 // journals of dead processes that could not be trusted, and closed nobody
	Evicted uint64 // windows that lost their journal slot to newer ones
}

// Stats returns the hop's counters.
func (h *Hop) Stats() Stats {
	c := &h.count
	s := Stats{
		Sealed: c.sealed.Load(), Attempts: c.attempts.Load(), Accepted: c.accepted.Load(),
		Failed: c.failed.Load(), Refused: c.refused.Load(),
		Unplaced: c.unplaced.Load(), AfterClose: c.afterClose.Load(),
		SideEmitters: c.emitters.Load(), WindowsDropped: c.dropped.Load(), WindowsLost: c.lost.Load(),
		Memory: c.memory.Load(),
	}
	h.statOutbox(&s)
	h.names.mu.Lock()
	s.Others = h.names.others
	h.names.mu.Unlock()
	switch {
	case h.cfg.Source != nil:
		s.Held, s.Strays = h.cfg.Source.Held(), h.cfg.Source.strays()
	case h.cfg.InFlight != nil:
		s.Held, s.Strays = h.cfg.InFlight.Held(), h.cfg.InFlight.strays()
	}
	if j := h.cfg.Journal; j != nil {
		j.mu.Lock()
		s.Damaged, s.Evicted = uint64(len(j.refused)), j.evicted
		j.mu.Unlock()
	}
	return s
}

func (h *Hop) statOutbox(s *Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, em := range h.emitters {
		s.Waiting += len(em.fixed) + len(em.open)
		if !em.closed {
			s.Emitters++
		}
	}
}
