package notify

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	atOnce   = 16               // attempts at one receiver that run at the same time
	some     = 64               // that are told at once under claims that were looked at
	keptFor  = 2 * time.Second  // how long attempts are begun before the claims are looked at again
	roundFor = 10 * time.Second // how long a round begins attempts before it looks again what is due
)

// key is one thing to be told: that an incident is in a state.
type key struct {
	incident wire.UID
	state    string
}

// line tells one receiver. What it reads, and whom it waits for, is its own: a receiver that hangs holds up no other.
type line struct {
	*Notifier
	receiver *target
	view     *view     // of the round alone, but for records while it tells
	begun    time.Time // when the round began to tell

	saving  sync.Mutex // held by whoever writes down what was told
	mu      sync.Mutex
	unsaved []store.Told // told, and not in the store yet
	tries   map[key]try  // what failed since the start
	since   map[key]time.Time
	clues   map[wire.UID]clue // what was found out of incidents that Alertmanager hears of again
	rest    time.Time         // until when the receiver wants to be left alone
}

func newLine(n *Notifier, t *target) *line {
	return &line{
		Notifier: n, receiver: t, view: &view{store: n.Store, name: t.Name},
		tries: map[key]try{}, since: map[key]time.Time{}, clues: map[wire.UID]clue{},
	}
}

