package audit

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Mark says what observing an event brought to light; zero is an event in order.
type Mark uint8

// The marks of an observed event.
const (
	MarkRepeated Mark = 1 << iota // this emitter took the same UID over before
	MarkCorrupt                   // the payload is not the one produced
	MarkUnplaced                  // it has no window of its own: too old, too new, or after Close
)

// maxStripes bounds the state a hop keeps apart to keep its callers apart.
const maxStripes = 8

// Hop is an emitter: one running instance of one hop of one stream. Its callers
// say what they took over; it reports that, in the background, until it is closed.
// Observing never waits for the network, and all methods are safe for concurrent use.
//
// An event is observed once this hop answers for it (numbered, spooled, committed,
// stored), never before: what was reported as seen and then forgotten is a loss that
// nobody can name.
type Hop struct {
	cfg     HopConfig
	length  int64 // window length, ms
	stripes []stripe
	lanes   laneBook
	names   names
	count   counters

	sealing sync.Mutex // one seal at a time
	telling sync.Mutex // while the source's events are taken over

	mu       sync.Mutex // after a stripe's lock, never before it
	windows  map[int64]*window
	emitters []*emitter // all that have something to send or may get it, oldest first
	primary  *emitter
	side     *emitter // for windows whose state the primary dropped; nil while there are none
	ended    bool     // the journal's leftovers are in a report
	closing  bool     // the next seal says CLOSED
	left     bool     // all that earlier emitters took over has left
	sealed   uint64   // durable mode: the last checkpoint made
	stored   uint64   // durable mode: the last checkpoint stored
	progress chan struct{}
	want     uint64 // seals asked for, begun and accepted
	begun    uint64
	done     uint64

	kick    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	started atomic.Bool
}

// window is what is known of a window beside its parts in the stripes.
type window struct {
	start   int64
	emitter *emitter
	touched int64 // Unix ms: when it last had news to report
}

// NewHop returns a hop that does nothing until Start. It returns an error when the
// configuration is wrong or the checkpoint is not one.
func NewHop(cfg HopConfig) (*Hop, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	h := &Hop{
		cfg: cfg, length: cfg.Window.Milliseconds(),
		windows:  make(map[int64]*window),
		progress: make(chan struct{}),
		kick:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	earlier, err := decodeCheckpoint(cfg.Checkpoint)
	if err != nil {
		return nil, err
	}
	h.emitters = earlier
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < maxStripes {
		n *= 2
	}
	h.stripes = make([]stripe, n)
	for i := range h.stripes {
		h.stripes[i].parts = make(map[int64]*part)
	}
	h.primary = h.newEmitter(time.Now())
	return h, nil
}

// Emitter returns the id under which this hop reports.
func (h *Hop) Emitter() UID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.primary.id
}

// Take observes an event whose payload is at hand; see Observe.
func (h *Hop) Take(hdr Header, payload []byte, at time.Time) Mark {
	return h.Observe(hdr, wire.Checksum(payload), len(payload), at)
}

// Observe takes an event over at the given instant (now, when zero): size is the
// payload's length in bytes and sum its CRC-32C as it is here. The event is seen;
// it is also repeated when this emitter had it before, and corrupt when sum is not
// the header's. Its latency is counted as at minus the produced time.
func (h *Hop) Observe(hdr Header, sum uint32, size int, at time.Time) Mark {
	return h.observe(&hdr, sum, size, at, nil)
}

// observe takes an event over, and counts what came of checking it where t is not nil.
func (h *Hop) observe(hdr *Header, sum uint32, size int, at time.Time, t *SchemaTally) Mark {
	high, low := key(&hdr.UID)
	if !numbered(hdr.Flags, high, low) {
		return h.observeUnnumbered(hdr, sum, at, t)
	}
	if at.IsZero() {
		at = time.Now()
	}
	ms := hdr.ProducedAt.UnixMilli()
	st := h.stripe(low)
	st.mu.Lock()
	p := st.last
	if p == nil || uint64(ms-p.start) >= uint64(h.length) {
		if p = h.turn(st, ms, at, 1); p == nil {
			st.mu.Unlock()
			return MarkUnplaced
		}
	}
	e, n := p.source(high, low), hdr.UID.Sequence()
	p.touch(e)
	p.latency.add(at.UnixMilli() - ms)
	var m Mark
	if e.see(n, size) {
		m |= MarkRepeated
	}
	if sum != hdr.Checksum {
		e.mark(wire.Corrupt, n)
		m |= MarkCorrupt
	}
	if t != nil {
		h.countSchema(p, e, n, t)
	}
	st.mu.Unlock()
	return m
}

// Filter says that an event was dropped on purpose, for good. It is seen too.
func (h *Hop) Filter(hdr Header, reason string) { h.finish(wire.Filtered, hdr, reason) }

// Reject says that an event went to the dead-letter path or was refused with an
// error, for good: never for an attempt that may be retried. It is seen too.
func (h *Hop) Reject(hdr Header, reason string) { h.finish(wire.Rejected, hdr, reason) }

