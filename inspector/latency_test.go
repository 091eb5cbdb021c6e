package inspector

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

func TestPercentilesAreUpperBoundsAndLeaveSkewOut(t *testing.T) {
	for _, c := range []struct {
		name string
		in   latency.Histogram
		want *api.Latency
	}{
		{"nothing measured", latency.Histogram{Negative: 4}, nil},
		{"nothing arrived", latency.Histogram{NotArrived: 4}, nil},
		{"all at once", latency.Histogram{Zero: 3, Negative: 4}, &api.Latency{Negative: 4}},
		{"half at once", latency.Histogram{Zero: 1, Counts: map[int32]uint64{3: 1}}, &api.Latency{P95: 16, P99: 16, Max: 16, RelativeError: 1}},
		{"below a millisecond", latency.Histogram{Counts: map[int32]uint64{-3: 1}}, &api.Latency{P50: 0.25, P95: 0.25, P99: 0.25, Max: 0.25, RelativeError: 1}},
		{"finer scale", latency.Histogram{Scale: 1, Counts: map[int32]uint64{3: 1}}, &api.Latency{P50: 4, P95: 4, P99: 4, Max: 4, RelativeError: math.Sqrt2 - 1}},
		{"coarser scale", latency.Histogram{Scale: -1, Counts: map[int32]uint64{1: 1}}, &api.Latency{P50: 16, P95: 16, P99: 16, Max: 16, RelativeError: 3}},
		{"beyond a float", latency.Histogram{Counts: map[int32]uint64{2000: 1}},
			&api.Latency{P50: math.MaxFloat64, P95: math.MaxFloat64, P99: math.MaxFloat64, Max: math.MaxFloat64, RelativeError: 1}},
		{"one of two lost", latency.Histogram{Zero: 1, NotArrived: 1}, &api.Latency{NotArrived: 1, Beyond: []string{"p95", "p99", "max"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, percentiles(c.in, c.in.Arrived()), cmpopts.EquateApprox(1e-12, 0)); d != "" {
				t.Error(d)
			}
		})
	}
}

// missingOn is a verdict on an edge in the form app..agent.
func missingOn(edge string, lost, pending uint64) store.Verdict {
	from, to, _ := strings.Cut(edge, "..")
	v := store.Verdict{Stream: "orders", Start: testStart, Seconds: 60, Edge: store.Edge{From: from, To: to}, State: store.Open}
	v.Lost, v.Pending = lost, pending
	return v
}

// bringing is a verdict on an edge that delivered so many events and misses none.
func bringing(delivered uint64, edge string) store.Verdict {
	v := missingOn(edge, 0, 0)
	v.Delivered = delivered
	return v
}

// summary is a row in short: what it is of, what it measured, what has not arrived.
func summary(of api.LatencyOf) string {
	text := fmt.Sprintf("%s: %d measured, %d not arrived", of.Hop, of.Measured, of.NotArrived)
	if of.Edge != "" {
		text = fmt.Sprintf("%s: %d measured, %d not arrived", of.Edge, of.Measured, of.NotArrived)
	}
	if of.NotArrivedAtMost {
		text += " at most"
	}
	if of.EndToEnd {
		text += ", end to end"
	}
	return text
}

func summaryOfWhole(w api.LatencyWhole) string { return summary(w.LatencyOf) }

