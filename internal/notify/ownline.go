package notify

import (
	"context"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// askLimit is how long the store is asked what there is to know before a call: the store may be what is away.
const askLimit = 2 * time.Second

// ownLine tells one receiver of Rollcall's own health. What it told it keeps itself, and in the store where that is there: so it is told while
// the store is away too, resolved by the next process if this one dies, and by one process of several.
type ownLine struct {
	*watch
	receiver *target
	states   []ownState // by check
}

// ownState is what the receiver was told of one check.
type ownState struct {
	try
	told    bool      // that there is a fault
	at      time.Time // when it was told last
	unsaved bool      // the store does not know
	known   bool      // the store was asked what an earlier process told
}

func newOwnLine(w *watch, t *target) *ownLine {
	return &ownLine{watch: w, receiver: t, states: make([]ownState, len(w.Checks))}
}

func (l *ownLine) run(ctx context.Context) {
	tick := time.NewTicker(l.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i := range l.states {
			l.tell(ctx, i)
		}
	}
}

// tell makes one attempt, where what was found is not what the receiver was told.
func (l *ownLine) tell(ctx context.Context, i int) {
	s, now := &l.states[i], l.Now()
	own, known := l.incident(i)
	open := own.State() == store.IncidentOpen
	if !known || s.known && !s.unsaved && !l.due(s, open, now) || now.Before(s.next) {
		return
	}
	l.learn(ctx, s, &own)
	switch {
	case s.unsaved && s.told == open:
		l.save(ctx, s, &own)
	case l.due(s, open, now) && !l.muted(ctx, &own):
		l.attempt(ctx, s, message{incident: own, state: stateOf(&own), now: now, page: l.config.Page, self: true})
	}
}

// due says whether there is anything to tell. Alertmanager is told again and again that a fault goes on.
func (l *ownLine) due(s *ownState, open bool, now time.Time) bool {
	return s.told != open || open && l.receiver.Type == Alertmanager && now.Sub(s.at) >= l.config.Resend
}

// learn asks the store what the receiver was told, by whichever process. Where it does not answer what this process knows must do.
func (l *ownLine) learn(ctx context.Context, s *ownState, own *store.Incident) {
	if s.unsaved {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if r, err := l.stored(ctx, own); err == nil {
		s.told, s.known = r.open(), true
		if r.open() && r.At.After(s.at) {
			s.at = r.At
		}
	}
}

// stored is what the store says that the receiver was told of a check.
func (l *ownLine) stored(ctx context.Context, own *store.Incident) (*record, error) {
	told, err := l.Store.ToldOf(ctx, own.ID)
	r := &record{}
	for n := range told {
		if told[n].Receiver == l.receiver.Name {
			r.take(told[n])
		}
	}
	return r, err
}

func (l *ownLine) muted(ctx context.Context, own *store.Incident) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	now := l.Now()
	silences, err := l.Store.Silences(ctx, now)
	for i := range silences {
		if err == nil && silences[i].Mutes(own, now) {
			return true
		}
	}
	return false
}

func (l *ownLine) attempt(ctx context.Context, s *ownState, m message) {
	_, err := l.receiver.send(ctx, m, l.config)
	switch {
	case err != nil && ctx.Err() != nil:
		return
	case err != nil && s.made(m.now, err, l.config):
		l.outcomes.WithLabelValues(l.receiver.Name, outcomeOf(err)).Inc()
		l.Log.Warn("a receiver was not told of this server's own health", "receiver", l.receiver.Name, "check", string(m.incident.Cause), "attempts", s.attempts, "error", err)
		return
	case err != nil:
		l.outcomes.WithLabelValues(l.receiver.Name, gaveUp).Inc()
		l.Log.Error("a receiver is given up on", "receiver", l.receiver.Name, "check", string(m.incident.Cause), "attempts", s.attempts, "error", err)
	default:
		l.outcomes.WithLabelValues(l.receiver.Name, sent).Inc()
	}
	s.told, s.at, s.try = m.incident.State() == store.IncidentOpen, m.now, try{}
	l.save(ctx, s, &m.incident)
}

// save writes down what was told; it is tried again until the store takes it.
func (l *ownLine) save(ctx context.Context, s *ownState, own *store.Incident) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	r, err := l.stored(ctx, own)
	if err == nil {
		opening, _ := r.next(own.State())
		err = l.Store.AddTold(ctx, store.Told{
			Receiver: l.receiver.Name, Incident: own.ID, State: own.State(), Opening: opening, Since: own.Since, Outcome: sent, Attempts: 1, At: s.at,
		})
	}
	s.unsaved = err != nil
}
