package scenes

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// kept is what was decided and told.
type kept struct {
	lock      sync.Mutex
	verdicts  map[store.WindowKey]map[store.Edge][]store.Verdict // by revision
	incidents map[wire.UID]store.Incident
	told      []store.Told
	touched   []store.Touch
	clock     int64
	acks      map[wire.UID][]store.Ack
	silences  []store.Silence
	budgets   map[string]map[string]map[time.Time]store.Budget
}

func newKept() kept {
	return kept{
		verdicts: map[store.WindowKey]map[store.Edge][]store.Verdict{}, incidents: map[wire.UID]store.Incident{}, acks: map[wire.UID][]store.Ack{},
		budgets: map[string]map[string]map[time.Time]store.Budget{},
	}
}

func (k *kept) AddVerdicts(_ context.Context, all []store.Verdict) error {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, v := range all {
		edges := obtain(k.verdicts, store.WindowKey{Stream: v.Stream, Start: v.Start}, made[store.Edge, []store.Verdict])
		n := slices.IndexFunc(edges[v.Edge], func(o store.Verdict) bool { return o.Revision == v.Revision })
		switch {
		case n < 0:
			edges[v.Edge] = append(edges[v.Edge], v)
		case !edges[v.Edge][n].DecidedAt.After(v.DecidedAt):
			edges[v.Edge][n] = v
		}
	}
	return nil
}

// each yields the revisions of every window and edge of the streams.
func (k *kept) each(streams []string, from, to time.Time, do func(store.WindowKey, store.Edge, []store.Verdict)) {
	k.lock.Lock()
	defer k.lock.Unlock()
	for key, edges := range k.verdicts {
		if slices.Contains(streams, key.Stream) && !key.Start.Before(from) && key.Start.Before(to) {
			for edge, revisions := range edges {
				do(key, edge, revisions)
			}
		}
	}
}

func (k *kept) VerdictsOf(_ context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Verdict, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	found := map[store.WindowKey][]store.Verdict{}
	for _, key := range windows {
		for _, revisions := range k.verdicts[key] {
			found[key] = append(found[key], revisions[len(revisions)-1])
		}
		slices.SortFunc(found[key], byEdge)
	}
	return found, nil
}

func byEdge(a, b store.Verdict) int {
	return cmp.Or(cmp.Compare(a.Edge.From, b.Edge.From), cmp.Compare(a.Edge.To, b.Edge.To), a.Start.Compare(b.Start), cmp.Compare(a.Revision, b.Revision))
}

func (k *kept) VerdictsIn(_ context.Context, stream string, from, to time.Time) ([]store.Verdict, error) {
	var found []store.Verdict
	k.each([]string{stream}, from, to, func(_ store.WindowKey, _ store.Edge, revisions []store.Verdict) {
		found = append(found, revisions[len(revisions)-1])
	})
	slices.SortFunc(found, func(a, b store.Verdict) int { return cmp.Or(a.Start.Compare(b.Start), byEdge(a, b)) })
	return found, nil
}

func (k *kept) BoundAfter(_ context.Context, since map[string]time.Time) ([]store.WindowKey, error) {
	var keys []store.WindowKey
	for stream, at := range since {
		k.each([]string{stream}, time.Time{}, store.Never, func(key store.WindowKey, _ store.Edge, revisions []store.Verdict) {
			if slices.ContainsFunc(revisions, func(v store.Verdict) bool { return v.Bound.After(at) }) {
				keys = append(keys, key)
			}
		})
	}
	return keys, nil
}

func (k *kept) EverBad(_ context.Context, streams []string, from, to time.Time, marks bool) (map[string][]store.Verdict, error) {
	found := map[string][]store.Verdict{}
	k.each(streams, from, to, func(key store.WindowKey, _ store.Edge, revisions []store.Verdict) {
		if slices.ContainsFunc(revisions, func(v store.Verdict) bool {
			return v.State == store.Unknown || v.State == store.Incomplete || marks && v.Corrupt+v.Duplicated+v.Invalid+v.InvalidAtSource > 0
		}) {
			found[key.Stream] = append(found[key.Stream], revisions...)
		}
	})
	for _, all := range found {
		slices.SortFunc(all, byEdge)
	}
	return found, nil
}

func (k *kept) LatestSettled(_ context.Context, streams []string, from time.Time) (map[string]map[store.Edge]time.Time, error) {
	found := map[string]map[store.Edge]time.Time{}
	k.each(streams, from, store.Never, func(key store.WindowKey, edge store.Edge, revisions []store.Verdict) {
		latest := obtain(found, key.Stream, made[store.Edge, time.Time])
		if slices.ContainsFunc(revisions, func(v store.Verdict) bool { return v.Settled() && v.Expected > 0 }) && key.Start.After(latest[edge]) {
			latest[edge] = key.Start
		}
	})
	return found, nil
}

func (k *kept) LastTraffic(_ context.Context, streams []string) (map[string]time.Time, error) {
	found := map[string]time.Time{}
	k.each(streams, time.Time{}, store.Never, func(key store.WindowKey, _ store.Edge, revisions []store.Verdict) {
		v := &revisions[len(revisions)-1]
		if end := v.Start.Add(time.Duration(v.Seconds) * time.Second); v.Produced > 0 && end.After(found[key.Stream]) {
			found[key.Stream] = end
		}
	})
	return found, nil
}

func (k *kept) AddIncidents(_ context.Context, all []store.Incident) error {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, i := range all {
		if old, there := k.incidents[i.ID]; !there || i.Version >= old.Version {
			k.incidents[i.ID] = i
			k.touched = append(k.touched, store.Touch{Incident: i.ID, StoredAt: k.tick(), Rows: 1})
		}
	}
	return nil
}

