package cli

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

func share(of float64) *float64 { return &of }

func TestObjectivesThatBurnAreABadAnswerAndAnEventMissedIsNeverRoundedAway(t *testing.T) {
	good := api.Objective{
		Stream: "orders", Objective: "completeness", Target: 0.9999, Days: 28, Events: 100_000_000, Bad: 1, Share: share(0.99999999), BudgetLeft: 0.99999,
		Burn: []api.BurnRate{{SpanMillis: 3_600_000, Rate: 0.5}}, Alarms: []string{},
	}
	burns := good
	burns.Objective, burns.ThresholdMillis, burns.Target, burns.Alarms = "latency", 30_000, 0.99, []string{"14.4 over 1 h and 5 min"}
	idle := api.Objective{Stream: "orders", Objective: "validity", Target: 0.99, Days: 28, BudgetLeft: 1}
	rows := []api.Objective{good, idle}
	s := server(t, map[string]http.HandlerFunc{
		"GET /streams":                   pages(api.Stream{Stream: "orders", Settings: api.Settings{Objectives: &api.Objectives{Completeness: 0.9999}}}, api.Stream{Stream: "other"}),
		"GET /streams/orders/objectives": func(w http.ResponseWriter, r *http.Request) { pages(rows...)(w, r) },
	})
	got := run(t, s, "objectives")
	want := "STREAM  OBJECTIVE      TARGET     EVENTS  BAD     MET BY  BUDGET LEFT  BURN 1 H  ALARMS\n" +
		"orders  completeness  99.99 %  100000000    1  99.9999 %      99.99 %       0.5  -\n" +
		"orders  validity         99 %          0    0          -        100 %         -  -\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Good {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	rows = []api.Objective{burns}
	if got := run(t, s, "objectives", "orders"); got.code != Bad {
		t.Errorf("one burns: exit code %d: %s", got.code, got.out)
	}
	rows = nil
	if got := run(t, s, "objectives", "orders"); got.code != Good || got.out != "No objective.\n" {
		t.Errorf("none: exit code %d: %s", got.code, got.out)
	}
}
