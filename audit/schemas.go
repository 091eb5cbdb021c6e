package audit

import (
	"math"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// schemaCount is where a tally is counted. Most events of a window have the same, so that the
// last one is compared before any is looked for.
type schemaCount struct {
	given SchemaTally // as the caller says it
	count *uint64
}

// Schema counts what came of checking an event against its schema; outcomes
// INVALID and UNDECODABLE also make the event invalid. Of UNKNOWN_SCHEMA nobody knows: a registry that is
// away breaks no event. Count is ignored.
func (h *Hop) Schema(hdr Header, t SchemaTally) {
	if t.Count = 0; t.Outcome == "OK" {
		h.countSchema(&hdr, 1, &t)
		return
	}
	h.SchemaRun(hdr, 1, t)
}

// SchemaRun is Schema for count events that follow one another, as those of ObserveRun do.
func (h *Hop) SchemaRun(hdr Header, count int, t SchemaTally) {
	t.Count = 0
	if t.Outcome == "OK" || t.Outcome == "DEPRECATED" || t.Outcome == "UNKNOWN_SCHEMA" {
		h.countSchema(&hdr, uint64(count), &t)
		return
	}
	for i := range count {
		one := hdr
		if i > 0 && uint64(hdr.UID.Sequence())+uint64(i) <= math.MaxUint32 {
			one.UID = hdr.UID.WithSequence(hdr.UID.Sequence() + uint32(i))
		}
		h.with(one, func(p *part, tell func(wire.Kind) bool) {
			tell(wire.Invalid)
			*h.schemaCount(p, t)++
		})
	}
}

// countSchema counts events that are not known to be invalid. It says nothing of the events themselves, so that what
// the source took need not be told before.
func (h *Hop) countSchema(hdr *Header, n uint64, t *SchemaTally) {
	_, low := key(&hdr.UID)
	ms := hdr.ProducedAt.UnixMilli()
	st := h.stripe(low)
	st.mu.Lock()
	p := st.last
	if p == nil || uint64(ms-p.start) >= uint64(h.length) {
		if p = h.turn(st, ms, time.Now(), 0); p == nil {
			st.mu.Unlock()
			return
		}
	}
	p.dirty = true
	if p.recent.count != nil && p.recent.given == *t {
		*p.recent.count += n
	} else {
		*h.schemaCount(p, *t) += n
	}
	st.mu.Unlock()
}

// schemaCount returns where a tally is counted in a part, under the stripe's lock.
func (h *Hop) schemaCount(p *part, t SchemaTally) *uint64 {
	if p.recent.count != nil && p.recent.given == t {
		return p.recent.count
	}
	known := h.names.schema(t)
	if p.schemas == nil {
		p.schemas = make(map[SchemaTally]*uint64)
	}
	count := p.schemas[known]
	if count == nil {
		count = new(uint64)
		p.schemas[known] = count
	}
	p.recent = schemaCount{given: t, count: count}
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
