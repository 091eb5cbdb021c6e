package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// held is an unknown revision with reasons, each "code hop".
func held(minute int, edge store.Edge, number uint32, second int, reasons ...string) store.Verdict {
	v := revision(minute, edge, number, store.Unknown, second)
	v.Pending = 40_000
	for _, r := range reasons {
		code, hop, _ := strings.Cut(r, " ")
		v.Reasons = append(v.Reasons, store.Reason{Code: code, Hop: hop, Host: "web-17", Text: hop + " on web-17: " + code})
	}
	return v
}

func decided(settings store.Settings, history ...store.Verdict) []store.Incident {
	return decideIncidents(evidence{settings: settings, history: inOrder(history)})
}

func TestABacklogIsSaidToBeDelayedAndCallsOnlyWhenItLasts(t *testing.T) {
	settings := store.DefaultSettings("orders")
	found := decided(settings, held(31, appSink, 1, 2000, "lane-behind sink"))
	if diff := gocmp.Diff([]string{"delayed 31..31 app..sink open"}, words(found)); diff != "" {
		t.Fatal(diff)
	}
	if want := "[DELAYED] orders app→sink 05:00Z: 40\u2009000 pending since 05:31, sink on web-17 holds them"; found[0].Text != want {
		t.Errorf("it says %q", found[0].Text)
	}
	if found[0].Lost != 0 || found[0].Events != 40_000 || found[0].Hold != backlogLasts {
		t.Errorf("%d lost, %d events, held back %s", found[0].Lost, found[0].Events, found[0].Hold)
	}
	settings.Objectives.Timeliness = 0.999
	if again := decided(settings, held(31, appSink, 1, 2000, "lane-behind sink")); again[0].Hold != 0 {
		t.Errorf("with an objective for timeliness it is held back %s", again[0].Hold)
	}
}

func TestABacklogOfWhichSomethingIsDarkIsUnknown(t *testing.T) {
	found := decided(store.DefaultSettings("orders"), held(0, appSink, 1, 200, "lane-behind sink", "emitter-dark sink"))
	if diff := gocmp.Diff([]string{"unknown 00..00 app..sink open"}, words(found)); diff != "" {
		t.Fatal(diff)
	}
	later := decided(store.DefaultSettings("orders"), held(0, appSink, 1, 200, "lane-behind sink"), held(0, appSink, 2, 300, "lane-dark sink"))
	if diff := gocmp.Diff([]string{"delayed 00..00 app..sink resolved", "unknown 00..00 app..sink open"}, words(later)); diff != "" {
		t.Fatal(diff)
	}
}

// A waiver is of one edge. Where that one told of the trouble, nobody heard of the others, which are as unknown as they were.
func TestWhatIsWaivedOnTheEdgeThatToldOfItIsToldOfTheNextOne(t *testing.T) {
	all := []store.Verdict{held(0, appSink, 1, 200, "emitter-dark sink"), held(0, sinkStore, 1, 200, "emitter-dark sink")}
	waive := func(edge store.Edge, second int) {
		v := held(0, edge, 2, second, "emitter-dark sink")
		v.Excused = true
		all = append(all, v)
	}
	waive(appSink, 300)
	want := []string{"unknown 00..00 app..sink resolved", "unknown 00..00 sink..store open"}
	if diff := gocmp.Diff(want, words(decided(store.DefaultSettings("orders"), all...))); diff != "" {
		t.Errorf("waived on the first edge: %s", diff)
	}
	waive(sinkStore, 400)
	want = []string{"unknown 00..00 app..sink resolved", "unknown 00..00 sink..store resolved"}
	if diff := gocmp.Diff(want, words(decided(store.DefaultSettings("orders"), all...))); diff != "" {
		t.Errorf("waived on both: %s", diff)
	}
	all = append(all, revision(0, appSink, 3, store.Complete, 500), revision(0, sinkStore, 3, store.Complete, 500))
	if diff := gocmp.Diff(want, words(decided(store.DefaultSettings("orders"), all...))); diff != "" {
		t.Errorf("known after all: %s", diff)
	}
}

func TestWhatHoldsEveryLaterEdgeIsToldOfOneEdge(t *testing.T) {
	all := []store.Verdict{held(0, appSink, 1, 200, "emitter-dark sink"), held(0, sinkStore, 1, 200, "emitter-dark sink")}
	if diff := gocmp.Diff([]string{"unknown 00..00 app..sink open"}, words(decided(store.DefaultSettings("orders"), all...))); diff != "" {
		t.Error(diff)
	}
	first := []store.Verdict{held(0, appSink, 1, 200, "emitter-dark app"), held(0, sinkStore, 1, 200, "emitter-dark app")}
	if diff := gocmp.Diff([]string{"unknown 00..00 app..sink open"}, words(decided(store.DefaultSettings("orders"), first...))); diff != "" {
		t.Error(diff)
	}
	settings := store.DefaultSettings("orders")
	settings.Edges = []store.Edge{sinkStore}
	found := slices.DeleteFunc(decided(settings, all...), func(i store.Incident) bool { return i.Bad == 0 })
	if diff := gocmp.Diff([]string{"unknown 00..00 sink..store open"}, words(found)); diff != "" {
		t.Errorf("where only the later edge is required: %s", diff)
	}
	alone := append(all, revision(0, appSink, 2, store.Complete, 300), held(0, sinkStore, 2, 300, "late-entry sink"))
	want := []string{"delayed 00..00 sink..store open", "unknown 00..00 app..sink resolved"}
	if diff := gocmp.Diff(want, words(decided(store.DefaultSettings("orders"), alone...))); diff != "" {
		t.Errorf("where the edge that answers is complete: %s", diff)
	}
}

