package reconcile

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// spentAt gives each of store.BudgetSpans a share of bad events out of 100 000.
func spentAt(shares ...float64) store.Spent {
	var s store.Spent
	for _, share := range shares {
		s.Total, s.Bad = append(s.Total, 100_000), append(s.Bad, uint64(share*100_000+0.5))
	}
	return s
}

func TestAlarmsRingOverTheLongAndTheShortSpanTogether(t *testing.T) {
	for _, c := range []struct {
		name       string
		spent      store.Spent
		fast, slow bool
	}{
		{"nothing", spentAt(0, 0, 0, 0, 0), false, false},
		{"14.4 over an hour and now", spentAt(0.0144, 0, 0.0144, 0, 0), true, false},
		{"14.4 over an hour and no more", spentAt(0.0143, 0, 0.0144, 0, 0), false, false},
		{"14.4 only now", spentAt(0.0144, 0, 0.0143, 0, 0), false, false},
		{"6 over six hours", spentAt(0, 0.006, 0, 0.006, 0), true, false},
		{"6 over six hours and no more", spentAt(0.1, 0.0059, 0, 0.006, 0), false, false},
		{"1 over three days", spentAt(0, 0, 0, 0.001, 0.001), false, true},
		{"1 over three days and no more", spentAt(0, 0, 0, 0.0009, 0.001), false, false},
		{"too short a history", spentAt(0.5), false, false},
	} {
		for _, slow := range []bool{false, true} {
			got := decideBurn("orders", store.Completeness, slow, 0.999, c.spent, five, nil)
			if want := slow && c.slow || !slow && c.fast; (len(got) == 1) != want {
				t.Errorf("%s, slow %v: %v", c.name, slow, words(got))
			}
		}
	}
	if got := decideBurn("orders", store.Completeness, false, 0, spentAt(1, 1, 1, 1, 1), five, nil); len(got) > 0 {
		t.Errorf("without a target: %v", words(got))
	}
}

func TestABudgetThatBurnsIsToldOnceAndEndsWhenItIsCalm(t *testing.T) {
	hot := spentAt(0.02, 0.02, 0.02, 0.02, 0.02)
	opened := decideBurn("orders", store.Latency, false, 0.99, spentAt(0.5, 0.5, 0.5, 0.5, 0.5), five, nil)
	if len(opened) != 1 || opened[0].Text != "[BURN] orders 05:00Z: 50\u2009000 of 100\u2009000 events too slow or not arrived in 1 h, 50 times what the objective of 99 % allows" {
		t.Fatalf("%+v", opened)
	}
	if again := decideBurn("orders", store.Latency, false, 0.99, spentAt(0.5, 0.5, 0.5, 0.5, 0.5), five.Add(time.Minute), &opened[0]); len(again) > 0 {
		t.Fatalf("told again: %+v", again)
	}
	over := decideBurn("orders", store.Latency, false, 0.99, hot, five.Add(time.Hour), &opened[0])
	if len(over) != 1 || over[0].State() != store.IncidentResolved || over[0].ID != opened[0].ID || over[0].Version <= opened[0].Version {
		t.Fatalf("%+v", over)
	}
}

func TestAnyEventBurnsABudgetOfNothing(t *testing.T) {
	if got := burnRate(1_000_000_000, 1, 1); got < 0.001 {
		t.Errorf("%g", got)
	}
	if got := burnRate(100, 100, 1); got != mostBurn {
		t.Errorf("%g", got)
	}
}

// budgets reads the sums of the 28 days before now.
func (s *scene) budgets() map[string][2]uint64 {
	s.t.Helper()
	spent, err := s.store.SpentOf(s.t.Context(), []store.SpentQuery{{Stream: s.stream, Fresh: time.Hour}}, len(store.BudgetSpans), s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string][2]uint64{}
	for objective, n := range spent[s.stream] {
		last := len(n.Total) - 1
		found[objective] = [2]uint64{n.Total[last], n.Bad[last]}
	}
	return found
}

