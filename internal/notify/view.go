package notify

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	reach  = 10 * time.Second // how long a row may take to become visible after the server's clock was read for it
	afresh = 5 * time.Minute  // after which all is read again, whatever was missed
)

// view is what a line knows of the store: incidents that are open or that its receiver believes to be, what it was told of them, and who took notice.
// It is read whole at first and when a share of the streams is gained, and then only what was stored since.
type view struct {
	store Store
	name  string // of the receiver

	held  map[uint32]store.Claim
	whole time.Time // when all was read
	since time.Time // the latest instant at which anything read was stored, by the server's clock
	seen  map[store.Touch]bool

	incidents map[wire.UID]store.Incident
	records   map[wire.UID]*record
	acks      map[wire.UID][]store.Ack
	silences  []store.Silence
}

// refresh reads what changed. Where it fails nothing is passed over: the next one begins where this one did. unsaved was told and is not stored.
func (v *view) refresh(ctx context.Context, held map[uint32]store.Claim, now time.Time, unsaved []store.Told) error {
	silences, err := v.store.Silences(ctx, now)
	if err != nil {
		return err
	}
	v.silences = silences
	gained := false
	for share, c := range held {
		gained = gained || v.held[share] != c
	}
	if gained || v.whole.IsZero() || now.Sub(v.whole) >= afresh {
		err = v.readAll(ctx, held, now)
	} else {
		v.held = held
		err = v.readNews(ctx)
	}
	for n := range unsaved {
		v.take(unsaved[n])
	}
	v.drop(unsaved)
	return err
}

func (v *view) readAll(ctx context.Context, held map[uint32]store.Claim, now time.Time) error {
	at, err := v.store.Now(ctx)
	if err != nil {
		return err
	}
	open, err := v.store.Incidents(ctx, store.IncidentFilter{State: store.IncidentOpen})
	if err != nil {
		return err
	}
	next := view{
		store: v.store, name: v.name, held: held, whole: now, since: at, seen: map[store.Touch]bool{}, silences: v.silences,
		incidents: map[wire.UID]store.Incident{}, records: map[wire.UID]*record{}, acks: map[wire.UID][]store.Ack{},
	}
	var ids []wire.UID
	for n := range open {
		if next.keep(open[n]) {
			ids = append(ids, open[n].ID)
		}
	}
	told, err := v.store.ToldOpen(ctx, v.name, ids)
	if err != nil {
		return err
	}
	for n := range told {
		next.take(told[n])
	}
	for id := range next.records {
		if _, there := next.incidents[id]; !there {
			ids = append(ids, id)
		}
	}
	if err := next.complete(ctx, ids); err != nil {
		return err
	}
	if err := next.readAcks(ctx); err != nil {
		return err
	}
	for id, r := range next.records {
		if before := v.records[id]; before != nil {
			r.again = before.again
		}
	}
	*v = next
	return nil
}

// readNews reads what was stored since: which incidents changed or were acknowledged, and what another process told that had a share before.
func (v *view) readNews(ctx context.Context) error {
	known := maps.Clone(v.incidents)
	from := v.since.Add(-reach)
	touched, err := v.store.TouchedSince(ctx, from)
	if err != nil {
		return err
	}
	var ids []wire.UID
	for _, t := range touched {
		if !v.seen[t] {
			ids = append(ids, t.Incident)
		}
	}
	if err = v.readAgain(ctx, ids); err == nil {
		err = v.readTold(ctx, from, known)
	}
	if err != nil {
		v.incidents = known // so that those that are new here are so again
		return err
	}
	for _, t := range touched {
		v.seen[t] = true
		v.passed(t.StoredAt)
	}
	maps.DeleteFunc(v.seen, func(t store.Touch, _ bool) bool { return t.StoredAt.Before(v.since.Add(-reach)) })
	return nil
}

// readTold reads what was told since, and of incidents that are new here what was told when they were open before.
func (v *view) readTold(ctx context.Context, from time.Time, known map[wire.UID]store.Incident) error {
	var fresh []wire.UID
	for id := range v.incidents {
		if _, before := known[id]; !before {
			fresh = append(fresh, id)
		}
	}
	told, err := v.store.ToldSince(ctx, v.name, from, fresh)
	for n := range told {
		v.take(told[n])
		v.passed(told[n].StoredAt)
	}
	return err
}

func (v *view) passed(stored time.Time) {
	if stored.After(v.since) {
		v.since = stored
	}
}

// readAgain reads incidents as they are now, and what people said of them.
func (v *view) readAgain(ctx context.Context, ids []wire.UID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := v.complete(ctx, ids); err != nil {
		return err
	}
	return v.readAcks(ctx)
}

// complete reads incidents, those that they have become part of, and those that have become part of them, whose own rows do not change by that.
func (v *view) complete(ctx context.Context, ids []wire.UID) error {
	for asked := map[wire.UID]bool{}; len(ids) > 0; {
		found, err := v.store.Incidents(ctx, store.IncidentFilter{IDs: ids, State: store.IncidentMerged})
		if err != nil {
			return err
		}
		for _, id := range ids {
			asked[id] = true
		}
		ids = nil
		for n := range found {
			i := &found[n]
			if _, there := v.incidents[i.Into]; v.keep(*i) && i.Into != (wire.UID{}) && !there && !asked[i.Into] {
				ids = append(ids, i.Into)
			}
		}
	}
	return nil
}

// readAcks reads what people said of all that is known here: words on a part count for the whole.
func (v *view) readAcks(ctx context.Context) error {
	if len(v.incidents) == 0 {
		return nil
	}
	acks, err := v.store.Acks(ctx, slices.Collect(maps.Keys(v.incidents)))
	if err == nil {
		v.acks = acks
	}
	return err
}

// keep takes in an incident as it is, where its stream is of a share that is held.
func (v *view) keep(i store.Incident) bool {
	_, ours := v.held[store.ShareOf(i.Stream)]
	if ours {
		v.incidents[i.ID] = i
	}
	return ours
}

// take takes in what the receiver was told.
func (v *view) take(t store.Told) {
	if v.records[t.Incident] == nil {
		v.records[t.Incident] = &record{}
	}
	v.records[t.Incident].take(t)
}

// drop forgets what is over, and told so, and stored.
func (v *view) drop(unsaved []store.Told) {
	wanted := map[wire.UID]bool{}
	for n := range unsaved {
		wanted[unsaved[n].Incident] = true
	}
	for id, i := range v.incidents {
		if _, ours := v.held[store.ShareOf(i.Stream)]; ours && (i.State() == store.IncidentOpen || v.records[id].open()) {
			wanted[id], wanted[i.Into] = true, true
		}
	}
	for id, i := range v.incidents {
		wanted[id] = wanted[id] || i.Into != wire.UID{} && wanted[i.Into]
	}
	maps.DeleteFunc(v.incidents, func(id wire.UID, _ store.Incident) bool { return !wanted[id] })
	maps.DeleteFunc(v.records, func(id wire.UID, _ *record) bool { return !wanted[id] })
	maps.DeleteFunc(v.acks, func(id wire.UID, _ []store.Ack) bool { return !wanted[id] })
}

// ordered are the incidents for which ok is true, by first window and id.
func (v *view) ordered(ok func(*store.Incident) bool) []store.Incident {
	var found []store.Incident
	for _, i := range v.incidents {
		if ok(&i) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b store.Incident) int {
		return cmp.Or(a.First.Compare(b.First), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return found
}
