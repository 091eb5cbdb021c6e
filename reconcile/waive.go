package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// ResolveWaiver names what a waiver covers that is made at now: what is bad of its kind at that instant, so that nothing found later is covered.
// It is false where the hour has no verdict on the edge.
func (r *Reader) ResolveWaiver(ctx context.Context, ask store.WaiverRequest, now time.Time) (store.Resolution, bool, error) {
	verdicts, err := r.Windows(ctx, ask.Stream, ask.Hour, ask.Hour.Add(time.Hour), now, &ask.Edge)
	if err != nil || len(verdicts) == 0 {
		return store.Resolution{}, false, err
	}
	k, ok, err := r.know(ctx, ask.Stream, ask.Hour, now)
	if err != nil || !ok {
		return store.Resolution{}, false, err
	}
	v := resolver{WaiverRequest: ask, k: &k, now: now, asked: askedUIDs(ask.UIDs)}
	if err := v.resolve(ctx, r.store, verdicts); err != nil {
		return store.Resolution{}, false, err
	}
	if err := v.findStanding(ctx, r.store); err != nil {
		return store.Resolution{}, false, err
	}
	for i, uid := range ask.UIDs {
		if !v.asked.found[uid] {
			v.Strange = append(v.Strange, i)
		}
	}
	return v.Resolution, true, nil
}

// resolver gathers what a waiver covers.
type resolver struct {
	store.WaiverRequest
	store.Resolution
	k     *known
	now   time.Time
	asked asked
}

func (v *resolver) resolve(ctx context.Context, s contentStore, verdicts []store.Verdict) error {
	set, named := waivable[v.Kind]
	windows := map[store.WindowKey]*window{}
	for i := range verdicts {
		one := &verdicts[i]
		v.Settling = v.Settling || !one.Settled()
		switch {
		case v.Kind == store.WaiveUnplaced && one.Unplaced > 0:
			v.add(one.Start, store.WaivedName{Count: one.Unplaced}, one.Unplaced)
		case v.Kind == store.WaiveUnknown && one.State == store.Unknown:
			v.addHolders(v.k.history.judgeWindow(one.Start, v.now))
		case named && countOf(one, v.Kind) > 0:
			w := v.k.history.judgeWindow(one.Start, v.now)
			windows[w.key()] = w
		}
	}
	if v.Kind == store.WaiveNoTraffic && v.k.settings.ExpectTraffic && !slices.ContainsFunc(verdicts, func(one store.Verdict) bool { return one.Produced > 0 }) {
		v.add(v.Hour, store.WaivedName{Name: noTraffic}, 1)
	}
	return v.addEvents(ctx, s, windows, set)
}

// countOf is how many events of a kind that has names a verdict counts.
func countOf(v *store.Verdict, kind store.WaiverKind) uint64 {
	switch kind {
	case store.WaiveLost:
		return v.Lost
	case store.WaiveCorrupt:
		return v.Corrupt
	case store.WaiveRejected:
		return v.Rejected
	}
	return v.Duplicated
}

// add adds a name of a window; names come window by window.
func (v *resolver) add(start time.Time, name store.WaivedName, n uint64) {
	name.WindowKey, name.Edge, name.Kind = store.WindowKey{Stream: v.Stream, Start: start.UTC()}, v.Edge, v.Kind
	v.Names = append(v.Names, name)
	if last := len(v.Windows) - 1; last >= 0 && v.Windows[last].Start.Equal(start) {
		v.Windows[last].Count += n
		return
	}
	v.Windows = append(v.Windows, store.WaivedWindow{Start: start.UTC(), Count: n})
}

// addHolders adds what holds a window: all of it, or the emitter asked for.
func (v *resolver) addHolders(w *window) {
	if !slices.Contains(w.closing.graph.edges(), v.Edge) {
		return
	}
	for _, reason := range w.held(v.Edge, &store.Counts{}, store.Unknown) {
		if v.Scope == store.WaiveAll || reason.Emitter == v.Emitter.String() {
			v.add(w.key().Start, store.WaivedName{Name: holderOf(&reason)}, 1)
		}
	}
}

