package audit

import (
	"math"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Take is Header, at now or at this moment when now is zero, for a hop that takes its
// events over as it numbers them: the Hop that has this Source reports the event as seen,
// and nobody observes it. That is cheaper than observing, for a source's events of one
// window are one range.
func (s *Source) Take(now time.Time, payload []byte) Header {
	sum := wire.Checksum(payload)
	s.mu.Lock()
	if now.IsZero() {
		now = s.clock.now()
	}
	n := s.number(now, now.UnixMilli())
	if s.taking.next() != uint64(n) || s.taking.count == 0 {
		s.begin(n)
	}
	s.taking.count++
	s.taking.bytes += uint64(len(payload))
	h := Header{Flags: wire.FlagNumbered, UID: s.id.WithSequence(n), ProducedAt: s.at, Checksum: sum}
	s.mu.Unlock()
	return h
}

// clock reads the time, for less than time.Now where the millisecond is still the
// same. Not safe for concurrent use.
type clock struct {
	read time.Time
	good time.Duration // how long after read
}

func (c *clock) now() time.Time {
	if since := time.Since(c.read); since >= 0 && since < c.good {
		return c.read
	}
	c.read = time.Now()
	c.good = time.Millisecond - time.Duration(c.read.Nanosecond())%time.Millisecond
	return c.read
}

// run is events of one window that were taken over as they were numbered.
type run struct {
	id    UID
	at    int64 // Unix ms: within the window
	first uint32
	count uint32
	bytes uint64
}

func (r *run) next() uint64 { return uint64(r.first) + uint64(r.count) }

// begin begins a run with number n, under the lock.
func (s *Source) begin(n uint32) {
	s.endRun()
	s.taking = run{id: s.id, at: s.last, first: n}
}

func (s *Source) endRun() {
	if s.taking.count > 0 {
		s.taken = append(s.taken, s.taking)
	}
	s.taking = run{}
}

// runs returns what was taken over since it was asked last.
func (s *Source) runs() []run {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endRun()
	taken := s.taken
	s.taken = nil
	return taken
}

// tell takes over what the hop's source took. Whoever asks waits until it is done: a
// seal that has read the watermark must find the numbers below it.
func (h *Hop) tell() {
	if h.cfg.Source == nil {
		return
	}
	h.telling.Lock()
	defer h.telling.Unlock()
	for _, r := range h.cfg.Source.runs() {
		high, low := key(&r.id)
		h.observeRun(high, low, r, nil, time.UnixMilli(r.at))
	}
}

// ObserveRun observes events that follow one another: hdr is the header of the first,
// those after it have the numbers after its number and the same produced time. Sizes
// are the lengths of their payloads, none of which is corrupt. It is Observe for each
// of them, for less.
func (h *Hop) ObserveRun(hdr Header, sizes []uint32, at time.Time) Mark {
	high, low := key(&hdr.UID)
	if !numbered(hdr.Flags, high, low) || uint64(hdr.UID.Sequence())+uint64(len(sizes)) > math.MaxUint32 {
		return h.observeEach(hdr, sizes, at)
	}
	if at.IsZero() {
		at = time.Now()
	}
	r := run{id: hdr.UID, at: hdr.ProducedAt.UnixMilli(), first: hdr.UID.Sequence(), count: uint32(len(sizes))}
	for _, size := range sizes {
		r.bytes += uint64(size)
	}
	return h.observeRun(high, low, r, sizes, at)
}

// observeEach is for what has no numbers that follow one another.
func (h *Hop) observeEach(hdr Header, sizes []uint32, at time.Time) (m Mark) {
	for i, size := range sizes {
		one := hdr
		one.UID = hdr.UID.WithSequence(hdr.UID.Sequence() + uint32(i))
		m |= h.Observe(one, hdr.Checksum, int(size), at)
	}
	return m
}

// observeRun observes a run; sizes is nil where no number of it can be a repeated one.
func (h *Hop) observeRun(high uint64, low uint32, r run, sizes []uint32, at time.Time) Mark {
	st := h.stripe(low)
	st.mu.Lock()
	defer st.mu.Unlock()
	p := h.turn(st, r.at, at, uint64(r.count))
	if p == nil {
		return MarkUnplaced
	}
	e := p.source(high, low)
	p.touch(e)
	p.latency.addMany(at.UnixMilli()-r.at, uint64(r.count))
	if e.seeRun(&r) {
		return 0
	}
	return e.seeEach(&r, sizes)
}

// seeRun takes a run as taken over and reports whether it did: not when a number of
// it may be there already.
func (e *entry) seeRun(r *run) bool {
	lo, hi := uint64(r.first), r.next()
	if e.old.meets(lo, hi) || !e.fresh.addRun(lo, hi) {
		return false
	}
	e.observations += uint64(r.count)
	e.bytes += r.bytes
	return true
}

func (e *entry) seeEach(r *run, sizes []uint32) (m Mark) {
	for i := range r.count {
		size := 0
		if sizes != nil {
			size = int(sizes[i])
		}
		if e.see(r.first+i, size) {
			m |= MarkRepeated
		}
	}
	return m
}
