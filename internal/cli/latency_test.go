package cli

import (
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcallhq/rollcall/inspector/api"
)

func between(lower, upper float64) *api.Quantile { return &api.Quantile{Lower: &lower, Upper: &upper} }

// latencyOf is a latency of which the slowest two have not arrived.
func latencyOf(edge, hop string) api.LatencyOf {
	of := api.LatencyOf{Edge: edge, Hop: hop, EndToEnd: edge == "" && hop == "warehouse", Distribution: api.Distribution{
		P50: between(0, 0), P95: between(38.05, 41.5), P99: between(939.01, 1024), Max: &api.Quantile{NotArrived: true}, RelativeError: 0.0905,
		Measured: 1998, NotArrived: 2, Buckets: []api.Bucket{{Count: 1000}, {Lower: 32, Upper: 38.05, Count: 998}},
	}}
	of.NotArrivedAtMost = of.EndToEnd
	if of.OfHop = of.Edge != ""; of.OfHop {
		of.Untold = 7
	}
	return of
}

// latencyPages answers with three rows on two pages, of which only the first has more than rows; for one edge with what was hardly measured.
func latencyPages(w http.ResponseWriter, r *http.Request) {
	ahead, behind := int64(61_500), int64(-3200)
	first := api.LatencyPage{
		Items: []api.LatencyWindow{
			{Start: minute, Seconds: 60, LatencyOf: latencyOf("agent..warehouse", "warehouse")}, {Start: minute, Seconds: 60, LatencyOf: latencyOf("", "agent")},
		},
		Next: "two", Whole: []api.LatencyWhole{{LatencyOf: latencyOf("agent..warehouse", "warehouse"), Standing: api.Standing{Windows: 60}}, {LatencyOf: latencyOf("", "warehouse"), Standing: api.Standing{Windows: 60, NotClosed: 3, Unknown: 1}}},
		Freshness: []api.Freshness{{Edge: "agent..warehouse", Start: &minute, Seconds: 60, AgeMillis: 123_456}, {Edge: "app..agent", NothingSince: &minute}},
		Clocks: []api.Clock{
			{Host: "web-17", AtLeastAhead: &ahead, Reports: 12}, {Host: "db-1", AtLeastAhead: &behind, Reports: 12, Negative: 1}, {AtLeastAhead: new(int64), Reports: 3},
		},
	}
	bare := api.LatencyOf{Edge: "app..agent", Hop: "agent", Distribution: api.Distribution{
		P50: between(0, math.MaxFloat64), P95: between(1e12, 2e12), RelativeError: math.MaxFloat64, Negative: 4,
	}}
	switch q := r.URL.Query(); {
	case q.Get("edge") == "app..agent":
		answer(w, http.StatusOK, api.LatencyPage{Items: []api.LatencyWindow{{Start: minute, LatencyOf: bare}}, Whole: []api.LatencyWhole{{LatencyOf: bare}}})
	case q.Get("cursor") == "two":
		answer(w, http.StatusOK, api.LatencyPage{Items: []api.LatencyWindow{{Start: minute, Seconds: 60, LatencyOf: latencyOf("", "warehouse")}}})
	default:
		answer(w, http.StatusOK, first)
	}
}

func TestAPercentileThatHasNotArrivedIsNoNumber(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{"GET /streams/orders/windows": pages(window(minute, "app..agent", "open", func(w *api.Window) {
		w.Latency = &api.Latency{P50: 4, P95: 20, P99: 41.6, Max: 90, NotArrived: 3, Beyond: []string{"p99", "max"}}
	}))})
	if got := run(t, s, "windows", "orders"); !strings.Contains(got.out, notArrived) || strings.Contains(got.out, "42") {
		t.Errorf("the table says\n%s", got.out)
	}
}
