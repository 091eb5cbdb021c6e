package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// tally is one cumulative counter of one emitter, as the model keeps it.
type tally struct {
	SchemaKey
	emitter wire.UID
	wire.SchemaTally
}

// schemaWorld is what some emitters observed, event by event, and the reports they made of it.
type schemaWorld struct {
	stream  string
	counts  map[tally]uint64                                  // what each emitter counted last; the Count of the key is 0
	invalid map[SchemaKey]map[wire.UID]map[uint32]wire.UID    // source → number → one emitter that found it invalid
	found   map[SchemaKey]map[wire.UID]map[[2]uint64]struct{} // emitter → (source, number)
	foreign map[SchemaKey]map[wire.UID]map[string]struct{}    // emitter → UIDs
	reports []Received
}

var outcomes = []string{"OK", "INVALID", "UNKNOWN_SCHEMA", "UNDECODABLE", "DEPRECATED"}

func sourceHost(n int) string  { return fmt.Sprintf("web-%d", n/2) } // two sources a host
func emitterHost(n int) string { return fmt.Sprintf("agent-%d", n/2) }

func worldSource(n int) wire.UID { return wire.UID{5: byte(n), 6: 0x80, 8: 0x80} }

// newSchemaWorld makes numbered reports of hop "agent" by some emitters over two windows, and one report of the hop "app" by the host of each
// source. Some of the events are foreign.
func newSchemaWorld(r *rand.Rand, stream string) *schemaWorld {
	w := &schemaWorld{
		stream: stream, counts: map[tally]uint64{}, invalid: map[SchemaKey]map[wire.UID]map[uint32]wire.UID{},
		found: map[SchemaKey]map[wire.UID]map[[2]uint64]struct{}{}, foreign: map[SchemaKey]map[wire.UID]map[string]struct{}{},
	}
	for n := range 6 {
		w.produce(n)
	}
	for e := range 1 + r.IntN(4) {
		emitter := wire.UID{0: 2, 15: byte(e + 1)}
		for number := range 1 + r.IntN(4) {
			w.observe(r, emitter, emitterHost(e), uint64(number+1))
		}
	}
	return w
}

func (w *schemaWorld) report(hop, host string, emitter wire.UID, number uint64, windows ...wire.Window) {
	after := []string{"app"}
	if hop == "app" {
		after = nil
	}
	w.reports = append(w.reports, Received{At: sampleStart, Report: wire.Report{
		Stream: w.stream, Hop: hop, After: after, Emitter: emitter, Host: host, Heartbeat: 5, Number: number, SentAt: sampleStart, State: wire.Running, Windows: windows,
	}})
}

