package notify

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// atOnce is how many attempts at one receiver run at the same time.
const atOnce = 4

// hintTime is how long a message waits at most for what can be found out about its incident.
const hintTime = 2 * time.Second

// key is one thing to be told: that an incident is in a state.
type key struct {
	incident wire.UID
	state    string
}

// try is how the attempts at one notification went so far.
type try struct {
	attempts uint32
	first    time.Time
	next     time.Time
}

// line tells one receiver.
type line struct {
	*Notifier
	receiver *target

	mu    sync.Mutex
	tries map[key]try // what failed since the start
}

func (l *line) run(ctx context.Context) {
	defer l.receiver.client.CloseIdleConnections()
	tick := time.NewTicker(l.config.Every)
	defer tick.Stop()
	for {
		if err := l.round(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("notifications cannot be looked up", "receiver", l.receiver.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round sends what is due, some at a time.
func (l *line) round(ctx context.Context) error {
	due, err := l.due(ctx)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, i := range due {
		select {
		case <-ctx.Done():
		case slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-slots }()
				l.tell(ctx, i)
			})
		}
	}
	all.Wait()
	return nil
}

func (l *line) waits(k key, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.tries[k].next)
}

// tell makes one attempt and writes down how it went. Only what was answered well, or was tried for too long, counts as told.
func (l *line) tell(ctx context.Context, d due) {
	now := l.Now()
	told := store.Told{Receiver: l.receiver.Name, Incident: d.ID, State: d.state, Since: d.Since, Outcome: sent, At: now, Events: d.events}
	if d.leader != (wire.UID{}) {
		told.Outcome, told.Detail = joined, d.leader.String()
		l.count(joined)
		l.write(ctx, told)
		return
	}
	_, err := l.receiver.send(ctx, l.message(ctx, &d, now), l.config)
	if err != nil && ctx.Err() != nil {
		return // the server stops; it is sent after the next start
	}
	t, patient := l.note(key{d.ID, d.state}, now, err)
	told.Attempts, told.Detail = t.attempts, d.why
	switch {
	case err == nil:
		l.count(sent)
	case patient:
		outcome := retried
		if errors.Is(err, ErrForbidden) {
			outcome = refused
		}
		l.count(outcome)
		l.Log.Warn("a receiver was not told", "receiver", l.receiver.Name, "incident", d.ID.String(), "attempts", t.attempts, "error", err)
		return
	default:
		l.count(gaveUp)
		l.Log.Error("a receiver is given up on", "receiver", l.receiver.Name, "incident", d.ID.String(), "attempts", t.attempts, "error", err)
		told.Outcome, told.Detail = gaveUp, err.Error()
	}
	l.write(ctx, told)
}

// write keeps what was told, also though the server stops.
func (l *line) write(ctx context.Context, told store.Told) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.Timeout)
	defer cancel()
	if err := l.Store.AddTold(ctx, told); err != nil {
		l.Log.Error("what a receiver was told was not stored; it is told again", "receiver", l.receiver.Name, "incident", told.Incident.String(), "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, key{told.Incident, told.State})
}

// note counts an attempt; it is false once the patience is at its end. The next attempt waits twice as long as the last did, give or take a half.
func (l *line) note(k key, now time.Time, err error) (try, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[k]
	if t.attempts++; t.attempts == 1 {
		t.first = now
	}
	if err == nil {
		return t, true
	}
	wait := l.config.Most
	if shift := t.attempts - 1; shift < 16 {
		wait = min(wait, l.config.First<<shift)
	}
	t.next = now.Add(wait/2 + rand.N(wait))
	l.tries[k] = t
	return t, t.next.Sub(t.first) < l.config.Patience
}

func (l *line) count(outcome string) { l.outcomes.WithLabelValues(l.receiver.Name, outcome).Inc() }

// message is what is sent of an incident. That nothing more can be found out must not keep anybody from being called.
func (l *line) message(ctx context.Context, d *due, now time.Time) message {
	m := message{incident: d.Incident, state: d.state, why: d.why, also: d.also, now: now, page: l.config.Page}
	if d.State() != store.IncidentOpen || d.plain {
		return m
	}
	ctx, cancel := context.WithTimeout(ctx, min(l.config.Timeout, hintTime))
	defer cancel()
	if l.Hints != nil {
		hints, err := l.Hints.Hints(ctx, &d.Incident, now)
		if err != nil {
			l.Log.Warn("what the events of an incident have in common cannot be looked up", "incident", d.ID.String(), "error", err)
		}
		m.hints = hints
	}
	if l.Names == nil || d.Cause != store.CauseLoss || len(m.hints) > 0 {
		return m
	}
	named, _, _, err := l.Names.Named(ctx, d.Stream, d.FirstBad, d.Edge, "lost", "", 1, now)
	if err != nil {
		l.Log.Warn("the host of a lost event cannot be looked up", "incident", d.ID.String(), "error", err)
	}
	if len(named) > 0 {
		m.host = named[0].Host
	}
	return m
}
