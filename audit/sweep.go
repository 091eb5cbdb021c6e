package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// account takes the size of an entry into that of its part, under the stripe's lock.
func (p *part) account(e *entry) {
	n := e.size()
	p.bytes += n - e.accounted
	e.accounted = n
}

// sweep drops the state of windows that have been quiet for long, and of more where
// the memory does not suffice. It runs on every heartbeat, also while nothing can be sent.
func (h *Hop) sweep(now time.Time) {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	sizes := h.sizes()
	quiet := now.Add(-h.cfg.Keep).UnixMilli()
	total := 0
	for _, w := range h.byAge() {
		if w.touched < quiet && h.drop(w, false) {
			continue
		}
		total += sizes[w.start]
	}
	h.shrink(sizes, total)
}

// shrink drops windows, oldest news first: those that are wholly reported, and if
// that does not help, those that are not. What is dropped unreported can never be
// told, so the lanes stay below it for good and the window stays unknown.
func (h *Hop) shrink(sizes map[int64]int, total int) {
	for _, unsent := range []bool{false, true} {
		for _, w := range h.byAge() {
			if total <= h.cfg.Memory {
				h.count.memory.Store(uint64(total))
				return
			}
			if h.drop(w, unsent) {
				total -= sizes[w.start]
			}
		}
	}
	h.count.memory.Store(uint64(max(total, 0)))
}

func (h *Hop) byAge() []*window {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*window
	for _, w := range h.windows {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *window) int {
		return cmp.Or(cmp.Compare(a.touched, b.touched), cmp.Compare(a.start, b.start))
	})
	return all
}

// sizes returns about how many bytes each window takes, after looking again at the
// sources that changed since the last report.
func (h *Hop) sizes() map[int64]int {
	sizes := make(map[int64]int)
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		parts := make([]*part, 0, len(st.parts))
		for _, p := range st.parts {
			parts = append(parts, p)
		}
		st.mu.Unlock()
		for _, p := range parts {
			sizes[p.start] += h.size(st, p)
		}
	}
	return sizes
}

func (h *Hop) size(st *stripe, p *part) int {
	st.mu.Lock()
	changed := p.changed[:len(p.changed):len(p.changed)]
	st.mu.Unlock()
	for batch := range slices.Chunk(changed, sealBatch) {
		st.mu.Lock()
		for _, e := range batch {
			p.account(e)
		}
		st.mu.Unlock()
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return p.bytes + p.overhead()
}

// drop forgets a window. It refuses where there is something unreported, unless
// that is asked for.
func (h *Hop) drop(w *window, unsent bool) bool {
	dropped, lost := h.forget(w, unsent)
	if lost {
		h.lose(w)
	}
	return dropped
}

func (h *Hop) forget(w *window, unsent bool) (dropped, lost bool) {
	for i := range h.stripes {
		h.stripes[i].mu.Lock()
		defer h.stripes[i].mu.Unlock()
	}
	dirty := false
	for i := range h.stripes {
		p := h.stripes[i].parts[w.start]
		dirty = dirty || p != nil && (p.dirty || len(p.changed) > 0)
	}
	if dirty && !unsent {
		return false, false
	}
	for i := range h.stripes {
		delete(h.stripes[i].parts, w.start)
		h.stripes[i].last = nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.windows, w.start)
	w.emitter.horizon = max(w.emitter.horizon, w.start)
	h.count.dropped.Add(1)
	if dirty { // under the locks, so that no seal states a lane in between
		h.lanes.hold(time.UnixMilli(w.start).UTC())
	}
	return true, dirty
}

func (h *Hop) lose(w *window) {
	start := time.UnixMilli(w.start).UTC()
	h.count.lost.Add(1)
	h.cfg.OnError(fmt.Errorf("%s/%s: window %s was dropped before it was reported, for want of memory (%d bytes): it and all later ones stay unknown",
		h.cfg.Stream, h.cfg.Hop, start.Format(time.RFC3339), h.cfg.Memory))
}