// marked is a complete window with events that are bad one by one.
func marked(minute int, invalid, corrupt, duplicated uint64) store.Verdict {
	v := revision(minute, appSink, 1, store.Complete, 60*minute+75)
	v.Expected, v.Delivered, v.Checked, v.Invalid, v.Corrupt, v.Duplicated = 1000, 1000, 1000, invalid, corrupt, duplicated
	return v
}

func TestMarksOpenIncidentsOnlyWhereTheStreamAsksForThem(t *testing.T) {
	bad := marked(0, 3, 2, 1)
	if found := decided(store.DefaultSettings("orders"), bad); len(found) > 0 {
		t.Errorf("nobody asked: %v", words(found))
	}
	settings := store.DefaultSettings("orders")
	settings.AlertOn = []store.Cause{store.CauseInvalid, store.CauseCorrupt, store.CauseDuplicated}
	want := []string{"corrupt 00..00 app..sink open", "duplicated 00..00 app..sink open", "invalid 00..00 app..sink open"}
	if diff := gocmp.Diff(want, words(decided(settings, bad))); diff != "" {
		t.Error(diff)
	}
	settings = store.DefaultSettings("orders")
	settings.Objectives.Validity = 0.99
	if found := decided(settings, bad); len(found) > 0 {
		t.Errorf("3 of 1000 are within the objective: %v", words(found))
	}
	found := decided(settings, marked(0, 11, 0, 0))
	if len(found) != 1 || found[0].Events != 11 || found[0].Text != "[INVALID] orders app→sink 05:00Z: 11 of 1\u2009000 break their schema" {
		t.Errorf("11 of 1000 are not: %+v", found)
	}
}

func TestMarksNowAndThenAreOneIncidentThatEndsWithTenGoodMinutes(t *testing.T) {
	e := evidence{settings: store.DefaultSettings("orders"), history: inOrder([]store.Verdict{marked(0, 0, 1, 0), marked(9, 0, 1, 0), marked(30, 0, 1, 0)})}
	e.settings.AlertOn = []store.Cause{store.CauseCorrupt}
	e.latest = map[store.Edge]time.Time{appSink: five.Add(40 * time.Minute)}
	found := decideIncidents(e)
	if diff := gocmp.Diff([]string{"corrupt 00..09 app..sink resolved", "corrupt 30..30 app..sink open"}, words(found)); diff != "" {
		t.Fatal(diff)
	}
	e.latest[appSink] = five.Add(41 * time.Minute)
	later := decideIncidents(e)
	if later[1].State() != store.IncidentResolved || later[1].ID != found[1].ID || later[1].Version <= found[1].Version {
		t.Fatalf("%+v", later[1])
	}
}

// partition is a report of the sink that states how far a partition is.
func (s *scene) partition(seconds, reached int) *wire.Report {
	r := s.says("sink", 2, seconds, "app")
	r.Lanes, r.LaneCount = map[string]time.Time{"orders/0": five.Add(time.Duration(reached) * time.Second)}, 1
	return r
}

func TestAPartitionThatNobodySpeaksOfIsDarkAndOneThatIsBehindIsNot(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.partition(1, 1), saw(s.says("app", 1, 65), 0, span(0, 9)))
	for second := 90; second <= 390; second += 10 {
		s.hear(second, s.says("app", 1, second), s.partition(second, 30))
	}
	if v := s.verdict(0, "app", "sink"); v.State != store.Unknown || len(v.Reasons) != 1 || v.Reasons[0].Code != "lane-behind" {
		t.Fatalf("%s: %+v", v.State, v.Reasons)
	}
	if i := s.one(); i.Cause != store.CauseDelayed {
		t.Fatalf("%+v", i)
	}
	for second := 400; second <= 500; second += 10 {
		s.hear(second, s.says("app", 1, second))
	}
	v := s.verdict(0, "app", "sink")
	if v.State != store.Unknown || len(v.Reasons) != 1 || v.Reasons[0].Code != "lane-dark" || !v.Reasons[0].Last.Equal(five.Add(390*time.Second)) {
		t.Fatalf("%s: %+v", v.State, v.Reasons)
	}
	open, err := s.store.Incidents(t.Context(), store.IncidentFilter{State: store.IncidentOpen})
	if err != nil || len(open) == 0 || open[0].Cause != store.CauseUnknown {
		t.Fatalf("%+v, %v", open, err)
	}
}
