package inspector

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

// flow is one window of a pipeline, event by event: which hops saw which.
type flow struct {
	edges []store.Edge
	seen  map[string]map[int]bool
}

// anyFlow draws hops in the order in which events pass them, edges from earlier to later ones, and events that begin at a hop without an edge to it, get
// lost on any edge, and come now and then where no hop before has them.
func anyFlow(t *rapid.T) flow {
	f := flow{seen: map[string]map[int]bool{}}
	hops := []string{"a", "b", "c", "d", "e", "f"}[:rapid.IntRange(2, 6).Draw(t, "hops")]
	for i, to := range hops {
		for _, from := range hops[:i] {
			if rapid.Bool().Draw(t, from+".."+to) {
				f.edges = append(f.edges, store.Edge{From: from, To: to})
			}
		}
	}
	stray := rapid.Bool().Draw(t, "strays")
	for i, hop := range hops {
		f.seen[hop] = map[int]bool{}
		begins := true
		for _, e := range f.edges {
			if e.To != hop {
				continue
			}
			begins = false
			for event := range f.seen[e.From] {
				if rapid.IntRange(0, 3).Draw(t, "fate") > 0 {
					f.seen[hop][event] = true
				}
			}
		}
		if begins || stray && rapid.IntRange(0, 3).Draw(t, "stray") == 0 {
			whose := i // a stray may be one that got lost on the way
			if !begins {
				whose = rapid.IntRange(0, i).Draw(t, "of")
			}
			for n := range rapid.IntRange(0, 6).Draw(t, "events") {
				f.seen[hop][100*whose+n] = true
			}
		}
	}
	return f
}

func (f *flow) verdicts() []store.Verdict {
	var all []store.Verdict
	for _, e := range f.edges {
		v := store.Verdict{Edge: e, State: store.Incomplete}
		for event := range f.seen[e.From] {
			v.Expected++
			if f.seen[e.To][event] {
				v.Delivered++
			} else {
				v.Lost++
			}
		}
		for event := range f.seen[e.To] {
			if !slices.ContainsFunc(f.edges, func(o store.Edge) bool { return o.To == e.To && f.seen[o.From][event] }) {
				v.Unexpected++
			}
		}
		all = append(all, v)
	}
	return all
}

// lacking counts the events that a hop before has and this one has not.
func (f *flow) lacking(hop string) uint64 {
	before, lacking := map[string]bool{hop: true}, map[int]bool{}
	for range f.edges {
		for _, e := range f.edges {
			before[e.From] = before[e.From] || before[e.To]
		}
	}
	for from := range before {
		for event := range f.seen[from] {
			if before[from] && !f.seen[hop][event] {
				lacking[event] = true
			}
		}
	}
	return uint64(len(lacking))
}

func TestWhatAHopLacksIsToldExactlyOrBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFlow(t)
		verdicts := f.verdicts()
		for w, told := range ways(verdicts, nil, nil) {
			if w.edge != (store.Edge{}) {
				continue
			}
			r, truth := routeTo(w.hop, verdicts), f.lacking(w.hop)
			least, most := r.lacks()
			if least > truth || truth > most || told.NotArrived != most || told.atMost != (least < most) {
				t.Fatalf("%s lacks %d, told from %d to %d, at most: %v\n%+v", w.hop, truth, least, most, told.atMost, f)
			}
			if came := uint64(len(f.seen[w.hop])); len(r.into) > 0 && r.delivered() > came {
				t.Fatalf("%s took %d over, told at least %d\n%+v", w.hop, came, r.delivered(), f)
			}
		}
	})
}

// TestWaysThatMergeAreThoseOfAllWindows merges windows in any grouping, and holds what comes of it against the sums of each way.
func TestWaysThatMergeAreThoseOfAllWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFlow(t)
		if len(f.edges) == 0 {
			return
		}
		whole, half, sums := map[way]taken{}, map[way]taken{}, map[way]judged{}
		arrived, missed := map[way]uint64{}, map[way]uint64{}
		for n := range rapid.IntRange(1, 5).Draw(t, "windows") {
			verdicts := f.verdicts()
			for i := range verdicts {
				verdicts[i].State = rapid.SampledFrom([]store.State{store.Complete, store.Incomplete, store.Open, store.Settling, store.Unknown}).Draw(t, "state")
			}
			measured := map[string]latency.Histogram{}
			for hop, seen := range f.seen {
				measured[hop] = latency.Histogram{Zero: uint64(len(seen)) / 2}
			}
			window := ways(verdicts, measured, nil)
			for w, told := range window {
				arrived[w], missed[w], sums[w] = arrived[w]+told.arrived, missed[w]+told.NotArrived, sums[w].plus(told.judged)
			}
			if n%2 == 0 {
				merge(whole, window)
			} else {
				merge(half, window)
			}
		}
		merge(whole, half)
		for w, told := range whole {
			if told.arrived != arrived[w] || told.NotArrived != missed[w] || told.judged != sums[w] || !told.ofHop && told.arrived != told.Arrived() {
				t.Fatalf("%s: %+v of %d and %d, %+v", w.key(), told, arrived[w], missed[w], sums[w])
			}
		}
	})
}

