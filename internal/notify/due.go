package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// joined is the outcome of what is not sent, since it goes on what was told already.
const joined = "joined"

// due is one thing to be told of an incident.
type due struct {
	store.Incident
	state  string   // what is told: open, escalated, resolved
	why    string   // of what is escalated
	leader wire.UID // of what is not sent but written down as joined: the incident that was told
	same   bool     // it is told again, and nothing is new
	events uint64   // what a later one is compared with
	also   []string // edges of incidents that are told with it
	plain  bool     // it is told without what could be found out: too much is due at once
}

// trouble is what several incidents have in common where one comes and goes.
type trouble struct {
	stream string
	edge   store.Edge
	cause  store.Cause
}

func troubleOf(i *store.Incident) trouble { return trouble{i.Stream, i.Edge, i.Cause} }

// look is what one round of a receiver sees.
type look struct {
	*line
	now  time.Time
	told map[wire.UID]store.Told // of what was last told open
	lead map[trouble]wire.UID    // incidents that were told, ended a moment ago, and may begin again
	held map[wire.UID]bool       // leaders of what has not been calm for long
	open map[wire.UID]bool
	hush map[wire.UID]bool // open, and muted
	mute []store.Silence
	dark map[string]*first // by stream, what was told first of the unknown windows of its edges
	due  []due
}

// first is an incident that others may join.
type first struct {
	id     wire.UID
	opened time.Time
	now    int // one more than its place among what is due; 0: it was told before
}

// due lists what the receiver must be told: what is open and was not told so, what got worse, what was told open and is over, and for Alertmanager also
// what goes on. An incident that is over is told so once it has been calm for a while; one of the same stream, edge and cause that opens in that time
// is the same trouble, and nobody is called again.
func (l *line) due(ctx context.Context) ([]due, error) {
	k := look{line: l, now: l.Now(), told: map[wire.UID]store.Told{}, lead: map[trouble]wire.UID{}, held: map[wire.UID]bool{}, open: map[wire.UID]bool{}, hush: map[wire.UID]bool{}, dark: map[string]*first{}}
	open, err := l.Store.Incidents(ctx, store.IncidentFilter{State: store.IncidentOpen})
	if err != nil {
		return nil, err
	}
	told, err := l.Store.ToldOpen(ctx, l.receiver.Name)
	if err != nil {
		return nil, err
	}
	if k.mute, err = l.Store.Silences(ctx, k.now); err != nil {
		return nil, err
	}
	for _, t := range told {
		k.told[t.Incident] = t
	}
	for n := range open {
		k.open[open[n].ID], k.hush[open[n].ID] = true, k.muted(&open[n])
	}
	over, err := k.over(ctx, told)
	if err != nil {
		return nil, err
	}
	acked, err := k.acked(ctx, open)
	if err != nil {
		return nil, err
	}
	k.noteLeaders(open, over)
	for n := range open {
		k.goesOn(&open[n], acked[open[n].ID])
	}
	for n := range over {
		k.ends(&over[n])
	}
	return k.allowed(), nil
}