// Skew says that an event landed in another hour's bucket. It is seen too.
func (h *Hop) Skew(hdr Header) { h.finish(wire.Skewed, hdr, "") }

// finish marks an event and counts the reason, once an event.
func (h *Hop) finish(k wire.Kind, hdr Header, reason string) {
	h.with(hdr, func(p *part, tell func(wire.Kind) bool) {
		if !tell(k) || k == wire.Skewed {
			return
		}
		key := wire.ReasonTally{Kind: k, Reason: h.names.reason(reason)}
		if p.reasons == nil {
			p.reasons = make(map[wire.ReasonTally]uint64)
		}
		p.reasons[key]++
	})
}

// with runs f on the part of the event's window; tell marks the event and reports
// whether that was news. An event outside of every window is left alone: observing
// it has counted it.
func (h *Hop) with(hdr Header, f func(p *part, tell func(wire.Kind) bool)) {
	h.tell() // an event that the source took is seen before it is anything else
	high, low := key(&hdr.UID)
	st := h.stripe(low)
	st.mu.Lock()
	defer st.mu.Unlock()
	p := h.turn(st, hdr.ProducedAt.UnixMilli(), time.Now(), 0)
	if p == nil {
		return
	}
	p.dirty = true
	if !numbered(hdr.Flags, high, low) {
		u := p.foreignUID(hdr.UID.String())
		f(p, u.tell)
		return
	}
	e := p.source(high, low)
	p.touch(e)
	f(p, func(k wire.Kind) bool {
		e.ensure(hdr.UID.Sequence())
		return e.mark(k, hdr.UID.Sequence())
	})
}

// numbered is Header.Numbered on a key: the flag, and the version and variant of a UUIDv8.
func numbered(flags byte, high uint64, low uint32) bool {
	return flags&wire.FlagNumbered != 0 && high>>12&15 == 8 && low>>30 == 2
}

// stripe returns the stripe of a source; the low bytes of its id are random.
func (h *Hop) stripe(low uint32) *stripe {
	return &h.stripes[int(low)&(len(h.stripes)-1)]
}

// turn returns the part of the window that ms lies in, under the stripe's lock, and
// nil, after counting the n events as unplaced, where there is no such window; n is 0
// for events that were counted when they were observed.
func (h *Hop) turn(st *stripe, ms int64, at time.Time, n uint64) *part {
	if st.closed {
		h.count.afterClose.Add(n)
		return nil
	}
	start := windowStart(ms, h.length)
	p := st.parts[start]
	if p == nil {
		switch now := at.UnixMilli(); {
		case start < 0 || now-start > oldest.Milliseconds():
			h.unplace(st, wire.Unplaced{TooOld: n}, at)
			return nil
		case ms-now > newest.Milliseconds():
			h.unplace(st, wire.Unplaced{TooNew: n}, at)
			return nil
		}
		p = h.newPart(st, start, at)
	}
	st.last = p
	return p
}

func (h *Hop) newPart(st *stripe, start int64, at time.Time) *part {
	p := &part{start: start, window: h.window(start, at), entries: newTable()}
	st.parts[start] = p
	return p
}

// unplace counts events in the current window, under the stripe's lock.
func (h *Hop) unplace(st *stripe, u wire.Unplaced, at time.Time) {
	if u == (wire.Unplaced{}) {
		return
	}
	start := windowStart(at.UnixMilli(), h.length)
	p := st.parts[start]
	if p == nil {
		p = h.newPart(st, start, at)
	}
	p.unplaced = addUnplaced(p.unplaced, u)
	p.dirty = true
	h.count.unplaced.Add(u.Total())
}

func addUnplaced(a, b wire.Unplaced) wire.Unplaced {
	return wire.Unplaced{
		TooOld: a.TooOld + b.TooOld, TooNew: a.TooNew + b.TooNew,
		Unreadable: a.Unreadable + b.Unreadable, NoUID: a.NoUID + b.NoUID,
	}
}

// Unreadable counts an event whose audit header cannot be read.
func (h *Hop) Unreadable(at time.Time) { h.unplaceNow(wire.Unplaced{Unreadable: 1}, at) }

// NoUID counts an event without any identity.
func (h *Hop) NoUID(at time.Time) { h.unplaceNow(wire.Unplaced{NoUID: 1}, at) }

func (h *Hop) unplaceNow(u wire.Unplaced, at time.Time) {
	if at.IsZero() {
		at = time.Now()
	}
	st := &h.stripes[0]
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		h.count.afterClose.Add(1)
		return
	}
	h.unplace(st, u, at)
}

// outdate counts events that were taken over and then could not be reported in time.
func (h *Hop) outdate(n uint64, now time.Time) {
	st := &h.stripes[0]
	st.mu.Lock()
	defer st.mu.Unlock()
	h.unplace(st, wire.Unplaced{TooOld: n}, now)
}