// Of two edges into the sink one brings 5 of 10 events and the other all of 9990. Both were given the latency of all of these, so that the
// edge that loses half had a p99 of a few milliseconds.
func TestAnEdgeOfSeveralIsNotDilutedByTheOthers(t *testing.T) {
	small, large := missingOn("eu..sink", 5, 0), missingOn("us..sink", 0, 0)
	small.Delivered, large.Delivered = 5, 9990
	got := told(ways([]store.Verdict{small, large}, map[string]latency.Histogram{"sink": {Counts: map[int32]uint64{3: 9995}}}, nil))
	in, not := &api.Quantile{Lower: value(8), Upper: value(16)}, &api.Quantile{NotArrived: true}
	for i, want := range []api.LatencyOf{
		{Edge: "eu..sink", Hop: "sink", Distribution: api.Distribution{P50: in, P95: not, P99: not, Max: not, OfHop: true, Arrived: 5, NotArrived: 5}},
		{Edge: "us..sink", Hop: "sink", Distribution: api.Distribution{P50: in, P95: in, P99: in, Max: in, OfHop: true, Arrived: 9990}},
		{Hop: "sink", EndToEnd: true, Distribution: api.Distribution{P50: in, P95: in, P99: in, Max: not, Arrived: 9995, NotArrived: 5}},
	} {
		want.RelativeError, want.Measured, want.Buckets = 1, 9995, []api.Bucket{{Lower: 8, Upper: 16, Count: 9995}}
		if d := cmp.Diff(want, got[i]); d != "" {
			t.Error(d)
		}
	}
}

// A request for one edge reads the verdicts of that one, and must know of the others all the same.
func TestAnEdgeOfSeveralIsKnownAsOneByItself(t *testing.T) {
	f := newFixture(t)
	info := f.auditor.infos["orders"]
	info.Edges = append(info.Edges, store.Edge{From: "web", To: "sink"})
	f.auditor.infos["orders"] = info
	f.store.latencies = map[store.LatencyKey]latency.Histogram{{Start: testStart, Hop: "sink"}: {Zero: 900}}
	f.auditor.verdicts[0].Delivered = 7
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00Z&edge=agent..sink")
	if len(p.Whole) != 1 || !p.Whole[0].OfHop || p.Whole[0].Arrived != 7 || p.Whole[0].Measured != 900 {
		t.Errorf("%+v", p.Whole)
	}
}

func TestWhatArrivedAndNobodyMeasuredIsTold(t *testing.T) {
	eu, us := missingOn("eu..sink", 1, 0), missingOn("us..sink", 0, 0)
	eu.Delivered, us.Delivered = 100, 200
	for _, measured := range []uint64{0, 120} {
		all := told(ways([]store.Verdict{eu, us}, map[string]latency.Histogram{"sink": {Zero: measured}}, nil))
		if sink := all[len(all)-1]; sink.Hop != "sink" || sink.Untold != 300-measured || sink.Arrived != 300 {
			t.Errorf("of 300 that arrived %d are measured: %+v", measured, sink)
		}
	}
}

func TestWindowsThatMayStillChangeAreCounted(t *testing.T) {
	f := measuredOrders(t)
	f.auditor.verdicts[3].State = store.Open     // app..agent, second window
	f.auditor.verdicts[4].State = store.Unknown  // agent..sink, third
	f.auditor.verdicts[8].State = store.Settling // agent..sink, fifth
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00Z&limit=1")
	var got []string
	for _, w := range p.Whole {
		got = append(got, fmt.Sprintf("%s%s: %d of %d, %d unknown", w.Edge, w.Hop, w.NotClosed, w.Windows, w.Unknown))
	}
	want := []string{"agent..sinksink: 2 of 5, 1 unknown", "app..agentagent: 1 of 5, 0 unknown", "agent: 1 of 5, 0 unknown", "sink: 3 of 5, 1 unknown"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The same in a row of a window: nine thousand events of another edge hid that half of this one's have not arrived.
func TestARowOfAWindowIsNotDilutedByOtherEdges(t *testing.T) {
	h := latency.Histogram{Counts: map[int32]uint64{3: 9995}, NotArrived: 5}
	want := &api.Latency{P50: 16, P95: 16, P99: 16, Max: 16, RelativeError: 1, NotArrived: 5, Beyond: []string{"p95", "p99", "max"}}
	if d := cmp.Diff(want, percentiles(h, 5)); d != "" {
		t.Error(d)
	}
	if all := percentiles(h, 9995); !slices.Equal(all.Beyond, []string{"max"}) {
		t.Errorf("of all: %+v", all)
	}
}