func (l *line) run(ctx context.Context) {
	defer l.receiver.client.CloseIdleConnections()
	tick := time.NewTicker(l.config.Every)
	defer tick.Stop()
	for {
		if err := l.round(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("notifications cannot be looked up", "receiver", l.receiver.Name, "error", err)
		}
		l.observe()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round sends what is due of the streams held. The claims are read first: whoever had one before wrote down what was told before it could be made.
func (l *line) round(ctx context.Context) error {
	held := map[uint32]store.Claim{}
	for _, c := range l.Shares.Held() {
		held[c.Share] = c
	}
	l.save(ctx)
	if len(held) == 0 {
		return nil
	}
	l.mu.Lock()
	unsaved := slices.Clone(l.unsaved)
	l.mu.Unlock()
	if err := l.view.refresh(ctx, held, l.Now(), unsaved); err != nil {
		return err
	}
	waiting := l.due()
	l.begun = l.Now()
	for len(waiting) > 0 && ctx.Err() == nil && l.Now().Sub(l.begun) < roundFor {
		n := min(len(waiting), some)
		left, err := l.tellSome(ctx, waiting[:n])
		if err != nil {
			return err
		}
		waiting = slices.Concat(left, waiting[n:])
	}
	return nil
}

// tellSome tells while the claims of the streams stand, and returns what it did not begin while that was sure. A process that was stopped since it
// looked what is due, and wakes, so tells nothing that another has told meanwhile.
func (l *line) tellSome(ctx context.Context, waiting []due) (left []due, err error) {
	claims := map[uint32]store.Claim{}
	for n := range waiting {
		share := store.ShareOf(waiting[n].Stream)
		claims[share] = l.view.held[share]
	}
	kept, done, err := l.Shares.Keep(ctx, values(claims))
	if err != nil {
		return nil, err
	}
	defer done()
	queue := make(chan due, len(waiting))
	for _, d := range waiting {
		if d.plain = d.plain || l.Now().Sub(l.begun) >= hintTime; slices.Contains(kept, claims[store.ShareOf(d.Stream)]) {
			queue <- d
		}
	}
	close(queue)
	begun, all := l.Now(), sync.WaitGroup{}
	for range min(atOnce, len(queue)) {
		all.Go(func() {
			for d := range queue {
				if ctx.Err() != nil || l.Now().Sub(begun) >= keptFor {
					l.mu.Lock()
					left = append(left, d)
					l.mu.Unlock()
					continue
				}
				l.tell(ctx, d)
			}
		})
	}
	all.Wait()
	l.save(ctx)
	return left, nil
}

func values(claims map[uint32]store.Claim) []store.Claim {
	all := make([]store.Claim, 0, len(claims))
	for _, c := range claims {
		all = append(all, c)
	}
	return all
}

// forget drops the attempts at what is not wanted any more: what is told of an incident later begins anew. wanted is false of what is only repeated.
func (l *line) forget(wanted map[key]bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.tries {
		if _, there := wanted[k]; !there {
			delete(l.tries, k)
		}
	}
	for k := range l.since {
		if !wanted[k] {
			delete(l.since, k)
		}
	}
	for k, news := range wanted {
		if _, there := l.since[k]; news && !there {
			l.since[k] = now
		}
	}
	for id := range l.clues {
		if !l.view.records[id].open() {
			delete(l.clues, id)
		}
	}
}

func (l *line) waits(k key, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.tries[k].next) || now.Before(l.rest)
}

// tell makes one attempt and notes how it went. Only what was answered well, or was tried for too long, counts as told.
func (l *line) tell(ctx context.Context, d due) {
	now, k := l.Now(), key{d.ID, d.state}
	told := store.Told{
		Receiver: l.receiver.Name, Incident: d.ID, State: d.state, Opening: d.opening, Escalation: d.escalation,
		Since: d.Since, Version: d.Version, Outcome: sent, At: now, Events: d.events,
	}
	if d.leader != (wire.UID{}) {
		told.Outcome, told.Detail = joined, d.leader.String()
		l.count(joined)
		l.keep(ctx, told, d.same)
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
	l.keep(ctx, told, d.same)
}

// keep remembers what was told, and has it written down unless nothing in it is new.
func (l *line) keep(ctx context.Context, told store.Told, same bool) {
	k := key{told.Incident, told.State}
	l.mu.Lock()
	delete(l.tries, k)
	delete(l.since, k)
	if same {
		l.view.records[told.Incident].again = told.At
		l.mu.Unlock()
		return
	}
	l.unsaved = append(l.unsaved, told)
	l.view.take(told)
	l.mu.Unlock()
	if l.saving.TryLock() { // else whoever writes takes this along
		defer l.saving.Unlock()
		l.write(ctx)
	}
}

// save writes down what was told and is not stored yet.
func (l *line) save(ctx context.Context) {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.write(ctx)
}

// write stores what was told until all of it is, also though the server stops. What the store does not take is kept here and tried again: the
// receiver is told nothing twice for it while this process lives.
func (l *line) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.Timeout)
	defer cancel()
	for {
		l.mu.Lock()
		rows := slices.Clone(l.unsaved)
		l.mu.Unlock()
		if len(rows) == 0 {
			return
		}
		if err := l.Store.AddTold(ctx, rows...); err != nil {
			l.Log.Error("what a receiver was told is not stored yet", "receiver", l.receiver.Name, "notifications", len(rows), "error", err)
			return
		}
		l.mu.Lock()
		l.unsaved = l.unsaved[len(rows):]
		l.mu.Unlock()
	}
}

// note counts an attempt; it is false once the patience is at its end, or more of it is of no use.
func (l *line) note(k key, now time.Time, err error) (try, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[k]
	patient := t.made(now, err, l.config)
	if err != nil {
		l.tries[k] = t
		if until := now.Add(waitOf(err)); until.After(l.rest) { // an answer that asks for less does not shorten what another asked for
			l.rest = until
		}
	}
	return t, patient
}

func (l *line) count(outcome string) { l.outcomes.WithLabelValues(l.receiver.Name, outcome).Inc() }

// observe says how long the oldest news have waited to be told, and how much was told that the store does not know of.
func (l *line) observe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, oldest := l.Now(), time.Duration(0)
	for _, since := range l.since {
		oldest = max(oldest, now.Sub(since))
	}
	l.oldest.WithLabelValues(l.receiver.Name).Set(oldest.Seconds())
	l.unstored.WithLabelValues(l.receiver.Name).Set(float64(len(l.unsaved)))
}
