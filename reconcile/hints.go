package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// What is looked at for the hints of one incident, so that a wide one costs no more than a few windows do.
const (
	hintWindows = 5
	hintParts   = 20_000 // sources, and foreign UIDs
	hintKeys    = 1_000  // rolls by emitter
	maxHints    = 5
	leastWeight = 0.2 // less than that above what chance would give is no hint
)

// Hints ranks what the events of an open incident have in common: a host of their sources, an emitter they passed, a lane, a schema version, an
// instant since which all are missing. It looks at the first windows that are bad, and at no more of them than is bounded above: nothing is
// stored, and no pass waits for it.
func (r *Reader) Hints(ctx context.Context, i *store.Incident, now time.Time) ([]store.Hint, error) {
	if i.Bad == 0 || i.Edge == (store.Edge{}) {
		return nil, nil
	}
	length := time.Duration(i.Seconds) * time.Second
	verdicts, err := r.store.VerdictsIn(ctx, i.Stream, i.FirstBad, i.FirstBad.Add(hintWindows*length))
	if err != nil {
		return nil, err
	}
	verdicts = slices.DeleteFunc(verdicts, func(v store.Verdict) bool { return v.Edge != i.Edge || v.Start.After(i.Last) })
	hints, err := r.heldHints(ctx, i, verdicts, now)
	if err != nil {
		return nil, err
	}
	hints = append(hints, sinceHints(i, verdicts)...)
	if set, ok := hintSets[i.Cause]; ok {
		t := &tally{hosts: map[string]*pair{}, emitters: map[wire.UID]*pair{}}
		if err := r.tallyWindows(ctx, t, i, verdicts, set, now); err != nil {
			return nil, err
		}
		hints = append(hints, t.hints(i)...)
	}
	if i.Cause == store.CauseInvalid {
		counts, err := r.store.SchemaOutcomes(ctx, i.Stream, brokenAt(i.Edge, verdicts), i.FirstBad, i.FirstBad.Add(hintWindows*length))
		if err != nil {
			return nil, err
		}
		hints = append(hints, schemaHints(counts)...)
	}
	return rank(hints), nil
}

// brokenAt is the hop of the edge that found most of the events that break their schema.
func brokenAt(edge store.Edge, verdicts []store.Verdict) string {
	var source, all uint64
	for n := range verdicts {
		source, all = source+verdicts[n].InvalidAtSource, all+verdicts[n].NewlyInvalid()
	}
	if 2*source > all {
		return edge.From
	}
	return edge.To
}

// hintSets are the lists of events that an incident of each cause is about.
var hintSets = map[store.Cause]list{
	store.CauseLoss: missing, store.CauseDelayed: missing, store.CauseInvalid: newlyInvalid, store.CauseCorrupt: corrupt, store.CauseDuplicated: twice,
}

// plainest are the kinds of hints in the order in which people understand them: of hints that account for the same the plainest is told first.
var plainest = []string{"since", "schema", "host", "emitter", "lane"}

// rank leaves out what chance would give as well, and puts what accounts for most first.
func rank(hints []store.Hint) []store.Hint {
	hints = slices.DeleteFunc(hints, func(h store.Hint) bool { return h.Weight() < leastWeight })
	weight := func(h store.Hint) float64 { return math.Round(100 * h.Weight()) }
	slices.SortStableFunc(hints, func(a, b store.Hint) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(slices.Index(plainest, a.Kind), slices.Index(plainest, b.Kind)), cmp.Compare(a.Name, b.Name))
	})
	return hints[:min(len(hints), maxHints)]
}

// pair counts events: those of the incident, and all that there were.
type pair struct{ bad, all uint64 }

// tally counts the events of the windows looked at by what they may have in common.
type tally struct {
	pair
	hosts    map[string]*pair   // of their sources
	emitters map[wire.UID]*pair // of the earlier hop, that took them over
	names    map[wire.UID]string
	parts    int
}

func (t *tally) host(name string) *pair {
	if t.hosts[name] == nil {
		t.hosts[name] = &pair{}
	}
	return t.hosts[name]
}

