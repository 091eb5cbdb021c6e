package notify

import (
	"context"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// hintTime is how long messages wait at most for what can be found out about their incidents, all of a round together.
const hintTime = 2 * time.Second

// clue is what could be found out of an incident.
type clue struct {
	hints []store.Hint // what its events have in common, what accounts for most first
	host  string       // that had a lost event last
}

// message is what is sent of an incident. That nothing more can be found out must not keep anybody from being called.
func (l *line) message(ctx context.Context, d *due, now time.Time) message {
	m := message{
		incident: d.Incident, state: d.state, opening: d.opening, escalation: d.escalation, paged: d.paged, why: d.why, also: d.also, now: now, page: l.config.Page,
	}
	if d.State() != store.IncidentOpen || d.plain {
		return m
	}
	l.mu.Lock()
	known, there := l.clues[d.ID]
	l.mu.Unlock()
	if !d.same || !there { // what is only repeated says what was found the first time
		known = l.find(ctx, d, now)
	}
	if l.receiver.Type == Alertmanager {
		l.mu.Lock()
		l.clues[d.ID] = known
		l.mu.Unlock()
	}
	m.clue = known
	return m
}

func (l *line) find(ctx context.Context, d *due, now time.Time) (found clue) {
	ctx, cancel := context.WithTimeout(ctx, min(l.config.Timeout, hintTime-now.Sub(l.begun)))
	defer cancel()
	if l.Hints != nil {
		hints, err := l.Hints.Hints(ctx, &d.Incident, now)
		if err != nil {
			l.Log.Warn("what the events of an incident have in common cannot be looked up", "incident", d.ID.String(), "error", err)
		}
		found.hints = hints
	}
	if l.Names == nil || d.Cause != store.CauseLoss || len(found.hints) > 0 {
		return found
	}
	named, _, _, err := l.Names.Named(ctx, d.Stream, d.FirstBad, d.Edge, "lost", "", 1, now)
	if err != nil {
		l.Log.Warn("the host of a lost event cannot be looked up", "incident", d.ID.String(), "error", err)
	}
	if len(named) > 0 {
		found.host = named[0].Host
	}
	return found
}