func (w *schemaWorld) produce(n int) {
	src := wire.Source{ID: worldSource(n)}
	src.Rolls[wire.Seen] = roaring.BitmapOf(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for _, start := range windowsOfWorld() {
		w.report("app", sourceHost(n), wire.UID{0: 1, 15: byte(n + 1)}, uint64(start.Minute()), wire.Window{Start: start, Seconds: 60, Sources: []wire.Source{src}})
	}
}

func windowsOfWorld() []time.Time { return []time.Time{sampleStart, sampleStart.Add(time.Minute)} }

// observe has an emitter check some more events and report its counters as they then are.
func (w *schemaWorld) observe(r *rand.Rand, emitter wire.UID, host string, number uint64) {
	var windows []wire.Window
	for _, start := range windowsOfWorld() {
		k := SchemaKey{start, "agent"}
		rolls, uids := map[wire.UID]*roaring.Bitmap{}, map[string]bool{}
		for range r.IntN(12) {
			t := tally{k, emitter, wire.SchemaTally{ID: "orders", Version: fmt.Sprint(r.IntN(4)), Outcome: outcomes[r.IntN(5)]}}
			if t.Outcome != "OK" {
				t.Reason = fmt.Sprintf("/f%d: it's \"odd\" \\ ü", r.IntN(5))
			}
			w.counts[t]++
			switch {
			case t.Outcome != "INVALID":
			case r.IntN(5) == 0:
				uid := fmt.Sprint("order-", r.IntN(4))
				put(w.foreign, k, emitter, uid, struct{}{})
				uids[uid] = true
			default:
				n, i := r.IntN(6), uint32(r.IntN(10))
				put(w.invalid, k, worldSource(n), i, emitter)
				put(w.found, k, emitter, [2]uint64{uint64(n), uint64(i)}, struct{}{})
				if rolls[worldSource(n)] == nil {
					rolls[worldSource(n)] = roaring.New()
				}
				rolls[worldSource(n)].Add(i)
			}
		}
		windows = append(windows, w.window(k, emitter, rolls, uids))
	}
	w.report("agent", host, emitter, number, windows...)
}

// window is what a report says of a window: cumulative counters, and rolls of what is new.
func (w *schemaWorld) window(k SchemaKey, emitter wire.UID, rolls map[wire.UID]*roaring.Bitmap, uids map[string]bool) wire.Window {
	out := wire.Window{Start: k.Start, Seconds: 60}
	for t, n := range w.counts {
		if t.SchemaKey == k && t.emitter == emitter {
			one := t.SchemaTally
			one.Count = n
			out.Schemas = append(out.Schemas, one)
		}
	}
	for source, roll := range rolls {
		src := wire.Source{ID: source}
		src.Rolls[wire.Seen], src.Rolls[wire.Invalid] = roll, roll
		out.Sources = append(out.Sources, src)
	}
	for uid := range uids {
		out.Foreign = append(out.Foreign, wire.Foreign{UID: uid, Count: 1, Invalid: 1})
	}
	return out
}

func put[A, B, C comparable, V any](m map[A]map[B]map[C]V, a A, b B, c C, v V) {
	if m[a] == nil {
		m[a] = map[B]map[C]V{}
	}
	if m[a][b] == nil {
		m[a][b] = map[C]V{}
	}
	m[a][b][c] = v
}

// deliver repeats and reorders the reports and cuts them into inserts.
func (w *schemaWorld) deliver(t *testing.T, r *rand.Rand, s *Store) {
	t.Helper()
	all := slices.Clone(w.reports)
	for range r.IntN(8) {
		all = append(all, w.reports[r.IntN(len(w.reports))])
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for len(all) > 0 {
		n := 1 + r.IntN(len(all))
		if err := s.Insert(t.Context(), all[:n]); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
}

// figures are those of the world, by nothing but what its emitters counted last.
func (w *schemaWorld) figures(top int) map[SchemaKey]*SchemaFigures {
	out := map[SchemaKey]*SchemaFigures{}
	for t, n := range w.counts {
		f := w.at(out, t.SchemaKey)
		i := slices.IndexFunc(f.Counts, func(c SchemaCount) bool {
			return c.Outcome == t.Outcome && c.ID == t.ID && c.Version == t.Version && c.Reason == t.Reason
		})
		if i < 0 {
			i = len(f.Counts)
			f.Counts = append(f.Counts, SchemaCount{Outcome: t.Outcome, ID: t.ID, Version: t.Version, Reason: t.Reason, Kinds: 1})
		}
		f.Counts[i].Events += n
	}
	for k, sources := range w.invalid {
		f := w.at(out, k)
		for source, numbers := range sources {
			f.Sources = addHost(f.Sources, sourceHost(int(source[5])), uint64(len(numbers)))
		}
	}
	for k, emitters := range w.found {
		for emitter, events := range emitters {
			w.at(out, k).Emitters = addHost(w.at(out, k).Emitters, emitterHost(int(emitter[15])-1), uint64(len(events)))
		}
	}
	for k, emitters := range w.foreign {
		all := map[string]bool{}
		for emitter, uids := range emitters {
			w.at(out, k).Emitters = addHost(w.at(out, k).Emitters, emitterHost(int(emitter[15])-1), uint64(len(uids)))
			for uid := range uids {
				all[uid] = true
			}
		}
		w.at(out, k).Sources = addHost(w.at(out, k).Sources, "", uint64(len(all)))
	}
	for _, f := range out {
		f.Counts = foldCounts(f.Counts, top)
		f.Sources, f.Emitters = foldHosts(f.Sources, top), foldHosts(f.Emitters, top)
	}
	return out
}

func (w *schemaWorld) at(all map[SchemaKey]*SchemaFigures, k SchemaKey) *SchemaFigures {
	if all[k] == nil {
		all[k] = &SchemaFigures{}
	}
	return all[k]
}

func addHost(all []HostCount, host string, n uint64) []HostCount {
	for i := range all {
		if all[i].Host == host {
			all[i].Events += n
			return all
		}
	}
	return append(all, HostCount{Host: host, Events: n, Kinds: 1})
}

// foldCounts is the sum of all but the top of each outcome.
func foldCounts(all []SchemaCount, top int) []SchemaCount {
	slices.SortFunc(all, func(a, b SchemaCount) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(b.Events, a.Events), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Reason, b.Reason))
	})
	var out []SchemaCount
	named := map[string]int{}
	for _, c := range all {
		if named[c.Outcome]++; named[c.Outcome] <= top {
			out = append(out, c)
			continue
		}
		if named[c.Outcome] == top+1 {
			out = append(out, SchemaCount{Outcome: c.Outcome, Other: true})
		}
		out[len(out)-1].Events += c.Events
		out[len(out)-1].Kinds++
	}
	return out
}

