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
	due, err := l.due(ctx)
	if err != nil {
		return err
	}
	l.each(ctx, held, due, func(i store.Incident) { l.tell(ctx, l.message(ctx, &i, l.Now())) })
	return l.passOnAcks(ctx, held)
}

// each does something with those of the incidents whose stream is held, some at a time.
func (l *line) each(ctx context.Context, held map[uint32]store.Claim, incidents []store.Incident, do func(store.Incident)) {
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, i := range incidents {
		claim, ours := held[store.ShareOf(i.Stream)]
		if !ours {
			continue
		}
		select {
		case <-ctx.Done():
		case slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-slots }()
				l.whileHeld(ctx, i, claim, do)
			})
		}
	}
	all.Wait()
}

// whileHeld does something with an incident while the claim of its stream stands. A process that was stopped since it looked what is due, and
// wakes, so tells nothing that another has told meanwhile.
func (l *line) whileHeld(ctx context.Context, i store.Incident, claim store.Claim, do func(store.Incident)) {
	done, ok, err := l.Shares.Keep(ctx, claim)
	switch {
	case err != nil && ctx.Err() == nil:
		l.Log.Error("nobody is told while it is not known who is to tell", "receiver", l.receiver.Name, "incident", i.ID.String(), "error", err)
	case ok:
		defer done()
		do(i)
	}
}

// due lists the incidents of which the receiver must be told: what is open and was not told so, what was told open and is not, and for Alertmanager also
// what goes on.
func (l *line) due(ctx context.Context) ([]store.Incident, error) {
	now := l.Now()
	open, err := l.Store.Incidents(ctx, store.IncidentFilter{State: store.IncidentOpen})
	if err != nil {
		return nil, err
	}
	told, err := l.Store.ToldOpen(ctx, l.receiver.Name)
	if err != nil {
		return nil, err
	}
	silences, err := l.Store.Silences(ctx, now)
	if err != nil {
		return nil, err
	}
	last := map[wire.UID]time.Time{}
	for _, t := range told {
		last[t.Incident] = t.At
	}
	var due []store.Incident
	for _, i := range open {
		at, was := last[i.ID]
		delete(last, i.ID)
		again := was && l.receiver.Type == Alertmanager && now.Sub(at) >= l.config.Resend
		if again || !was && now.Sub(i.Since) >= l.config.Hold {
			due = append(due, i)
		}
	}
	over, err := l.over(ctx, last)
	if err != nil {
		return nil, err
	}
	return l.allowed(append(due, over...), silences, now), nil
}

// over reads the incidents that were told open and are so no more.
func (l *line) over(ctx context.Context, told map[wire.UID]time.Time) ([]store.Incident, error) {
	if len(told) == 0 {
		return nil, nil
	}
	var ids []wire.UID
	for id := range told {
		ids = append(ids, id)
	}
	return l.Store.Incidents(ctx, store.IncidentFilter{IDs: ids})
}

// allowed leaves out what is silenced and what failed a moment ago.
func (l *line) allowed(due []store.Incident, silences []store.Silence, now time.Time) []store.Incident {
	var allowed []store.Incident
	for _, i := range due {
		muted := false
		for n := range silences {
			muted = muted || silences[n].Mutes(&i, now)
		}
		if !muted && !l.waits(keyOf(&i), now) {
			allowed = append(allowed, i)
		}
	}
	return allowed
}

func (l *line) waits(k key, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.tries[k].next) || now.Before(l.rest)
}

// keyOf names what is told: an incident that became part of another is told resolved, since the other one is told open.
func keyOf(i *store.Incident) key {
	if i.State() == store.IncidentOpen {
		return key{i.ID, store.IncidentOpen}
	}
	return key{i.ID, store.IncidentResolved}
}

// tell makes one attempt and writes down how it went. Only what was answered well, or was tried for too long, counts as told.
func (l *line) tell(ctx context.Context, m message) {
	i, k := m.incident, key{m.incident.ID, m.state()}
	if l.waits(k, l.Now()) { // another attempt of this round was told to wait
		return
	}
	_, err := l.receiver.send(ctx, m, l.config)
	if err != nil && ctx.Err() != nil {
		return // the server stops; it is sent after the next start
	}
	t, patient := l.note(k, m.now, err)
	told := store.Told{Receiver: l.receiver.Name, Incident: i.ID, State: k.state, Since: i.Since, Outcome: sent, Attempts: t.attempts, At: m.now}
	switch {
	case err == nil:
		l.count(sent)
	case patient:
		l.count(outcomeOf(err))
		l.Log.Warn("a receiver was not told", "receiver", l.receiver.Name, "incident", i.ID.String(), "attempts", t.attempts, "error", err)
		return
	default:
		l.count(gaveUp)
		l.Log.Error("a receiver is given up on", "receiver", l.receiver.Name, "incident", i.ID.String(), "attempts", t.attempts, "error", err)
		told.Outcome, told.Detail = gaveUp, err.Error()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.Timeout) // what was sent is written down though the server stops
	defer cancel()
	if err := l.Store.AddTold(ctx, told); err != nil {
		l.Log.Error("what a receiver was told was not stored; it is told again", "receiver", l.receiver.Name, "incident", i.ID.String(), "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, k)
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

// message is what is sent of an incident. That the host cannot be looked up must not keep anybody from being called.
func (l *line) message(ctx context.Context, i *store.Incident, now time.Time) message {
	m := message{incident: *i, now: now, page: l.config.Page}
	if l.Names == nil || i.Cause != store.CauseLoss || i.State() != store.IncidentOpen {
		return m
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.Timeout)
	defer cancel()
	named, _, _, err := l.Names.Named(ctx, i.Stream, i.FirstBad, i.Edge, "lost", "", 1, now)
	if err != nil {
		l.Log.Warn("the host of a lost event cannot be looked up", "incident", i.ID.String(), "error", err)
	}
	if len(named) > 0 {
		m.host = named[0].Host
	}
	return m
}
