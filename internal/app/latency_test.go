package app

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// slow reports ten events of a window: one stops before the relay, and of the nine that it takes over, three by a second instance with another
// histogram, the sink has one event less. All clocks go on, but for the relay's second host, which is an hour ahead.
func slow(start, now time.Time) string {
	report := func(hop, after, emitter, host, seen, latency string, at time.Time) string {
		sent := at.Format(time.RFC3339)
		return fmt.Sprintf(`{"stream":"orders","hop":%q,"after":[%s],"emitter":"0199f0a0-1d2e-4abc-9def-00000000000%s","host":%q,"number":1,"sentAt":%q,"state":"RUNNING",`+
			`"lanes":{"":%q},"windows":[{"start":%q,"seconds":60,"latency":%s,"sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000","seen":{"ranges":[%s]}}]}]}`,
			hop, after, emitter, host, sent, sent, start.Format(time.RFC3339), latency, seen)
	}
	return `{"reports":[` + strings.Join([]string{
		report("app", "", "1", "web-17", "[0,9]", `{"scale":3,"zero":10}`, now.Add(-40*time.Second)),
		report("relay", `"app"`, "2", "relay-1", "[0,5]", `{"scale":3,"counts":{"8":6}}`, now.Add(-20*time.Second)),
		report("relay", `"app"`, "3", "relay-2", "[6,8]", `{"scale":2,"counts":{"5":2},"negative":1}`, now.Add(time.Hour)),
		report("sink", `"relay"`, "4", "lake-1", "[0,7]", `{"scale":3,"counts":{"80":8}}`, now.Add(2*time.Hour)),
	}, ",") + `]}`
}

func TestLatencyIsThatOfTheReportsAndWhatIsMissing(t *testing.T) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	a, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now().UTC()
	start := now.Add(-10 * time.Minute).Truncate(time.Minute)
	post(t, a, "/reports", slow(start, now))
	var early, p api.LatencyPage
	path := "/api/v1/streams/orders/latency?from=" + start.Format(time.RFC3339)
	wait(t, "both edges are judged", func() bool { ask(t, a, path, &early); return len(early.Freshness) == 2 })
	ask(t, a, path, &p) // the freshness is read last, and may know more than the rows
	lost, thousands := &api.Quantile{NotArrived: true}, bounds(1024, math.Exp2(10.125))
	want := []api.LatencyOf{
		{Edge: "app..relay", Hop: "relay", Distribution: api.Distribution{P50: bounds(2, math.Exp2(1.25)), Measured: 8, Negative: 1, NotArrived: 1}},
		{Edge: "relay..sink", Hop: "sink", Distribution: api.Distribution{P50: thousands, Measured: 8, NotArrived: 1}},
		{Hop: "app", Distribution: api.Distribution{P50: bounds(0, 0), Measured: 10}},
		{Hop: "relay", Distribution: api.Distribution{P50: bounds(2, math.Exp2(1.25)), Measured: 8, Negative: 1, NotArrived: 1}},
		{Hop: "sink", EndToEnd: true, Distribution: api.Distribution{P50: thousands, Measured: 8, NotArrived: 2}},
	}
	for i := range want {
		want[i].P95, want[i].P99, want[i].Max = lost, lost, lost
	}
	want[2].P95, want[2].P99, want[2].Max = want[2].P50, want[2].P50, want[2].P50
	ignored := cmpopts.IgnoreFields(api.Distribution{}, "Buckets", "RelativeError")
	if d := cmp.Diff(want, p.Whole, ignored, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Error(d)
	}
	for _, f := range p.Freshness {
		if !f.Start.Equal(start) || f.AgeMillis < 10*60_000 || f.AgeMillis-f.AgeAtLeastMillis != 60_000 {
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

func bounds(lower, upper float64) *api.Quantile { return &api.Quantile{Lower: &lower, Upper: &upper} }