// addEvents adds the events of a set: all of them, or those asked for.
func (v *resolver) addEvents(ctx context.Context, s contentStore, windows map[store.WindowKey]*window, set list) error {
	keys := make([]store.WindowKey, 0, len(windows))
	for key, w := range windows {
		if set != missing || w.closing.hops[v.Edge.To].closed() { // else an event is on its way again, and no longer lost
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var names []store.WaivedName
	for p, err := range eachPart(ctx, s, keys, epochsOfWindows(windows)) {
		if err != nil {
			return err
		}
		sets, _ := p.compare(&windows[p.WindowKey].closing.graph, v.Edge)
		if events := v.asked.of(p, sets[set], v.Scope); events != nil {
			names = append(names, store.WaivedName{WindowKey: p.WindowKey, Source: p.source, Numbers: events, Name: p.foreign})
		}
	}
	slices.SortStableFunc(names, func(a, b store.WaivedName) int { return a.Start.Compare(b.Start) })
	for _, n := range names {
		count := card(n.Numbers)
		if n.Name != "" {
			n.Numbers = nil
		}
		v.add(n.Start, n, count)
	}
	return nil
}

// findStanding finds the waivers that stand already, where they cover all that was found.
func (v *resolver) findStanding(ctx context.Context, s contentStore) error {
	if len(v.Names) == 0 {
		return nil
	}
	keys := make([]store.WindowKey, len(v.Windows))
	for i, w := range v.Windows {
		keys[i] = store.WindowKey{Stream: v.Stream, Start: w.Start}
	}
	waivers, err := s.WaivedOf(ctx, keys)
	if err != nil {
		return err
	}
	stands := map[store.WindowKey]*waived{}
	for key, names := range waivers {
		stands[key] = waivedByEdge(names)[v.Edge]
	}
	for i := range v.Names {
		if !stands[v.Names[i].WindowKey].covers(&v.Names[i]) {
			return nil
		}
	}
	v.Standing = waiversOf(waivers, v.Edge, v.Kind)
	return nil
}

// waiversOf returns the waivers that cover anything of the kind on the edge.
func waiversOf(waivers map[store.WindowKey][]store.WaivedName, edge store.Edge, kind store.WaiverKind) []wire.UID {
	var found []wire.UID
	for _, names := range waivers {
		for i := range names {
			if n := &names[i]; n.Edge == edge && n.Kind == kind && !slices.Contains(found, n.Waiver) {
				found = append(found, n.Waiver)
			}
		}
	}
	return found
}

// covers says whether a name is waived.
func (w *waived) covers(n *store.WaivedName) bool {
	set := waivable[n.Kind]
	switch {
	case w == nil:
		return false
	case n.Kind == store.WaiveUnplaced:
		return n.Count <= w.unplaced
	case n.Kind == store.WaiveUnknown, n.Kind == store.WaiveNoTraffic:
		return w.holders[n.Name]
	case n.Name != "":
		return w.foreign[set][n.Name]
	}
	return andNot(n.Numbers, w.numbers[set][n.Source]) == nil
}

// asked are the UIDs that a waiver names.
type asked struct {
	numbers map[wire.UID]map[uint32]string // source → number → as it was written
	foreign map[string]bool
	found   map[string]bool // by UID as it was written
}

func askedUIDs(uids []string) asked {
	a := asked{numbers: map[wire.UID]map[uint32]string{}, foreign: map[string]bool{}, found: map[string]bool{}}
	for _, text := range uids {
		u, err := wire.ParseUID(text)
		if err != nil || !u.Numbered() {
			a.foreign[text] = true
			continue
		}
		if a.numbers[u.Source()] == nil {
			a.numbers[u.Source()] = map[uint32]string{}
		}
		a.numbers[u.Source()][u.Sequence()] = text
	}
	return a
}

// of is what of a part's set is asked for; nil when nothing.
func (a *asked) of(p *part, set *roaring.Bitmap, scope store.WaiverScope) *roaring.Bitmap {
	switch {
	case scope == store.WaiveAll || set == nil:
		return set
	case p.foreign != "" && a.foreign[p.foreign]:
		a.found[p.foreign] = true
		return set
	case p.foreign != "":
		return nil
	}
	some := roaring.New()
	for n, text := range a.numbers[p.source] {
		if set.Contains(n) {
			some.Add(n)
			a.found[text] = true
		}
	}
	return filled(some)
}
