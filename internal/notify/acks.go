package notify

import (
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// group names what one person has in hand when a call is answered, by the incident that was called of: those that joined it, and those that became
// part of one of them.
func (k *look) group(id wire.UID) wire.UID {
	if into := k.incidents[id].Into; into != (wire.UID{}) {
		if _, there := k.incidents[into]; there {
			id = into
		}
	}
	if r := k.records[id]; r.open() {
		return r.leader()
	}
	return id
}

// noteWords finds of which groups somebody took notice: whoever says of one incident that it is looked at has answered the call that told of it.
func (k *look) noteWords() {
	for id := range k.incidents {
		g := k.group(id)
		k.live[g] = k.live[g] || k.open[id]
		k.words[g] = k.words[g] || k.records[id].noticed(k.acks[id])
	}
}

// noticed says whether somebody took notice of an incident as it is. Once it was told that it got worse only a word on itself counts: one on another
// incident cannot be known to be later.
func (k *look) noticed(id wire.UID) bool {
	r := k.records[id]
	return r.noticed(k.acks[id]) || (r == nil || r.worse == 0) && k.words[k.group(id)]
}

// passOn tells PagerDuty that somebody looks at an incident, so that it calls nobody else. Other receivers have no word for it.
func (k *look) passOn() {
	if k.receiver.Type != PagerDuty {
		return
	}
	busy := map[wire.UID]bool{}
	for n := range k.due {
		busy[k.due[n].ID] = true
	}
	for _, i := range k.ordered(func(i *store.Incident) bool { return k.records[i.ID].open() && !busy[i.ID] }) {
		r := k.records[i.ID]
		if r.Outcome == sent && r.State != store.ToldAcknowledged && k.group(i.ID) == i.ID && k.live[i.ID] && k.noticed(i.ID) {
			d := k.next(&i, store.ToldAcknowledged)
			d.events, d.plain = r.Events, true // what a later word is compared with goes on from the last
			k.due = append(k.due, d)
		}
	}
}
