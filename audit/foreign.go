package audit

import (
	"hash/fnv"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// maxForeign is how many characters a foreign UID may have, at up to 4 bytes each.
const maxForeign = 256

// ObserveForeign takes over an event whose UID Rollcall did not number, such as an
// order number; see Observe. One that is empty, unprintable or longer than 256
// characters counts as no UID. Each such UID costs a row of its own.
func (h *Hop) ObserveForeign(uid string, producedAt, at time.Time) Mark {
	return h.observeForeign(uid, producedAt, at, false)
}

// FinishForeign marks an event of a foreign UID as filtered, rejected, invalid, corrupt or skewed.
func (h *Hop) FinishForeign(k wire.Kind, uid string, producedAt time.Time) {
	if uid == "" || wire.Printable(uid, maxForeign) != uid {
		return // observing it has counted it
	}
	st := h.stripeOf(uid)
	st.mu.Lock()
	defer st.mu.Unlock()
	if p := h.turn(st, producedAt.UnixMilli(), time.Now(), 1); p != nil {
		p.dirty = true
		p.foreignUID(uid).tell(k)
	}
}

func (h *Hop) observeForeign(uid string, producedAt, at time.Time, corrupt bool) Mark {
	if at.IsZero() {
		at = time.Now()
	}
	if uid == "" || wire.Printable(uid, maxForeign) != uid {
		h.NoUID(at)
		return MarkUnplaced
	}
	st := h.stripeOf(uid)
	st.mu.Lock()
	defer st.mu.Unlock()
	p := h.turn(st, producedAt.UnixMilli(), at, 1)
	if p == nil {
		return MarkUnplaced
	}
	p.dirty = true
	p.latency.add(at.UnixMilli() - producedAt.UnixMilli())
	u := p.foreignUID(uid)
	u.Count++
	var m Mark
	if u.Count > 1 {
		m |= MarkRepeated
	}
	if corrupt {
		u.tell(wire.Corrupt)
		m |= MarkCorrupt
	}
	return m
}

func (h *Hop) stripeOf(uid string) *stripe {
	if id, err := wire.ParseUID(uid); err == nil {
		_, low := key(&id)
		return h.stripe(low) // where Filter and Reject look for it
	}
	sum := fnv.New32a()
	sum.Write([]byte(uid)) // a hash never fails
	return &h.stripes[int(sum.Sum32())&(len(h.stripes)-1)]
}

func (p *part) foreignUID(uid string) *foreign {
	u := p.foreign[uid]
	if u == nil {
		if p.foreign == nil {
			p.foreign = make(map[string]*foreign)
		}
		u = &foreign{Foreign: wire.Foreign{UID: uid}}
		p.foreign[uid] = u
	}
	u.dirty = true
	return u
}

// tell counts a kind; each counts as news, for a foreign UID is a count.
func (u *foreign) tell(k wire.Kind) bool {
	switch k {
	case wire.Filtered:
		u.Filtered++
	case wire.Rejected:
		u.Rejected++
	case wire.Corrupt:
		u.Corrupt++
	case wire.Invalid:
		u.Invalid++
	case wire.Skewed:
		u.Skewed++
	default:
		return false
	}
	u.Count = max(u.Count, 1)
	return true
}
