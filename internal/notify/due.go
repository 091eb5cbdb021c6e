package notify

import (
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
	state      string   // what is told: open, escalated, acknowledged, resolved
	opening    uint32   // see store.Told
	escalation uint32   // see store.Told
	paged      bool     // the receiver was called of the escalation before this one, or of the opening
	why        string   // of what is escalated
	leader     wire.UID // of what is not sent but written down as joined: the incident that was told
	same       bool     // it is told again, and nothing is new
	events     uint64   // what a later one is compared with
	also       []string // edges of incidents that are told with it
	plain      bool     // it is told without what could be found out: too much is due at once
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
	*view
	now   time.Time
	lead  map[trouble]wire.UID  // incidents that were told, ended a moment ago, and may begin again
	parts map[wire.UID]wire.UID // by incident that is not told: what was told of a part of it
	held  map[wire.UID]bool     // leaders of what has not been calm for long
	live  map[wire.UID]bool     // leaders of what is open
	words map[wire.UID]bool     // leaders of what somebody took notice of
	open  map[wire.UID]bool
	hush  map[wire.UID]bool // open, and muted
	dark  map[string]*first // by stream, what was told first of the unknown windows of its edges
	due   []due
}

// first is an incident that others may join.
type first struct {
	id     wire.UID
	opened time.Time
	now    int // one more than its place among what is due; 0: it was told before
}

func newLook(l *line) *look {
	ids := func() map[wire.UID]bool { return map[wire.UID]bool{} }
	return &look{
		line: l, view: l.view, now: l.Now(), lead: map[trouble]wire.UID{}, parts: map[wire.UID]wire.UID{}, held: ids(), live: ids(), words: ids(),
		open: ids(), hush: ids(), dark: map[string]*first{},
	}
}

// due lists what the receiver must be told: what is open and was not told so, what got worse, what was told open and is over, and for Alertmanager also
// what goes on. An incident that is over is told so once it has been calm for a while; one of the same stream, edge and cause that opens in that time
// is the same trouble, and nobody is called again.
func (l *line) due() []due {
	k := newLook(l)
	open := k.ordered(func(i *store.Incident) bool { return i.State() == store.IncidentOpen })
	over := k.ordered(func(i *store.Incident) bool { return i.State() != store.IncidentOpen && k.records[i.ID].open() })
	for n := range open {
		k.open[open[n].ID], k.hush[open[n].ID] = true, k.muted(&open[n])
	}
	k.noteLeaders(open, over)
	k.noteWords()
	for n := range open {
		k.goesOn(&open[n])
	}
	for n := range over {
		k.ends(&over[n])
	}
	k.passOn()
	return k.allowed()
}

// muted says whether nobody is to be called of the incident now. What is muted leads nothing: who joined it would not be told of either.
func (k *look) muted(i *store.Incident) bool {
	return slices.ContainsFunc(k.silences, func(v store.Silence) bool { return v.Mutes(i, k.now) })
}

// noteLeaders finds what may begin again and what has not been calm for long.
func (k *look) noteLeaders(open, over []store.Incident) {
	for n := range open {
		i := &open[n]
		if t := k.records[i.ID]; t.open() {
			k.held[t.leader()] = true
			if f := k.dark[i.Stream]; i.Cause == store.CauseUnknown && t.Outcome == sent && !k.hush[i.ID] && (f == nil || i.OpenedAt.After(f.opened)) {
				k.dark[i.Stream] = &first{id: i.ID, opened: i.OpenedAt}
			}
		}
	}
	for n := range over {
		i := &over[n]
		leader := k.records[i.ID].leader()
		called := k.records[leader].open() && k.records[leader].Outcome == sent
		if called && i.State() == store.IncidentMerged && !k.records[i.Into].open() {
			k.parts[i.Into] = leader
		}
		if i.State() == store.IncidentResolved && k.now.Sub(i.Since) < k.config.Calm {
			if k.held[leader] = true; called {
				k.lead[troubleOf(i)] = leader
			}
		}
	}
}

// goesOn decides on an open incident.
func (k *look) goesOn(i *store.Incident) {
	r := k.records[i.ID]
	if !r.open() {
		k.begins(i)
		return
	}
	events := r.Events
	if leader := k.records[r.leader()]; leader.open() {
		if i.Cause != store.CauseUnknown { // there the leader may be of another edge, with fewer events
			events = 0
		}
		events = max(events, leader.Events) // what was told last of the same trouble
	}
	if why := k.worse(i, events); why != "" {
		d := k.next(i, store.IncidentEscalated)
		d.why, d.events, d.paged = why, perWindow(i), r.Outcome != joined
		k.due = append(k.due, d)
	} else {
		k.goesOnAsTold(i)
	}
}