// measured adds what the sink measured: fast events below the threshold of 30 s, slow ones above it, and some in the bucket that it lies in.
func measured(r *wire.Report, fast, at, slow uint64) *wire.Report {
	r.Windows[0].Latency = &wire.Latency{Scale: 0, Counts: map[int32]uint64{13: fast, 14: at, 15: slow}} // (8192, 16384], (16384, 32768], (32768, 65536] ms
	return r
}

func TestObjectivesCountWhatIsLostLateSlowAndInvalid(t *testing.T) {
	s := newScene(t, appSink)
	settings := store.DefaultSettings(s.stream)
	settings.Document = []byte(`{"objectives":{"completeness":0.999,"timeliness":0.99,"timelySeconds":60,"latencyP99Millis":30000,"validity":0.99}}`)
	settings.Edges = []store.Edge{appSink}
	if err := s.store.PutSettings(t.Context(), settings, five.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	app := saw(saw(s.says("app", 1, 130), 0, span(0, 99)), 1, span(100, 199))
	sink := measured(saw(s.says("sink", 2, 75, "app"), 0, span(0, 98), nil, nil, span(0, 1)), 90, 2, 7)
	s.hear(80, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 99)), sink)
	s.hear(140, app)
	s.hear(500, s.says("app", 1, 499), saw(s.says("sink", 2, 499, "app"), 1, span(100, 199)))
	s.hear(600, s.says("app", 1, 599), s.says("sink", 2, 599, "app"))
	want := map[string][2]uint64{
		store.Completeness: {200, 1},   // one is lost in the first window
		store.Timeliness:   {200, 100}, // the second one was closed long after its end
		store.Latency:      {100, 10},  // 2 in the bucket of the threshold, 7 above, 1 that never arrived; the second window was not measured
		store.Validity:     {99, 2},    // the sink tells no outcomes: it looked at all it took over where it names invalid events, and nobody knows of the second window
	}
	if diff := gocmp.Diff(want, s.budgets()); diff != "" {
		t.Fatal(diff)
	}
	s.hear(700, saw(s.says("sink", 2, 699, "app"), 0, span(99, 99)), s.says("app", 1, 699))
	s.wait(780)
	if got := s.budgets()[store.Completeness]; got != [2]uint64{200, 0} {
		t.Fatalf("after what was lost came: %v", got)
	}
	states, ok, err := NewReader(s.store).Objectives(t.Context(), s.stream, s.now)
	if err != nil || !ok || len(states) != 4 || states[0].Left != 1 || states[1].Left > 0 {
		t.Fatalf("%+v, %v, %v", states, ok, err)
	}
	found, err := s.store.OpenIncidents(t.Context(), []string{s.stream}, store.BurnCauses()...)
	if err != nil || len(found[s.stream]) == 0 || !strings.Contains(found[s.stream][0].Text, "[BURN]") {
		t.Fatalf("%+v, %v", found, err)
	}
}

func TestOldHoursAreSummedAgainOnlyWhereTheirWindowsWereJudged(t *testing.T) {
	now := five.Add(30 * time.Minute)
	w := &work{now: now, windows: map[time.Time]bool{five: true}, settings: store.DefaultSettings("orders")}
	if got := w.budgetQueries(); len(got) > 0 {
		t.Errorf("a report between two examinations has %d sums made", len(got))
	}
	w.windows[five.Add(-26*time.Hour+time.Minute)], w.windows[five.Add(-25*time.Hour)], w.windows[five.Add(-25*24*time.Hour)] = true, true, true
	w.derived = []time.Time{five.Add(29 * time.Minute)}
	var hours []string
	for _, q := range w.budgetQueries() {
		hours = append(hours, q.From.Format("02T15")+" "+q.To.Format("02T15"))
	}
	if diff := gocmp.Diff([]string{"22T03 22T06", "28T05 28T06", "21T03 21T05"}, hours); diff != "" {
		t.Error(diff)
	}
}