func foldHosts(all []HostCount, top int) []HostCount {
	slices.SortFunc(all, func(a, b HostCount) int { return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Host, b.Host)) })
	if len(all) <= top {
		return all
	}
	rest := HostCount{Other: true}
	for _, h := range all[top:] {
		rest.Events += h.Events
		rest.Kinds++
	}
	return append(all[:top:top], rest)
}

func TestSchemaFiguresAreThoseOfTheModelHoweverReportsAreRepeatedAndReordered(t *testing.T) {
	s := migrated(t)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newSchemaWorld(r, fmt.Sprint("orders-", seed))
		w.deliver(t, r, s)
		top := 1 + r.IntN(8)
		q := SchemaQuery{Stream: w.stream, From: sampleStart, To: sampleStart.Add(2 * time.Minute), Top: top}
		got, err := s.SchemaFigures(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(w.figures(top), got); diff != "" {
			t.Fatalf("seed %d, top %d (-model +store):\n%s", seed, top, diff)
		}
	}
}

func TestOfManyReasonsTheMostFrequentAreNamedAndTheOthersSummed(t *testing.T) {
	s := migrated(t)
	var tallies []wire.SchemaTally
	for n := range uint64(2000) {
		tallies = append(tallies, wire.SchemaTally{ID: "orders", Version: "7", Outcome: "INVALID", Reason: fmt.Sprintf("reason %04d", n), Count: n + 1})
	}
	w := &schemaWorld{stream: "orders"}
	w.report("agent", "web-17", wire.UID{0: 1}, 1, wire.Window{Start: sampleStart, Seconds: 60, Schemas: tallies})
	if err := s.Insert(t.Context(), w.reports); err != nil {
		t.Fatal(err)
	}
	got, err := s.SchemaFigures(t.Context(), SchemaQuery{Stream: "orders", From: sampleStart, To: sampleStart.Add(time.Second), Top: 10})
	if err != nil {
		t.Fatal(err)
	}
	counts := got[SchemaKey{sampleStart, "agent"}].Counts
	if len(counts) != 11 || counts[0].Reason != "reason 1999" || counts[10] != (SchemaCount{Outcome: "INVALID", Events: 1990 * 1991 / 2, Other: true, Kinds: 1990}) {
		t.Errorf("%d rows: %+v", len(counts), counts)
	}
}