// next is what is told of an incident in a state.
func (k *look) next(i *store.Incident, state string) due {
	d := due{Incident: *i, state: state}
	d.opening, d.escalation = k.records[i.ID].next(state)
	return d
}

// begins decides on an open incident of which the receiver does not know.
func (k *look) begins(i *store.Incident) {
	if k.muted(i) || k.now.Sub(i.Since) < k.config.Hold+i.Hold {
		return
	}
	d := k.next(i, store.IncidentOpen)
	d.events = perWindow(i)
	if part, told := k.parts[i.ID]; told { // it was told by the name of what is now a part of it
		d.leader, d.events = part, k.records[part].Events
	} else if leader, again := k.lead[troubleOf(i)]; again && !k.grew(i, k.records[leader].Events) {
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

// goesOnAsTold tells Alertmanager now and then that it goes on.
func (k *look) goesOnAsTold(i *store.Incident) {
	r := k.records[i.ID]
	last := r.At
	if r.again.After(last) {
		last = r.again
	}
	if k.receiver.Type != Alertmanager || r.Outcome == joined || k.now.Sub(last) < k.config.Resend {
		return
	}
	d := due{Incident: *i, state: r.State, opening: r.Opening, escalation: r.Escalation, same: true}
	if r.State == store.IncidentEscalated {
		d.why = r.Detail
	}
	k.due = append(k.due, d)
}

// worse says why an incident that was told is told again: its windows have many times as many events as then, or nobody took notice of it.
func (k *look) worse(i *store.Incident, events uint64) string {
	if k.grew(i, events) {
		return fmt.Sprintf("%d times as many events a window as when it was last told", perWindow(i)/events)
	}
	if k.unseen(i.ID) && !k.noticed(i.ID) {
		if waited := k.now.Sub(k.toldSince(i)); waited >= k.config.Unacked {
			return fmt.Sprintf("nobody took notice of it in %s", waited.Truncate(time.Minute))
		}
	}
	return ""
}

// toldSince is since when somebody could have taken notice of the incident as it is.
func (k *look) toldSince(i *store.Incident) time.Time {
	r := k.records[i.ID]
	since, leader := r.first, r.leader()
	if k.incidents[leader].Into == i.ID && k.records[leader].open() { // it was told by the name of a part
		since = k.records[leader].first
	}
	if i.Since.After(since) {
		return i.Since
	}
	return since
}

// grew says whether the incident's windows have many times as many events as were told.
func (k *look) grew(i *store.Incident, told uint64) bool {
	return k.config.Worse > 0 && told > 0 && perWindow(i) >= told*uint64(k.config.Worse)
}

// unseen says whether an incident may have to be told again since nobody took notice of it: not where the one that it joined is open, not muted, and is told again itself.
func (k *look) unseen(id wire.UID) bool {
	r := k.records[id]
	leader := r.leader()
	return r.State == store.IncidentOpen && k.config.Unacked > 0 && (leader == id || !k.open[leader] || k.hush[leader])
}

// ends decides on an incident that was told open and is so no more. One that became part of another ends as that one does, where the other goes by its name.
func (k *look) ends(i *store.Incident) {
	r := k.records[i.ID]
	d := k.next(i, store.IncidentResolved)
	into, there := k.incidents[i.Into]
	switch {
	case k.held[r.leader()], k.open[i.Into] && !k.records[i.Into].open():
		k.goesOnAsTold(i)
		return
	case r.Outcome == joined:
		d.leader = r.leader()
	case there && into.State() == store.IncidentResolved:
		d.Incident = into
		d.ID, d.Version = i.ID, i.Version
	case i.State() == store.IncidentMerged:
		d.Version = 0 // it goes on by another name: words on it still count
	}
	k.due = append(k.due, d)
}

// hintsARound is of how many incidents more is found out in one round: where a thousand streams are in trouble, those who are called must not wait for it.
const hintsARound = atOnce

// allowed leaves out what is silenced and what failed a moment ago. What failed once and is not due any more is forgotten.
func (k *look) allowed() []due {
	wanted := map[key]bool{}
	var allowed []due
	for n := range k.due {
		d := &k.due[n]
		if d.state != store.ToldAcknowledged && k.muted(&d.Incident) {
			continue
		}
		wanted[key{d.ID, d.state}] = !d.same
		if !k.waits(key{d.ID, d.state}, k.now) {
			d.plain = len(allowed) >= hintsARound
			allowed = append(allowed, *d)
		}
	}
	k.forget(wanted, k.now)
	return allowed
}
