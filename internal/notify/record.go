package notify

import (
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// record is what a receiver was told of an incident so far. It comes out the same in whatever order the rows are taken, and however often.
type record struct {
	store.Told           // the last word
	first      time.Time // when it was first told in this opening
	worse      uint64    // the version of which it was last told in this opening that it got worse; 0: it was not
	ended      uint64    // the version of which it was last told that it is over
	again      time.Time // when Alertmanager last heard that it goes on; no row is kept of that
}

func (r *record) take(t store.Told) {
	if t.Opening > r.Opening {
		r.worse, r.first = 0, t.At
	}
	switch {
	case t.State == store.IncidentResolved:
		r.ended = max(r.ended, t.Version)
	case t.Opening < r.Opening:
	case t.State == store.IncidentEscalated:
		r.worse = max(r.worse, t.Version)
	case t.State == store.IncidentOpen:
		r.first = t.At
	}
	if r.Receiver == "" || t.Compare(&r.Told) >= 0 {
		r.Told = t
	}
}

// open says whether the receiver believes that the incident goes on.
func (r *record) open() bool { return r != nil && r.State != "" && r.State != store.IncidentResolved }

// next is what the receiver is told next of the incident in a state.
func (r *record) next(state string) (opening, escalation uint32) {
	switch {
	case r == nil:
		return 1, 0
	case !r.open():
		return r.Opening + 1, 0
	case state == store.IncidentEscalated:
		return r.Opening, r.Escalation + 1
	}
	return r.Opening, r.Escalation
}

// noticed says whether one of the words is of the incident as it is: since it was last over, and since it was told that it got worse. Versions say
// which came first: who said it, and who told, may have clocks that differ.
func (r *record) noticed(acks []store.Ack) bool {
	var ended, worse uint64
	if r != nil {
		ended, worse = r.ended, r.worse
	}
	return slices.ContainsFunc(acks, func(a store.Ack) bool { return a.Version > ended && a.Version >= worse })
}

// leader is the incident that was told, where this one joined it.
func (r *record) leader() wire.UID {
	if r.open() && r.Outcome == joined {
		if to, err := wire.ParseUID(r.Detail); err == nil {
			return to
		}
	}
	return r.Incident
}