// tallyWindows counts the parts of the windows that the verdicts speak of.
func (r *Reader) tallyWindows(ctx context.Context, t *tally, i *store.Incident, verdicts []store.Verdict, set list, now time.Time) error {
	k, ok, err := r.know(ctx, i.Stream, i.FirstBad, now)
	if err != nil || !ok {
		return err
	}
	t.names = k.history.hosts
	for n := range verdicts {
		if err := r.tallyWindow(ctx, t, k.history.judgeWindow(verdicts[n].Start, now), i.Edge, set); err != nil {
			return err
		}
	}
	return nil
}

// tallyWindow counts the parts of one window.
func (r *Reader) tallyWindow(ctx context.Context, t *tally, w *window, edge store.Edge, set list) error {
	if !w.mentioned() {
		return nil
	}
	var bad, good []*part
	var rest uint64 // events of good sources
	bySource := map[wire.UID]pair{}
	for p, err := range numberedParts(ctx, r.store, []store.WindowKey{w.key()}, w.epochs(), wire.UID{}, set == twice) {
		if err != nil {
			return err
		}
		if t.parts++; t.parts > hintParts {
			break
		}
		sets, expected := p.compare(&w.closing.graph, edge)
		n := pair{card(sets[set]), max(card(expected), card(p.seen(edge.To)))}
		t.bad, t.all = t.bad+n.bad, t.all+n.all
		bySource[p.source] = n
		if n.bad == 0 {
			rest += n.all
		}
		switch {
		case n.bad > 0 && len(bad) < hintKeys:
			bad = append(bad, p)
		case n.bad == 0 && len(good) < hintKeys:
			good = append(good, p)
		}
	}
	if err := r.tallyHosts(ctx, t, w, bySource); err != nil {
		return err
	}
	if err := r.tallyEmitters(ctx, t, w, edge, set, bad, 1); err != nil || len(bad) == 0 {
		return err
	}
	var read uint64 // of the good sources looked at
	for _, p := range good {
		read += bySource[p.source].all
	}
	return r.tallyEmitters(ctx, t, w, edge, set, good, float64(rest)/float64(max(read, 1)))
}

// tallyHosts counts the events of sources by the hosts that the first hops reported them on.
func (r *Reader) tallyHosts(ctx context.Context, t *tally, w *window, bySource map[wire.UID]pair) error {
	sources := make([]wire.UID, 0, len(bySource))
	for source := range bySource {
		sources = append(sources, source)
	}
	hosts, err := r.store.SourceHosts(ctx, w.h.Settings.Stream, sources)
	if err != nil {
		return err
	}
	for source, n := range bySource {
		for _, hop := range w.closing.graph.order {
			if host := hosts[source][hop]; host != "" {
				h := t.host(host)
				h.bad, h.all = h.bad+n.bad, h.all+n.all
				break
			}
		}
	}
	return nil
}

// tallyEmitters counts which emitters of the earlier hop took over what is bad of some sources, and all they took over of them, times a factor where
// these sources stand for more.
func (r *Reader) tallyEmitters(ctx context.Context, t *tally, w *window, edge store.Edge, set list, some []*part, factor float64) error {
	keys := make([]store.RollKey, len(some))
	parts := map[wire.UID]*part{}
	for n, p := range some {
		keys[n] = store.RollKey{WindowKey: w.key(), Hop: edge.From, Source: p.source}
		parts[p.source] = p
	}
	if len(keys) == 0 {
		return nil
	}
	for one, err := range r.store.EmitterRolls(ctx, keys, 0) {
		if err != nil {
			return err
		}
		if t.emitters[one.Emitter] == nil {
			t.emitters[one.Emitter] = &pair{}
		}
		sets, _ := parts[one.Source].compare(&w.closing.graph, edge)
		e := t.emitters[one.Emitter]
		e.all += uint64(float64(card(one.Seen)) * factor)
		e.bad += card(and(sets[set], one.Seen))
	}
	return nil
}

