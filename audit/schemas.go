package audit

import (
	"math"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// recentSchemas is how many tallies are compared before any is looked for: most events of a
// window have the same, or one of a few while a new version is being brought in.
const recentSchemas = 4

// schemaCount is where a tally is counted.
type schemaCount struct {
	given SchemaTally // as the caller says it
	count *uint64
}

// breaks reports whether an outcome makes its event invalid. Of UNKNOWN_SCHEMA nobody knows: a
// registry that is away breaks no event.
func breaks(outcome string) bool {
	return outcome != "OK" && outcome != "DEPRECATED" && outcome != "UNKNOWN_SCHEMA"
}

// Schema counts what came of checking an event against its schema, once an event: of one that is
// redelivered the first outcome counts. INVALID and UNDECODABLE also make the event invalid, and
// seen; an event with another outcome has to be observed, too. Count is ignored.
func (h *Hop) Schema(hdr Header, t SchemaTally) { h.SchemaRun(hdr, 1, t) }

// SchemaRun is Schema for count events that follow one another, as those of ObserveRun do.
func (h *Hop) SchemaRun(hdr Header, count int, t SchemaTally) {
	t.Count = 0
	if breaks(t.Outcome) {
		h.tell() // an event that the source took is seen before it is anything else
	}
	high, low := key(&hdr.UID)
	st := h.stripe(low)
	st.mu.Lock()
	if p := h.partOf(st, hdr.ProducedAt.UnixMilli()); p != nil {
		first := uint64(hdr.UID.Sequence())
		end := min(first+uint64(max(count, 0)), math.MaxUint32+1)
		if numbered(hdr.Flags, high, low) {
			h.countSchemas(p, p.source(high, low), first, end, &t)
		} else {
			h.countForeignSchemas(p, hdr.UID, first, end, &t)
		}
	}
	st.mu.Unlock()
}

// partOf returns the part of the window that ms lies in, under the stripe's lock, and nil where
// there is no such window: observing the event has counted that.
func (h *Hop) partOf(st *stripe, ms int64) *part {
	if p := st.last; p != nil && uint64(ms-p.start) < uint64(h.length) {
		return p
	}
	return h.turn(st, ms, time.Now(), 0)
}

// ObserveChecked is Observe and Schema of an event, for less than the two. An event that is
// observed again keeps the outcome that it had first.
func (h *Hop) ObserveChecked(hdr Header, sum uint32, size int, at time.Time, t SchemaTally) Mark {
	t.Count = 0
	return h.observe(&hdr, sum, size, at, &t)
}

func (h *Hop) observeUnnumbered(hdr *Header, sum uint32, at time.Time, t *SchemaTally) Mark {
	m := h.observeForeign(hdr.UID.String(), hdr.ProducedAt, at, sum != hdr.Checksum)
	if t != nil {
		h.SchemaRun(*hdr, 1, *t)
	}
	return m
}

// countSchema counts the outcome of one event, under the stripe's lock.
func (h *Hop) countSchema(p *part, e *entry, n uint32, t *SchemaTally) {
	if breaks(t.Outcome) {
		e.mark(wire.Invalid, n)
	}
	if e.checked == nil {
		e.checked = new(marks)
	}
	if c := e.checked; !c.old.contains(n) && c.fresh.add(n) {
		p.dirty = true
		*h.schemaCount(p, t)++
	}
}

// countSchemas counts the outcome of the events first to end-1 of a source, under the stripe's lock.
func (h *Hop) countSchemas(p *part, e *entry, first, end uint64, t *SchemaTally) {
	if breaks(t.Outcome) {
		p.touch(e)
		for n := first; n < end; n++ {
			e.ensure(uint32(n))
			e.mark(wire.Invalid, uint32(n))
		}
	}
	if n := e.check(first, end); n > 0 {
		p.dirty = true
		*h.schemaCount(p, t) += n
	}
}

// check notes that the events lo to hi-1 were checked, and returns how many were not before.
func (e *entry) check(lo, hi uint64) (n uint64) {
	if e.checked == nil {
		e.checked = new(marks)
	}
	c := e.checked
	if !c.old.meets(lo, hi) && c.fresh.addRun(lo, hi) {
		return hi - lo
	}
	for ; lo < hi; lo++ {
		if !c.old.contains(uint32(lo)) && c.fresh.add(uint32(lo)) {
			n++
		}
	}
	return n
}

func (h *Hop) countForeignSchemas(p *part, uid UID, first, end uint64, t *SchemaTally) {
	for n := first; n < end; n++ {
		u := p.foreignUID(uid.WithSequence(uint32(n)).String())
		if breaks(t.Outcome) {
			u.tell(wire.Invalid)
			p.dirty = true
		}
		if !u.checked {
			u.checked, p.dirty = true, true
			*h.schemaCount(p, t)++
		}
		u.dirty = u.dirty && u.Count > 0 // one that nobody observed is not told of
	}
}

// schemaCount returns where a tally is counted in a part, under the stripe's lock.
func (h *Hop) schemaCount(p *part, t *SchemaTally) *uint64 {
	for i := range p.recent {
		if r := &p.recent[i]; r.count != nil && r.given == *t {
			return r.count
		}
	}
	known := h.names.schema(*t)
	if p.schemas == nil {
		p.schemas = make(map[SchemaTally]*uint64)
	}
	count := p.schemas[known]
	if count == nil {
		count = new(uint64)
		p.schemas[known] = count
	}
	p.recent[p.spare%recentSchemas] = schemaCount{given: *t, count: count}
	p.spare++
	return count
}

// Stream returns the name of the stream.
func (h *Hop) Stream() string { return h.cfg.Stream }

// Sample returns what a sample of an event says of the hop and of the event: all but what
// came of checking it, and the payload.
func (h *Hop) Sample(hdr Header, at time.Time) wire.Sample {
	if at.IsZero() {
		at = time.Now()
	}
	return wire.Sample{
		Stream: h.cfg.Stream, Hop: h.cfg.Hop, Emitter: h.Emitter(), Host: h.cfg.Host,
		Window:  time.UnixMilli(windowStart(hdr.ProducedAt.UnixMilli(), h.length)).UTC(),
		Seconds: uint32(h.length / 1000), At: at.Truncate(time.Millisecond).UTC(), UID: hdr.UID.String(),
	}
}