func TestAnEventIsMissingOnTheEdgeWhereItStoppedAndOnTheWayToAllLaterHops(t *testing.T) {
	some := func(n uint64) latency.Histogram { return latency.Histogram{Counts: map[int32]uint64{4: n}} }
	for _, c := range []struct {
		name     string
		verdicts []store.Verdict
		measured map[string]latency.Histogram
		want     []string
	}{
		{"a chain", []store.Verdict{missingOn("app..agent", 2, 1), missingOn("agent..sink", 4, 0)},
			map[string]latency.Histogram{"app": some(10), "agent": some(7), "sink": some(3)}, []string{
				"agent..sink: 3 measured, 4 not arrived", "app..agent: 7 measured, 3 not arrived",
				"agent: 7 measured, 3 not arrived", "app: 10 measured, 0 not arrived", "sink: 3 measured, 7 not arrived, end to end",
			}},
		{"a fan-out", []store.Verdict{missingOn("app..agent", 2, 0), missingOn("agent..disk", 4, 0), missingOn("agent..sink", 0, 8)},
			map[string]latency.Histogram{"sink": some(1)}, []string{
				"agent..disk: 0 measured, 4 not arrived", "agent..sink: 1 measured, 8 not arrived", "app..agent: 0 measured, 2 not arrived",
				"agent: 0 measured, 2 not arrived", "disk: 0 measured, 6 not arrived, end to end", "sink: 1 measured, 10 not arrived, end to end",
			}},
		{"two first hops", []store.Verdict{missingOn("phone..agent", 2, 0), missingOn("web..agent", 4, 0)}, nil, []string{
			"phone..agent: 0 measured, 2 not arrived", "web..agent: 0 measured, 4 not arrived", "agent: 0 measured, 6 not arrived, end to end",
		}},
		{"ways that part and meet", []store.Verdict{missingOn("app..a", 5, 0), missingOn("app..b", 1, 0), bringing(5, "a..sink"), bringing(5, "b..sink")},
			map[string]latency.Histogram{"sink": some(9)}, []string{
				"a..sink: 9 measured, 0 not arrived", "app..a: 0 measured, 5 not arrived", "app..b: 0 measured, 1 not arrived", "b..sink: 9 measured, 0 not arrived",
				"a: 0 measured, 5 not arrived", "b: 0 measured, 1 not arrived", "sink: 9 measured, 1 not arrived at most, end to end",
			}},
		{"a cycle", []store.Verdict{missingOn("a..b", 1, 0), missingOn("b..a", 2, 0)}, nil, []string{
			"a..b: 0 measured, 1 not arrived", "b..a: 0 measured, 2 not arrived", "a: 0 measured, 2 not arrived", "b: 0 measured, 1 not arrived",
		}},
		{"a hop without edges", nil, map[string]latency.Histogram{"app": some(1), "idle": {}}, []string{"app: 1 measured, 0 not arrived, end to end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, rows(told(ways(c.verdicts, c.measured, nil)), summary)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAHopThatMeasuresNothingIsNotSaidToReceiveNothing(t *testing.T) {
	v := missingOn("app..agent", 5, 0)
	v.Delivered = 995
	for w, taken := range ways([]store.Verdict{v}, nil, nil) {
		if taken.Empty() {
			continue // the first hop: nobody says how much it took over
		}
		at := taken.Quantiles(500, 1000)
		if at[0].Kind != latency.Unmeasured || at[1].Kind != latency.NotArrived {
			t.Errorf("%s: the median of 995 that arrived and 5 that did not is %+v, the greatest %+v", w.key(), at[0], at[1])
		}
	}
}

// measuredOrders is the fixture with two windows in which agent and sink measured something, at two scales; in the first three events are lost.
func measuredOrders(t *testing.T) *fixture {
	f := newFixture(t)
	f.store.latencies = map[store.LatencyKey]latency.Histogram{
		{Start: testStart, Hop: "agent"}:                  {Scale: 3, Counts: map[int32]uint64{79: 97}, Negative: 1},
		{Start: testStart.Add(time.Minute), Hop: "agent"}: {Scale: 1, Counts: map[int32]uint64{3: 1}, Zero: 99},
		{Start: testStart.Add(time.Minute), Hop: "sink"}:  {Counts: map[int32]uint64{20: 1}},
	}
	return f
}

func value(v float64) *float64 { return &v }

func TestLatencyIsToldByWindowAndMergedOverTheRange(t *testing.T) {
	f := measuredOrders(t)
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00Z&edge=app..agent")
	lost, in := &api.Quantile{NotArrived: true}, &api.Quantile{Lower: value(math.Exp2(79.0 / 8)), Upper: value(1024)}
	first := api.LatencyOf{Edge: "app..agent", Hop: "agent", Distribution: api.Distribution{
		P50: in, P95: in, P99: lost, Max: lost, RelativeError: math.Exp2(0.125) - 1, Measured: 97, Negative: 1, NotArrived: 3,
		Buckets: []api.Bucket{{Lower: math.Exp2(9.75), Upper: 1024, Count: 97}},
	}}
	at, mid := &api.Quantile{Lower: value(0), Upper: value(0)}, &api.Quantile{Lower: value(math.Exp2(1.5)), Upper: value(4)}
	second := api.LatencyOf{Edge: "app..agent", Hop: "agent", Distribution: api.Distribution{
		P50: at, P95: at, P99: at, Max: mid, RelativeError: math.Sqrt2 - 1, Measured: 100, Buckets: []api.Bucket{{Count: 99}, {Lower: math.Exp2(1.5), Upper: 4, Count: 1}},
	}}
	top := &api.Quantile{Lower: value(math.Exp2(9.5)), Upper: value(1024)}
	first.Arrived, second.Arrived = 98, 100
	// Of 198 that arrived one gives no number. The median of all 201 is the one below which half of these are: the 100th of 197, after 99 that came at once.
	whole := api.LatencyWhole{Standing: api.Standing{Windows: 5}, LatencyOf: api.LatencyOf{Edge: "app..agent", Hop: "agent", Distribution: api.Distribution{
		P50: mid, P95: top, P99: lost, Max: lost, RelativeError: math.Sqrt2 - 1, Measured: 197, Negative: 1, Arrived: 198, NotArrived: 3,
		Buckets: []api.Bucket{{Count: 99}, {Lower: math.Exp2(1.5), Upper: 4, Count: 1}, {Lower: math.Exp2(9.5), Upper: 1024, Count: 97}},
	}}}
	want := api.LatencyPage{
		Items: []api.LatencyWindow{{Start: testStart, Seconds: 60, LatencyOf: first}, {Start: testStart.Add(time.Minute), Seconds: 60, LatencyOf: second}},
		Whole: []api.LatencyWhole{whole},
	}
	if d := cmp.Diff(want, p, cmpopts.EquateApprox(1e-12, 0), cmpopts.IgnoreFields(api.LatencyPage{}, "Freshness")); d != "" {
		t.Error(d)
	}
}

func TestLatencyComesPageByPageAndWholeOnce(t *testing.T) {
	f := measuredOrders(t)
	path := "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00.5Z&limit=2"
	var got []string
	first := read[api.LatencyPage](f, path)
	for p := first; ; p = read[api.LatencyPage](f, path+"&cursor="+p.Next) {
		if len(p.Items) > 2 || len(got) > 0 && (p.Whole != nil || p.Freshness != nil || p.Clocks != nil) {
			t.Fatalf("a page of %d rows after %v, whole %v", len(p.Items), got, p.Whole)
		}
		got = append(got, rows(p.Items, func(w api.LatencyWindow) string { return w.Start.Format("05:04 ") + summary(w.LatencyOf) })...)
		if p.Next == "" {
			break
		}
	}
	want := []string{
		"00:09 app..agent: 97 measured, 3 not arrived", "00:09 agent: 97 measured, 3 not arrived", "00:09 sink: 0 measured, 3 not arrived, end to end",
		"00:10 agent..sink: 1 measured, 0 not arrived", "00:10 app..agent: 100 measured, 0 not arrived",
		"00:10 agent: 100 measured, 0 not arrived", "00:10 sink: 1 measured, 0 not arrived, end to end",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	whole := []string{
		"agent..sink: 1 measured, 0 not arrived", "app..agent: 197 measured, 3 not arrived",
		"agent: 197 measured, 3 not arrived", "sink: 1 measured, 3 not arrived, end to end",
	}
	if d := cmp.Diff(whole, rows(first.Whole, summaryOfWhole)); d != "" {
		t.Error(d)
	}
}

func TestTheWholeGoesOnBeyondThePage(t *testing.T) {
	f := measuredOrders(t)
	f.store.latencies[store.LatencyKey{Start: testStart.Add(20 * time.Minute), Hop: "late"}] = latency.Histogram{Zero: 8}
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:09:00Z&limit=1")
	if got := rows(p.Whole, summaryOfWhole); len(p.Items) != 1 || !slices.Contains(got, "late: 8 measured, 0 not arrived, end to end") {
		t.Errorf("%d rows, whole %v", len(p.Items), got)
	}
}

func TestWindowsOfARangeAreThoseThatStartInItToTheFractionOfASecond(t *testing.T) {
	f := measuredOrders(t)
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?edge=app..agent&from=2026-11-22T05:09:00.001Z&to=2026-11-22T05:10:00.001Z")
	if got := rows(p.Items, latencyKey); len(got) != 1 || !p.Items[0].Start.Equal(testStart.Add(time.Minute)) {
		t.Errorf("rows %v", got)
	}
}

func TestFreshnessIsTheAgeOfTheWindowOfTheNewestDelivered(t *testing.T) {
	f := newFixture(t)
	f.store.newest = map[store.Edge]store.Delivery{
		appAgent:                  {Start: testNow.Add(-30 * time.Second), Seconds: 60},
		agentSink:                 {Start: testNow.Add(-2 * time.Hour), Seconds: 60},
		{From: "app", To: "gone"}: {Start: testNow.Add(-8 * 24 * time.Hour), Seconds: 60},
	}
	at := func(ago time.Duration) *time.Time { return some(testNow.Add(-ago)) }
	want := []api.Freshness{
		{Edge: "agent..sink", Start: at(2 * time.Hour), Seconds: 60, AgeMillis: 7_200_000, AgeAtLeastMillis: 7_140_000},
		{Edge: "app..agent", Start: at(30 * time.Second), Seconds: 60, AgeMillis: 30_000},
	}
	if d := cmp.Diff(want, read[api.LatencyPage](f, "/api/v1/streams/orders/latency").Freshness); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[1:], read[api.LatencyPage](f, "/api/v1/streams/orders/latency?edge=app..agent").Freshness); d != "" {
		t.Error(d)
	}
}

// An edge that was silent for a week had no row, and so looked as if there were none.
func TestAnEdgeThatDeliveredNothingSaysSinceWhenThatIsKnown(t *testing.T) {
	f := newFixture(t)
	f.store.newest = map[store.Edge]store.Delivery{appAgent: {Start: testNow.Add(-8 * 24 * time.Hour), Seconds: 60}}
	want := func(since time.Time) []api.Freshness {
		age := testNow.Sub(since).Milliseconds()
		row := func(edge string) api.Freshness {
			return api.Freshness{Edge: edge, NothingSince: &since, AgeMillis: age, AgeAtLeastMillis: age}
		}
		return []api.Freshness{row("agent..sink"), row("app..agent")}
	}
	got := func() []api.Freshness {
		return read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00Z").Freshness
	}
	info := f.auditor.infos["orders"]
	if d := cmp.Diff(want(info.Earliest), got()); d != "" { // the stream is younger than a week
		t.Error(d)
	}
	info.Earliest = testNow.Add(-90 * 24 * time.Hour)
	f.auditor.infos["orders"] = info
	if d := cmp.Diff(want(testNow.Add(-7*24*time.Hour)), got()); d != "" {
		t.Error(d)
	}
}

func TestClocksComeTheMostSkewedFirst(t *testing.T) {
	f := newFixture(t)
	f.store.clocks = []store.HostClock{
		{Host: "silent", Measured: 5}, {Host: "behind", Ahead: -3 * time.Second, Lowest: -3 * time.Second, Transit: time.Second, Reports: 2, Measured: 9},
		{Host: "was behind", Lowest: -2 * time.Minute, Reports: 50},
		{Host: "good", Ahead: -4 * time.Millisecond, Reports: 2}, {Host: "skewed", Ahead: -8 * time.Millisecond, Reports: 1, Negative: 4},
	}
	ahead := func(ms int64) *int64 { return &ms }
	want := []api.Clock{
		{Host: "skewed", AtLeastAhead: ahead(-8), Lowest: ahead(0), Transit: ahead(0), Reports: 1, Negative: 4},
		{Host: "was behind", AtLeastAhead: ahead(0), Lowest: ahead(-120_000), Transit: ahead(0), Reports: 50},
		{Host: "behind", AtLeastAhead: ahead(-3000), Lowest: ahead(-3000), Transit: ahead(1000), Reports: 2, Measured: 9},
		{Host: "good", AtLeastAhead: ahead(-4), Lowest: ahead(0), Transit: ahead(0), Reports: 2}, {Host: "silent", Measured: 5},
	}
	if d := cmp.Diff(want, read[api.LatencyPage](f, "/api/v1/streams/orders/latency").Clocks); d != "" {
		t.Error(d)
	}
	for i := range 2 * mostClocks {
		f.store.clocks = append(f.store.clocks, store.HostClock{Host: fmt.Sprint(i)})
	}
	if n := len(read[api.LatencyPage](f, "/api/v1/streams/orders/latency").Clocks); n != mostClocks {
		t.Errorf("%d clocks", n)
	}
}

func TestAWeekOfLatencyIsReadADayAtATime(t *testing.T) {
	f := newFixture(t)
	info := f.auditor.infos["orders"]
	info.Earliest = testStart.Add(-30 * 24 * time.Hour)
	f.auditor.infos["orders"] = info
	read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-15T05:00:00Z&to=2026-11-22T05:00:00Z")
	if most := slices.Max(f.auditor.asked); most != 24*time.Hour || len(f.auditor.asked) > 12 {
		t.Errorf("asked for %v", f.auditor.asked)
	}
}

func TestHugeLatenciesAreToldInNumbersThatJSONHolds(t *testing.T) {
	f := newFixture(t)
	f.store.latencies = map[store.LatencyKey]latency.Histogram{
		{Start: testStart, Hop: "agent"}: {Scale: -10, Counts: map[int32]uint64{math.MaxInt32: math.MaxUint64, math.MinInt32: 1}, Zero: 5, Negative: math.MaxUint64},
	}
	p := read[api.LatencyPage](f, "/api/v1/streams/orders/latency?from=2026-11-22T05:00:00Z&edge=app..agent")
	if len(p.Items) != 1 || p.Items[0].Measured != math.MaxUint64 || *p.Items[0].P99.Upper != math.MaxFloat64 {
		t.Errorf("%+v", p)
	}
}

func TestMergingWindowsKeepsTheirLatencies(t *testing.T) {
	one := map[way]taken{{hop: "sink"}: {Histogram: latency.Histogram{Counts: map[int32]uint64{1: 1}}, endToEnd: true}}
	whole := map[way]taken{}
	merge(whole, one)
	merge(whole, one)
	merge(whole, map[way]taken{{hop: "sink"}: {endToEnd: false}}) // nothing came by then, nor is there anything to come
	if got := whole[way{hop: "sink"}]; got.Counts[1] != 2 || !got.endToEnd || !maps.Equal(one[way{hop: "sink"}].Counts, map[int32]uint64{1: 1}) {
		t.Errorf("merged %+v of %+v", got, one)
	}
}
