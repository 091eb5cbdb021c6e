package notify

import (
	"context"
	"slices"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// AckStore tells who looks at which incident.
type AckStore interface {
	Acks(ctx context.Context, incidents []wire.UID) (map[wire.UID][]store.Ack, error)
}

// passOnAcks tells PagerDuty of the incidents that somebody said to look at, so that it calls nobody else. Other receivers have no word for it.
func (l *line) passOnAcks(ctx context.Context, held map[uint32]store.Claim) error {
	if l.receiver.Type != PagerDuty {
		return nil
	}
	waiting, err := l.acknowledged(ctx)
	if err != nil {
		return err
	}
	l.each(ctx, held, waiting, func(i store.Incident) {
		l.tell(ctx, message{incident: i, now: l.Now(), page: l.config.Page, acked: true})
	})
	return nil
}

// acknowledged lists the open incidents of which the receiver was told that they are open, and not yet that somebody looks at them. A word from
// before the incident opened again is of what was then.
func (l *line) acknowledged(ctx context.Context) ([]store.Incident, error) {
	told, err := l.Store.ToldOpen(ctx, l.receiver.Name)
	if err != nil {
		return nil, err
	}
	var ids []wire.UID
	for _, t := range told {
		if t.State == store.IncidentOpen && t.Outcome == sent && !l.waits(key{t.Incident, store.ToldAcknowledged}, l.Now()) {
			ids = append(ids, t.Incident)
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
	return slices.DeleteFunc(incidents, func(i store.Incident) bool {
		return i.State() != store.IncidentOpen || !slices.ContainsFunc(acks[i.ID], func(a store.Ack) bool { return !a.At.Before(i.Since) })
	}), err
}
