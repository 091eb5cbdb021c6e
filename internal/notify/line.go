package notify

import (
	"context"
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

// line tells one receiver.
type line struct {
	*Notifier
	receiver *target

	mu    sync.Mutex
	tries map[key]try // what failed since the start
	rest  time.Time   // until when the receiver wants to be left alone
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

// round sends what is due of the streams held, and then passes on who looks at what. The claims are read first: whoever had one before wrote
// down what was told before it could be made.
func (l *line) round(ctx context.Context) error {
	held := map[uint32]store.Claim{}
	for _, c := range l.Shares.Held() {
		held[c.Share] = c
	}
	if len(held) == 0 {
		return nil
	}
	waiting, err := l.due(ctx)
	if err != nil {
		return err
	}
	l.tellAll(ctx, held, waiting)
	if waiting, err = l.acknowledged(ctx); err != nil {
		return err
	}
	l.tellAll(ctx, held, waiting)
	return nil
}

// tellAll tells what is of streams that are held, some at a time.
func (l *line) tellAll(ctx context.Context, held map[uint32]store.Claim, waiting []due) {
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, d := range waiting {
		claim, ours := held[store.ShareOf(d.Stream)]
		if !ours {
			continue
		}
		select {
		case <-ctx.Done():
		case slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-slots }()
				l.tellHeld(ctx, d, claim)
			})
		}
	}
	all.Wait()
}

// tellHeld tells while the claim of the stream stands. A process that was stopped since it looked what is due, and wakes, so tells nothing that
// another has told meanwhile.
func (l *line) tellHeld(ctx context.Context, d due, claim store.Claim) {
	done, ok, err := l.Shares.Keep(ctx, claim)
	switch {
	case err != nil && ctx.Err() == nil:
		l.Log.Error("nobody is told while it is not known who is to tell", "receiver", l.receiver.Name, "incident", d.ID.String(), "error", err)
	case ok:
		defer done()
		l.tell(ctx, d)
	}
}

// forget drops the attempts at what is not wanted any more: what is told of an incident later begins anew.
func (l *line) forget(wanted map[key]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.tries {
		if !wanted[k] && k.state != store.ToldAcknowledged {
			delete(l.tries, k)
		}
	}
}

func (l *line) waits(k key, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.tries[k].next) || now.Before(l.rest)
}

// tell makes one attempt and writes down how it went. Only what was answered well, or was tried for too long, counts as told.
func (l *line) tell(ctx context.Context, d due) {
	now, k := l.Now(), key{d.ID, d.state}
	told := store.Told{Receiver: l.receiver.Name, Incident: d.ID, State: d.state, Since: d.Since, Outcome: sent, At: now, Events: d.events}
	if d.leader != (wire.UID{}) {
		told.Outcome, told.Detail = joined, d.leader.String()
		l.count(joined)
		l.write(ctx, told)
		return
	}
	if l.waits(k, now) { // another attempt of this round was told to wait
		return
	}
	_, err := l.receiver.send(ctx, l.message(ctx, &d, now), l.config)
	if err != nil && ctx.Err() != nil {
		return // the server stops; it is sent after the next start
	}
	t, patient := l.note(k, now, err)
	told.Attempts, told.Detail = t.attempts, d.why
	switch {
	case err == nil:
		l.count(sent)
	case patient:
		l.count(outcomeOf(err))
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

// note counts an attempt; it is false once the patience is at its end, or more of it is of no use.
func (l *line) note(k key, now time.Time, err error) (try, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[k]
	patient := t.made(now, err, l.config)
	if err != nil {
		l.tries[k] = t
		if wait := waitOf(err); wait > 0 {
			l.rest = now.Add(wait)
		}
	}
	return t, patient
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
