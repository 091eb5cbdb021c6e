package notify

import (
	"context"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// acknowledged lists the open incidents of which PagerDuty was told that they are open, and not yet that somebody looks at them, so that it calls
// nobody else. Other receivers have no word for it.
func (l *line) acknowledged(ctx context.Context) ([]due, error) {
	if l.receiver.Type != PagerDuty {
		return nil, nil
	}
	told, err := l.Store.ToldOpen(ctx, l.receiver.Name)
	if err != nil {
		return nil, err
	}
	var ids []wire.UID
	events := map[wire.UID]uint64{} // what a later word is compared with goes on from the last
	worse := map[wire.UID]time.Time{}
	for _, t := range told {
		if t.State != store.ToldAcknowledged && t.Outcome == sent && !l.waits(key{t.Incident, store.ToldAcknowledged}, l.Now()) {
			ids = append(ids, t.Incident)
			events[t.Incident] = t.Events
			if t.State == store.IncidentEscalated {
				worse[t.Incident] = t.At
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	acks, err := l.Store.Acks(ctx, ids)
	if err != nil || len(acks) == 0 {
		return nil, err
	}
	incidents, err := l.Store.Incidents(ctx, store.IncidentFilter{IDs: ids})
	var waiting []due
	for _, i := range incidents {
		if i.State() == store.IncidentOpen && noticed(&i, acks[i.ID], worse[i.ID]) {
			waiting = append(waiting, due{Incident: i, state: store.ToldAcknowledged, events: events[i.ID], plain: true})
		}
	}
	return waiting, err
}

// noticed says whether somebody took notice of an incident as it is: since it is open, and since it was told that it got worse. An earlier word is
// of what was then.
func noticed(i *store.Incident, acks []store.Ack, worse time.Time) bool {
	return slices.ContainsFunc(acks, func(a store.Ack) bool { return !a.At.Before(i.Since) && a.At.After(worse) })
}