// into is the incident that this one is part of; zero where it stands for itself.
func (k *kept) into(i *store.Incident) wire.UID {
	var cover store.Incident
	for _, o := range k.incidents {
		same := o.Stream == i.Stream && o.Edge == i.Edge && o.Cause == i.Cause
		if same && o.First.Before(i.First) && !o.Last.Before(i.First) && (cover.ID == wire.UID{} || o.First.Before(cover.First)) {
			cover = o
		}
	}
	return cover.ID
}

func (k *kept) Incidents(_ context.Context, f store.IncidentFilter) ([]store.Incident, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	var found []store.Incident
	for _, i := range k.incidents {
		i.Into = k.into(&i)
		asked := i.Into == wire.UID{} && (f.State == "" || f.State == i.State())
		if len(f.IDs) > 0 {
			asked = slices.Contains(f.IDs, i.ID) || f.State == store.IncidentMerged && slices.Contains(f.IDs, i.Into)
		}
		if asked && (f.Stream == "" || f.Stream == i.Stream) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b store.Incident) int {
		return cmp.Or(a.First.Compare(b.First), slices.Compare(a.ID[:], b.ID[:]))
	})
	return found, nil
}

func (k *kept) OpenIncidents(_ context.Context, streams []string, causes ...store.Cause) (map[string][]store.Incident, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	found := map[string][]store.Incident{}
	for _, i := range k.incidents {
		if i.Bad > 0 && slices.Contains(streams, i.Stream) && slices.Contains(causes, i.Cause) {
			found[i.Stream] = append(found[i.Stream], i)
		}
	}
	return found, nil
}

// tick is the store's clock, which has nothing to do with anybody else's. lock is held.
func (k *kept) tick() time.Time {
	k.clock++
	return time.UnixMilli(k.clock)
}

func (k *kept) Now(context.Context) (time.Time, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.tick(), nil
}

func (k *kept) TouchedSince(_ context.Context, since time.Time) ([]store.Touch, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	return slices.DeleteFunc(slices.Clone(k.touched), func(t store.Touch) bool { return t.StoredAt.Before(since) }), nil
}

func (k *kept) AddTold(_ context.Context, told ...store.Told) error {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, t := range told {
		t.StoredAt = k.tick()
		k.told = append(k.told, t)
	}
	return nil
}

func (k *kept) ToldOpen(ctx context.Context, receiver string, _ []wire.UID) ([]store.Told, error) {
	return k.ToldSince(ctx, receiver, time.Time{}, nil)
}

func (k *kept) ToldSince(_ context.Context, receiver string, since time.Time, also []wire.UID) ([]store.Told, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	return slices.DeleteFunc(slices.Clone(k.told), func(t store.Told) bool {
		return t.Receiver != receiver || t.StoredAt.Before(since) && !slices.Contains(also, t.Incident)
	}), nil
}

func (k *kept) ToldOf(_ context.Context, incident wire.UID) ([]store.Told, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	return slices.DeleteFunc(slices.Clone(k.told), func(t store.Told) bool { return t.Incident != incident }), nil
}

func (k *kept) Acks(context.Context, []wire.UID) (map[wire.UID][]store.Ack, error) {
	return k.acks, nil
}

func (k *kept) Silences(_ context.Context, now time.Time) ([]store.Silence, error) {
	return slices.DeleteFunc(slices.Clone(k.silences), func(v store.Silence) bool { return !v.Ends.After(now) }), nil
}

// SumBudgets sums completeness and validity, of the latest verdicts; no scene measures latency.
func (k *kept) SumBudgets(_ context.Context, queries []store.BudgetQuery, _ time.Time) ([]store.Budget, error) {
	sums := map[string]map[time.Time]*store.Budget{store.Completeness: {}, store.Validity: {}}
	for _, q := range queries {
		k.each([]string{q.Settings.Stream}, q.From, q.To, func(key store.WindowKey, _ store.Edge, revisions []store.Verdict) {
			v := &revisions[len(revisions)-1]
			slot := key.Start.Add(time.Duration(v.Seconds)*time.Second + store.BudgetSlot - 1).Truncate(store.BudgetSlot)
			for objective, n := range map[string][2]uint64{store.Completeness: {v.Produced, v.Lost}, store.Validity: {v.MostChecked(), v.NewlyInvalid()}} {
				b := obtain(sums[objective], slot, func() *store.Budget { return &store.Budget{Stream: key.Stream, Objective: objective, Slot: slot} })
				b.Total, b.Bad = b.Total+n[0], b.Bad+n[1]
			}
		})
	}
	var found []store.Budget
	for _, slots := range sums {
		for _, b := range slots {
			found = append(found, *b)
		}
	}
	return found, nil
}

func (k *kept) AddBudgets(_ context.Context, all []store.Budget, _ time.Time) error {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, b := range all {
		obtain(obtain(k.budgets, b.Stream, made[string, map[time.Time]store.Budget]), b.Objective, made[time.Time, store.Budget])[b.Slot] = b
	}
	return nil
}

func (k *kept) SpentOf(_ context.Context, queries []store.SpentQuery, n int, now time.Time) (map[string]map[string]store.Spent, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	found := map[string]map[string]store.Spent{}
	for _, q := range queries {
		stream := q.Stream
		for objective, slots := range k.budgets[stream] {
			s := store.Spent{Total: make([]uint64, n), Bad: make([]uint64, n)}
			for _, b := range slots {
				for i, span := range store.BudgetSpans[:n] {
					if b.Slot.After(now.Add(-span)) {
						s.Total[i], s.Bad[i] = s.Total[i]+b.Total, s.Bad[i]+b.Bad
					}
				}
			}
			obtain(found, stream, made[string, store.Spent])[objective] = s
		}
	}
	return found, nil
}