func TestVersionsSayWhenTheyFirstAndLastAppeared(t *testing.T) {
	s := migrated(t)
	w := &schemaWorld{stream: "orders"}
	checked := func(minute int, tallies ...wire.SchemaTally) {
		w.report("agent", "web-17", wire.UID{0: 1}, uint64(minute+1), wire.Window{Start: sampleStart.Add(time.Duration(minute) * time.Minute), Seconds: 60, Schemas: tallies})
	}
	of := func(version, outcome string, n uint64) wire.SchemaTally {
		return wire.SchemaTally{ID: "orders", Version: version, Outcome: outcome, Count: n}
	}
	checked(0, of("6", "OK", 10))
	checked(2, of("6", "OK", 5), of("7", "INVALID", 3), of("7", "OK", 40))
	checked(5, of("7", "OK", 1), of("5", "DEPRECATED", 2))
	if err := s.Insert(t.Context(), w.reports); err != nil {
		t.Fatal(err)
	}
	minute := func(n int) time.Time { return sampleStart.Add(time.Duration(n) * time.Minute) }
	q := SchemaQuery{Stream: "orders", From: sampleStart, To: minute(60), Top: 2}
	got, err := s.SchemaVersions(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want := []SchemaVersion{
		{Hop: "agent", ID: "orders", Version: "6", First: minute(0), Last: minute(2), Events: 15, OK: 15, Kinds: 1},
		{Hop: "agent", ID: "orders", Version: "7", First: minute(2), Last: minute(5), Events: 44, OK: 41, Invalid: 3, Kinds: 1},
		{Hop: "agent", First: minute(5), Last: minute(5), Events: 2, Deprecated: 2, Other: true, Kinds: 1},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	starts, err := s.SchemaWindows(t.Context(), q, 2)
	if err != nil || !slices.Equal(starts, []time.Time{minute(0), minute(2)}) {
		t.Errorf("windows %v, %v", starts, err)
	}
	if q.Hop = "sink"; true {
		if starts, err := s.SchemaWindows(t.Context(), q, 2); err != nil || len(starts) != 0 {
			t.Errorf("windows of another hop %v, %v", starts, err)
		}
	}
}

// TestWindowsSummedAreTheSumsOfTheWindows asks for the two windows of a world as one stretch, and as two, and holds the first against the second.
func TestWindowsSummedAreTheSumsOfTheWindows(t *testing.T) {
	s, seed := migrated(t), rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	for n := range 5 {
		w := newSchemaWorld(r, fmt.Sprintf("summed-%d", n))
		w.deliver(t, r, s)
		origin := sampleStart.Add(-3 * time.Minute)
		q := SchemaQuery{Stream: w.stream, From: sampleStart, To: sampleStart.Add(2 * time.Minute), Top: 1000}
		each, err := s.SchemaFigures(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Origin, q.Step = origin, 5*time.Minute
		summed, err := s.SchemaFigures(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		want := map[SchemaKey]map[string]uint64{}
		for k, f := range each {
			add(want, SchemaKey{origin, k.Hop}, f)
		}
		got := map[SchemaKey]map[string]uint64{}
		for k, f := range summed {
			add(got, k, f)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-windows +stretch):\n%s", seed, diff)
		}
		starts, err := s.SchemaWindows(t.Context(), q, 10)
		if err != nil || len(starts) != 1 || !starts[0].Equal(origin) {
			t.Fatalf("%v, %v", starts, err)
		}
	}
}

func add(sums map[SchemaKey]map[string]uint64, k SchemaKey, f *SchemaFigures) {
	if sums[k] == nil {
		sums[k] = map[string]uint64{}
	}
	for _, c := range f.Counts {
		sums[k][fmt.Sprintf("%s %s %s %s", c.Outcome, c.ID, c.Version, c.Reason)] += c.Events
	}
	for _, h := range f.Sources {
		sums[k]["source "+h.Host] += h.Events
	}
	for _, h := range f.Emitters {
		sums[k]["emitter "+h.Host] += h.Events
	}
}
