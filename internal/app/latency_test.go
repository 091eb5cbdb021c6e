package app

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// slow reports ten events of a window: one stops before the relay, and of the nine that it takes over, three by a second instance with another
// histogram, the sink has one event less. All clocks go on, but for the relay's second host, which is an hour ahead.
func slow(start, now time.Time) string {
	took := func(histogram string) string { return `,"latency":` + histogram }
	return reports(
		start,
		said{hop: "app", emitter: "1", host: "web-17", seen: "[0,9]", window: took(`{"scale":3,"zero":10}`), at: now.Add(-40 * time.Second)},
		said{hop: "relay", after: "app", emitter: "2", host: "relay-1", seen: "[0,5]", window: took(`{"scale":3,"counts":{"8":6}}`), at: now.Add(-20 * time.Second)},
		said{hop: "relay", after: "app", emitter: "3", host: "relay-2", seen: "[6,8]", window: took(`{"scale":2,"counts":{"5":2},"negative":1}`), at: now.Add(time.Hour)},
		said{hop: "sink", after: "relay", emitter: "4", host: "lake-1", seen: "[0,7]", window: took(`{"scale":3,"counts":{"80":8}}`), at: now.Add(2 * time.Hour)},
	)
}

func TestLatencyIsThatOfTheReportsAndWhatIsMissing(t *testing.T) {
	a := serving(t)
	now := time.Now().UTC()
	start := now.Add(-10 * time.Minute).Truncate(time.Minute)
	post(t, a, "/reports", slow(start, now))
	var early, p api.LatencyPage
	path := "/api/v1/streams/orders/latency?from=" + start.Format(time.RFC3339)
	wait(t, "both edges are judged", func() bool { ask(t, a, path, &early); return delivering(early) == 2 })
	ask(t, a, path, &p) // the freshness is read last, and may know more than the rows
	lost, thousands := &api.Quantile{NotArrived: true}, bounds(1024, math.Exp2(10.125))
	want := []api.LatencyWhole{
		{LatencyOf: api.LatencyOf{Edge: "app..relay", Hop: "relay", Distribution: api.Distribution{P50: bounds(2, math.Exp2(1.25)), Measured: 8, Negative: 1, Arrived: 9, NotArrived: 1}}},
		{LatencyOf: api.LatencyOf{Edge: "relay..sink", Hop: "sink", Distribution: api.Distribution{P50: thousands, Measured: 8, Arrived: 8, NotArrived: 1}}},
		{LatencyOf: api.LatencyOf{Hop: "app", Distribution: api.Distribution{P50: bounds(0, 0), Measured: 10, Arrived: 10}}},
		{LatencyOf: api.LatencyOf{Hop: "relay", Distribution: api.Distribution{P50: bounds(2, math.Exp2(1.25)), Measured: 8, Negative: 1, Arrived: 9, NotArrived: 1}}},
		{LatencyOf: api.LatencyOf{Hop: "sink", EndToEnd: true, Distribution: api.Distribution{P50: thousands, Measured: 8, Arrived: 8, NotArrived: 2}}},
	}
	for i := range want {
		want[i].P95, want[i].P99, want[i].Max = lost, lost, lost
	}
	want[2].P95, want[2].P99, want[2].Max = want[2].P50, want[2].P50, want[2].P50
	ignored := cmpopts.IgnoreFields(api.Distribution{}, "Buckets", "RelativeError")
	counted := cmpopts.IgnoreFields(api.LatencyWhole{}, "Standing") // some are still open
	for _, w := range p.Whole {
		if w.Windows == 0 || w.NotClosed > w.Windows || w.Unknown > 0 {
			t.Errorf("%s%s: %d of %d windows are not closed", w.Edge, w.Hop, w.NotClosed, w.Windows)
		}
	}
	if d := cmp.Diff(want, p.Whole, ignored, counted, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Error(d)
	}
	for _, f := range p.Freshness {
		if f.Start == nil || !f.Start.Equal(start) || f.AgeMillis < 10*60_000 || f.AgeMillis-f.AgeAtLeastMillis != 60_000 {
			t.Errorf("freshness %+v", f)
		}
	}
	if c := p.Clocks[0]; len(p.Freshness) != 2 || len(p.Clocks) != 4 || c.Host != "relay-2" || c.Negative != 1 || *c.AtLeastAhead < 3_500_000 {
		t.Errorf("freshness %+v, clocks %+v", p.Freshness, p.Clocks)
	}
	var one api.Page[api.Window]
	ask(t, a, "/api/v1/streams/orders/windows?edge=relay..sink&from="+start.Format(time.RFC3339), &one)
	if l := one.Items[0].Latency; l == nil || l.P99 != *thousands.Upper || l.NotArrived != 1 || !cmp.Equal(l.Beyond, []string{"p95", "p99", "max"}) {
		t.Errorf("the window's latency is %+v", l)
	}
}

// delivering counts the edges that delivered something.
func delivering(p api.LatencyPage) (n int) {
	for _, f := range p.Freshness {
		if f.Start != nil {
			n++
		}
	}
	return n
}

func bounds(lower, upper float64) *api.Quantile { return &api.Quantile{Lower: &lower, Upper: &upper} }