// hints says which host or emitter accounts for more of the bad events than for the others.
func (t *tally) hints(i *store.Incident) []store.Hint {
	var hints []store.Hint
	for host, n := range t.hosts {
		h := store.Hint{Kind: "host", Name: host, Events: n.bad, Of: t.bad, Share: share(n.all, t.all), Short: portion(n.bad, t.bad, host)}
		h.Evidence = fmt.Sprintf("%s of %s %s events have their source on %s, which made %s of the windows' events",
			number(n.bad), number(t.bad), adjective(i.Cause), host, percent(n.all, t.all))
		hints = append(hints, h)
	}
	for id, n := range t.emitters {
		name := i.Edge.From + " " + id.String()
		if host := t.names[id]; host != "" {
			name = i.Edge.From + " on " + host
		}
		h := store.Hint{Kind: "emitter", Name: id.String(), Events: n.bad, Of: t.bad, Share: share(n.all, t.all), Short: portion(n.bad, t.bad, name)}
		h.Evidence = fmt.Sprintf("%s of %s %s events were taken over by %s, which took over %s of the windows' events",
			number(n.bad), number(t.bad), adjective(i.Cause), name, percent(n.all, t.all))
		hints = append(hints, h)
	}
	return hints
}

// adjective is what the events of an incident are.
func adjective(c store.Cause) string {
	switch c {
	case store.CauseLoss:
		return "lost"
	case store.CauseDelayed, store.CauseUnknown:
		return "pending"
	}
	return string(c)
}

func share(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

// percent writes a share, never rounded up to all of it.
func percent(n, of uint64) string {
	p := 100 * share(n, of)
	switch {
	case n == of:
		return "100 %"
	case p > 0 && p < 1:
		return fmt.Sprintf("%.2g %%", p)
	}
	return fmt.Sprintf("%d %%", int(p))
}

func portion(n, of uint64, name string) string {
	if n == of {
		return name + " only"
	}
	return percent(n, of) + " " + name
}

// sinceHints says since when everything is missing: from a window on all that was expected.
func sinceHints(i *store.Incident, verdicts []store.Verdict) []store.Hint {
	if i.Cause != store.CauseLoss {
		return nil
	}
	var lost, of uint64
	var since time.Time
	for n := len(verdicts) - 1; n >= 0 && verdicts[n].Lost > 0 && verdicts[n].Lost == verdicts[n].Expected; n-- {
		lost, since = lost+verdicts[n].Lost, verdicts[n].Start
	}
	for n := range verdicts {
		of += verdicts[n].Lost
	}
	if lost == 0 {
		return nil
	}
	at := clockTime(since)
	return []store.Hint{{
		Kind: "since", Name: since.UTC().Format(time.RFC3339), Short: "everything since " + at, Events: lost, Of: of,
		Evidence: fmt.Sprintf("all %s events expected from %s on are lost, in every window looked at", number(lost), at),
	}}
}

// schemaHints says which version of which schema broke. Events whose schema was not at hand, as while a registry is away, are evidence of nothing.
func schemaHints(counts map[store.SchemaOutcome]uint64) []store.Hint {
	versions := map[[2]string]*pair{}
	var sum pair
	for key, n := range counts {
		if key.Outcome == "UNKNOWN_SCHEMA" {
			continue
		}
		v := [2]string{key.ID, key.Version}
		if versions[v] == nil {
			versions[v] = &pair{}
		}
		versions[v].all, sum.all = versions[v].all+n, sum.all+n
		if key.Outcome != "OK" && key.Outcome != "DEPRECATED" {
			versions[v].bad, sum.bad = versions[v].bad+n, sum.bad+n
		}
	}
	var hints []store.Hint
	for v, n := range versions {
		name := fmt.Sprintf("%s version %s", v[0], v[1])
		hints = append(hints, store.Hint{
			Kind: "schema", Name: name, Short: portion(n.bad, sum.bad, name), Events: n.bad, Of: sum.bad, Share: share(n.all, sum.all),
			Evidence: fmt.Sprintf("%s of %s invalid events are of %s, which %s of the events checked are of",
				number(n.bad), number(sum.bad), name, percent(n.all, sum.all)),
		})
	}
	return hints
}

func clockTime(t time.Time) string {
	if t.Second() != 0 {
		return t.UTC().Format("15:04:05Z")
	}
	return t.UTC().Format("15:04Z")
}