// over reads the incidents that were told open and are so no more.
func (k *look) over(ctx context.Context, told []store.Told) ([]store.Incident, error) {
	var ids []wire.UID
	for _, t := range told {
		if !k.open[t.Incident] {
			ids = append(ids, t.Incident)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return k.Store.Incidents(ctx, store.IncidentFilter{IDs: ids})
}

// muted says whether nobody is to be called of the incident now. What is muted leads nothing: who joined it would not be told of either.
func (k *look) muted(i *store.Incident) bool {
	return slices.ContainsFunc(k.mute, func(v store.Silence) bool { return v.Mutes(i, k.now) })
}

// leader is the incident that was told, where this one joined it.
func (k *look) leader(id wire.UID) wire.UID {
	if t := k.told[id]; t.Outcome == joined {
		if to, err := wire.ParseUID(t.Detail); err == nil {
			return to
		}
	}
	return id
}

// noteLeaders finds what may begin again and what has not been calm for long.
func (k *look) noteLeaders(open, over []store.Incident) {
	for n := range open {
		i := &open[n]
		if t, told := k.told[i.ID]; told {
			k.held[k.leader(i.ID)] = true
			if f := k.dark[i.Stream]; i.Cause == store.CauseUnknown && t.Outcome == sent && !k.hush[i.ID] && (f == nil || i.OpenedAt.After(f.opened)) {
				k.dark[i.Stream] = &first{id: i.ID, opened: i.OpenedAt}
			}
		}
	}
	for n := range over {
		i := &over[n]
		if i.State() == store.IncidentResolved && k.now.Sub(i.Since) < k.config.Calm {
			leader := k.leader(i.ID)
			k.held[leader] = true
			if k.told[leader].Outcome == sent {
				k.lead[troubleOf(i)] = leader
			}
		}
	}
}

// goesOn decides on an open incident.
func (k *look) goesOn(i *store.Incident, acked bool) {
	t, told := k.told[i.ID]
	d := due{Incident: *i, state: store.IncidentOpen, events: perWindow(i)}
	if !told {
		if i.Hold < 0 || k.muted(i) || k.now.Sub(i.Since) < k.config.Hold+i.Hold {
			return
		}
		if leader, again := k.lead[troubleOf(i)]; again && !k.grew(i, k.told[leader].Events) {
			d.leader = leader
		} else if i.Cause == store.CauseUnknown {
			var wait bool
			if d.leader, wait = k.darkWith(i); wait {
				return
			}
		}
		if d.leader != (wire.UID{}) {
			k.held[d.leader] = true
		}
		k.due = append(k.due, d)
		return
	}
	if leader, there := k.told[k.leader(i.ID)]; there {
		if i.Cause != store.CauseUnknown { // there the leader may be of another edge, with fewer events
			t.Events = 0
		}
		t.Events = max(t.Events, leader.Events) // what was told last of the same trouble
	}
	if d.why = k.worse(i, &t, acked); d.why != "" {
		d.state = store.IncidentEscalated
		k.due = append(k.due, d)
	} else if k.again(&t) {
		d.state, d.same, d.events = t.State, true, t.Events
		k.due = append(k.due, d)
	}
}

// darkWith returns the incident that tells of an unknown edge where another edge of the stream went unknown about then: what goes dark together is
// one call. It is zero where this one is the first. It waits while the one that tells of it has not been told: that may fail, or turn known before.
func (k *look) darkWith(i *store.Incident) (leader wire.UID, wait bool) {
	f := k.dark[i.Stream]
	if f == nil || i.OpenedAt.Sub(f.opened).Abs() >= k.config.Calm {
		k.dark[i.Stream] = &first{id: i.ID, opened: i.OpenedAt, now: len(k.due) + 1}
		return wire.UID{}, false
	}
	if f.now > 0 {
		k.due[f.now-1].also = append(k.due[f.now-1].also, i.Edge.From+"→"+i.Edge.To)
	}
	return f.id, f.now > 0
}

// perWindow is how many events each window that is bad has on average, rounded up.
func perWindow(i *store.Incident) uint64 {
	n := uint64(max(i.Bad, 1))
	return (i.Events + n - 1) / n
}

// again says whether Alertmanager must hear that it goes on.
func (k *look) again(t *store.Told) bool {
	return k.receiver.Type == Alertmanager && t.Outcome != joined && k.now.Sub(t.At) >= k.config.Resend
}

// worse says why an incident that was told is told again: its windows have many times as many events as then, or nobody took notice of it.
func (k *look) worse(i *store.Incident, t *store.Told, acked bool) string {
	if k.grew(i, t.Events) {
		return fmt.Sprintf("%d times as many events a window as when it was last told", perWindow(i)/t.Events)
	}
	if acked || !k.unseen(i.ID) {
		return ""
	}
	since := t.First
	if i.Since.After(since) {
		since = i.Since
	}
	if waited := k.now.Sub(since); waited >= k.config.Unacked {
		return fmt.Sprintf("nobody took notice of it in %s", waited.Truncate(time.Minute))
	}
	return ""
}

// grew says whether the incident's windows have many times as many events as were told.
func (k *look) grew(i *store.Incident, told uint64) bool {
	return k.config.Worse > 0 && told > 0 && perWindow(i) >= told*uint64(k.config.Worse)
}

// unseen says whether an incident may have to be told again since nobody took notice of it: not where the one that it joined is open, not muted, and is told again itself.
func (k *look) unseen(id wire.UID) bool {
	t, told := k.told[id]
	leader := k.leader(id)
	return told && t.State == store.IncidentOpen && k.config.Unacked > 0 && (leader == id || !k.open[leader] || k.hush[leader])
}

// acked reads of which of the open incidents that were told somebody took notice, since they are as they are.
func (k *look) acked(ctx context.Context, open []store.Incident) (map[wire.UID]bool, error) {
	var ids []wire.UID
	for n := range open {
		if k.unseen(open[n].ID) && k.now.Sub(k.told[open[n].ID].First) >= k.config.Unacked {
			ids = append(ids, open[n].ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	acks, err := k.Store.Acks(ctx, ids)
	acked := map[wire.UID]bool{}
	for n := range open {
		acked[open[n].ID] = noticed(&open[n], acks[open[n].ID], time.Time{})
	}
	return acked, err
}

// ends decides on an incident that was told open and is so no more.
func (k *look) ends(i *store.Incident) {
	t := k.told[i.ID]
	d := due{Incident: *i, state: store.IncidentResolved}
	switch {
	case i.State() == store.IncidentMerged && t.Outcome != joined: // the one it goes on as is told open
	case k.held[k.leader(i.ID)]:
		if k.again(&t) {
			d.state, d.same, d.events = t.State, true, t.Events
			k.due = append(k.due, d)
		}
		return
	case t.Outcome == joined:
		d.leader = k.leader(i.ID)
	}
	k.due = append(k.due, d)
}

// hintsARound is of how many incidents more is found out in one round: where a thousand streams are in trouble, those who are called must not wait for it.
const hintsARound = 20

// allowed leaves out what is silenced and what failed a moment ago. What failed once and is not due any more is forgotten.
func (k *look) allowed() []due {
	wanted := map[key]bool{}
	for n := range k.due {
		wanted[key{k.due[n].ID, k.due[n].state}] = true
	}
	k.forget(wanted)
	var allowed []due
	for n := range k.due {
		d := &k.due[n]
		if !k.muted(&d.Incident) && !k.waits(key{d.ID, d.state}, k.now) {
			d.plain = len(allowed) >= hintsARound
			allowed = append(allowed, *d)
		}
	}
	return allowed
}
