package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// sealBatch is how many sources are sealed under one hold of a stripe's lock: an
// observer waits for no more than that.
const sealBatch = 16

// seal turns all that is new into reports in the outboxes. The order is the one that
// keeps a watermark from overtaking its rolls: lanes, then rolls, then sentAt.
func (h *Hop) seal(checkpoint uint64) {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	lanes, laneCount, spool := h.readLanes(time.Now())
	h.tell()
	windows, now := h.gather(), time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	closed := h.closing && !h.lanes.held()
	for _, em := range h.emitters {
		if em.closed {
			continue
		}
		r := h.cfg.report(em.id, now)
		switch {
		case !em.earlier:
			r.Lanes, r.LaneCount, r.Spool = lanes, laneCount, spool
			r.Windows = windows[em]
			if closed || h.spent(em) {
				r.State = wire.Closed
			}
			h.addEnded(em, &r)
		case h.left:
			r.State = wire.Closed
		default:
			continue
		}
		em.put(r, h.cfg.Limits, checkpoint)
		h.count.sealed.Add(1)
	}
}

// addEnded puts what the journal's dead left into the first report.
func (h *Hop) addEnded(em *emitter, r *wire.Report) {
	if em == h.primary && h.cfg.Journal != nil && !h.ended {
		r.Ended = h.cfg.Journal.Ended()
		h.ended = true
	}
}

// spent reports whether a side emitter has nothing more to say: its windows are
// dropped, and all it took over has left.
func (h *Hop) spent(em *emitter) bool {
	if em == h.primary {
		return false
	}
	for _, w := range h.windows {
		if w.emitter == em {
			return false
		}
	}
	low, ok := h.lanes.lowest()
	return ok && low.UnixMilli() > em.touched
}

// gather collects what is new in all stripes, by emitter, windows ascending.
func (h *Hop) gather() map[*emitter][]wire.Window {
	news := make(map[*window]*wire.Window)
	for i := range h.stripes {
		h.gatherStripe(&h.stripes[i], news)
	}
	out := make(map[*emitter][]wire.Window)
	now := time.Now()
	for _, w := range slices.SortedFunc(maps.Keys(news), func(a, b *window) int { return cmp.Compare(a.start, b.start) }) {
		one := news[w]
		h.total(w, one)
		if h.stale(one, now) {
			continue
		}
		slices.SortFunc(one.Sources, bySource)
		h.mu.Lock()
		w.touched, w.emitter.touched = now.UnixMilli(), now.UnixMilli()
		h.mu.Unlock()
		out[w.emitter] = append(out[w.emitter], *one)
	}
	return out
}

func bySource(a, b wire.Source) int { return slices.Compare(a.ID[:], b.ID[:]) }

func (h *Hop) gatherStripe(st *stripe, news map[*window]*wire.Window) {
	st.mu.Lock()
	var dirty []*part
	for _, p := range st.parts {
		if p.dirty {
			p.dirty = false
			dirty = append(dirty, p)
		}
	}
	st.mu.Unlock()
	for _, p := range dirty {
		w := news[p.window]
		if w == nil {
			w = &wire.Window{Start: time.UnixMilli(p.start).UTC(), Seconds: uint32(h.length / 1000)}
			news[p.window] = w
		}
		h.gatherPart(st, p, w)
	}
}

func (h *Hop) gatherPart(st *stripe, p *part, w *wire.Window) {
	st.mu.Lock()
	changed := p.changed
	p.changed = nil
	for _, u := range p.foreign {
		if u.dirty {
			u.dirty = false
			w.Foreign = append(w.Foreign, u.Foreign)
		}
	}
	st.mu.Unlock()
	for batch := range slices.Chunk(changed, sealBatch) {
		st.mu.Lock()
		for _, e := range batch {
			w.Sources = append(w.Sources, e.seal())
			p.account(e)
		}
		st.mu.Unlock()
	}
}

// total adds up a window's cumulative tallies over the stripes.
func (h *Hop) total(w *window, out *wire.Window) {
	reasons := make(map[wire.ReasonTally]uint64)
	schemas := make(map[SchemaTally]uint64)
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		if p := st.parts[w.start]; p != nil {
			out.Latency = p.latency.addTo(out.Latency)
			out.Unplaced = addUnplaced(out.Unplaced, p.unplaced)
			addCounts(reasons, p.reasons)
			for t, n := range p.schemas {
				schemas[t] += *n
			}
		}
		st.mu.Unlock()
	}
	for t, n := range reasons {
		t.Count = n
		out.Reasons = append(out.Reasons, t)
	}
	for t, n := range schemas {
		t.Count = n
		out.Schemas = append(out.Schemas, t)
	}
}

func addCounts[K comparable](to, from map[K]uint64) {
	for k, n := range from {
		to[k] += n
	}
}

// stale counts a window that grew too old while it waited as unplaced: the server
// would refuse the whole report for it.
func (h *Hop) stale(w *wire.Window, now time.Time) bool {
	if now.Sub(w.Start) <= oldest {
		return false
	}
	h.outdate(eventsOf(w), now)
	return true
}

func eventsOf(w *wire.Window) uint64 {
	var n uint64
	for _, s := range w.Sources {
		n += s.Rolls[wire.Seen].GetCardinality()
	}
	for _, f := range w.Foreign {
		n += f.Count
	}
	return n
}
