package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// sawForeign adds foreign UIDs of the first minute to a report, each taken over once.
func sawForeign(r *wire.Report, uids ...string) *wire.Report {
	w := wire.Window{Start: five, Seconds: 60}
	for _, uid := range uids {
		w.Foreign = append(w.Foreign, wire.Foreign{UID: uid, Count: 1})
	}
	r.Windows = append(r.Windows, w)
	return r
}

// foreign are the UIDs of one kind in the first minute.
func (s *scene) foreign(kind string) []string {
	s.t.Helper()
	items, _, found, err := NewReader(s.store).Named(s.t.Context(), s.stream, five, appSink, kind, "", 100, s.now)
	if err != nil || !found {
		s.t.Fatalf("found %v: %v", found, err)
	}
	var all []string
	for _, n := range items {
		all = append(all, n.UID)
	}
	return all
}

// strangers is a stream that loses one of three foreign events in its first minute.
func strangers(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		sawForeign(s.says("app", 1, 65), "order-1", "order-2", "order-3"), sawForeign(s.says("sink", 2, 74, "app"), "order-1", "order-2"))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 1, 0)
	return s
}

func TestAForeignEventThatComesAfterTheFirstClosedVerdictIsLateByName(t *testing.T) {
	s := strangers(t)
	if v := s.verdict(0, "app", "sink"); v.Late != 0 {
		t.Fatalf("%d late before anything came late", v.Late)
	}
	s.hear(200, s.says("app", 1, 190), sawForeign(s.says("sink", 2, 199, "app"), "order-3"))
	if v := s.verdict(0, "app", "sink"); v.State != store.Complete || v.Late != 1 || v.Duplicated != 0 {
		t.Fatalf("%+v", v)
	}
	if got := s.foreign("late"); !slices.Equal(got, []string{"order-3"}) {
		t.Fatalf("late are %v", got)
	}
	traces, err := NewReader(s.store).TraceForeign(t.Context(), "order-1")
	if err != nil || len(traces) != 1 || len(traces[0].Hops) != 2 || len(traces[0].Hops[1].Emitters) != 1 {
		t.Fatalf("what was kept of order-1 shows as an emitter: %v, %+v", err, traces)
	}
}

func TestForeignEventsAreWaivedByName(t *testing.T) {
	s := strangers(t)
	if found := s.resolve(store.WaiveLost, "order-1", "order-3"); !slices.Equal(found.Strange, []int{0}) {
		t.Fatalf("order-1 is not lost, and order-3 is; strange are %v", found.Strange)
	}
	s.waive(1, store.WaiveLost, "order-3")
	if v := s.verdict(0, "app", "sink"); v.Waived.Lost != 1 || !v.Good() {
		t.Fatalf("%+v", v)
	}
	if again := s.resolve(store.WaiveLost); len(again.Standing) != 1 {
		t.Fatalf("all that is lost is waived, and %v stands", again.Standing)
	}
}

func TestAReplayOfForeignEventsIsNoDuplicateOnceItIsDeclared(t *testing.T) {
	s := strangers(t)
	s.hear(300, s.replays(9, 290), sawForeign(s.replays(9, 299), "order-2", "order-3"))
	if v := s.verdict(0, "app", "sink"); v.State != store.Complete || v.Duplicated != 1 || v.Replayed != 0 {
		t.Fatalf("not declared: %+v", v)
	}
	if got := s.foreign("duplicated"); !slices.Equal(got, []string{"order-2"}) {
		t.Fatalf("duplicated are %v", got)
	}
	s.declare(five, five.Add(time.Minute))
	if v := s.verdict(0, "app", "sink"); v.Duplicated != 0 || v.Replayed != 1 {
		t.Fatalf("declared: %+v", v)
	}
	if got := s.foreign("replayed"); !slices.Equal(got, []string{"order-2"}) {
		t.Fatalf("replayed are %v", got)
	}
}
