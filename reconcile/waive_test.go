package reconcile

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// resolve asks what a waiver of hour five would cover.
func (s *scene) resolve(kind store.WaiverKind, uids ...string) store.Resolution {
	s.t.Helper()
	ask := store.WaiverRequest{Stream: s.stream, Hour: five, Edge: appSink, Kind: kind, Scope: store.WaiveAll, UIDs: uids}
	if len(uids) > 0 {
		ask.Scope = store.WaiveUIDs
	}
	found, known, err := NewReader(s.store).ResolveWaiver(s.t.Context(), ask, s.now)
	if err != nil || !known {
		s.t.Fatalf("known %v: %v", known, err)
	}
	return found
}

// waive waives what resolve finds, and has it judged.
func (s *scene) waive(n byte, kind store.WaiverKind, uids ...string) store.Resolution {
	s.t.Helper()
	found := s.resolve(kind, uids...)
	w := store.Waiver{ID: id(n), Stream: s.stream, Hour: five, Edge: appSink, Kind: kind, Scope: store.WaiveAll, Reason: "known", Who: "ada", MadeAt: s.now, Windows: found.Windows}
	if err := s.store.AddWaiver(s.t.Context(), w, found.Names); err != nil {
		s.t.Fatal(err)
	}
	s.pass()
	return found
}

func (s *scene) watermark() time.Time {
	s.t.Helper()
	mark, _, _, err := NewReader(s.store).Watermark(s.t.Context(), s.stream, "", s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	return mark
}

// lossy is a stream in whose first minute three of ten events are lost, and whose second is complete.
func lossy(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	s.hear(140, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(saw(s.says("app", 1, 125), 0, span(0, 9)), 1, span(10, 19)), saw(saw(s.says("sink", 2, 139, "app"), 0, span(0, 6)), 1, span(10, 19)))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 3, 0)
	return s
}

func uidsOf(numbers ...uint32) []string {
	var all []string
	for _, n := range numbers {
		all = append(all, id(100).WithSequence(n).String())
	}
	return all
}

func TestAWaiverCoversWhatItNamesAndNothingFoundLater(t *testing.T) {
	s := lossy(t)
	if mark := s.watermark(); !mark.Equal(five) {
		t.Fatalf("the watermark stands at %s, before the loss was waived", mark)
	}
	s.waive(1, store.WaiveLost)
	v := s.verdict(0, "app", "sink")
	if v.State != store.Incomplete || v.Lost != 3 || v.Waived.Lost != 3 || !v.Good() || v.Revision != 2 || v.Cause != causeWaiver {
		t.Fatalf("waived: %+v", v)
	}
	kept, err := s.store.Waivers(t.Context(), s.stream, time.Unix(0, 0), s.now)
	if err != nil || len(kept) != 1 || kept[0].ID != id(1) || kept[0].Who != "ada" || kept[0].Count() != 3 || !kept[0].Windows[0].Start.Equal(five) || kept[0].Edge != appSink {
		t.Fatalf("%v: kept is %+v", err, kept)
	}
	if mark := s.watermark(); !mark.Equal(five.Add(2 * time.Minute)) {
		t.Fatalf("the watermark stands at %s though all that is lost is waived", mark)
	}
	s.hear(200, saw(s.says("app", 1, 190), 0, span(30, 30)), s.says("sink", 2, 199, "app"))
	v = s.verdict(0, "app", "sink")
	if v.State != store.Incomplete || v.Lost != 4 || v.Waived.Lost != 3 || v.Good() || v.Cause == causeWaiver {
		t.Fatalf("one more is lost, which nobody waived: %+v", v)
	}
	if mark := s.watermark(); !mark.Equal(five) {
		t.Fatalf("the watermark jumped to %s over a loss that nobody waived", mark)
	}
}

func TestAWaiverOfSomeNamesLeavesTheOthersBad(t *testing.T) {
	s := lossy(t)
	s.waive(1, store.WaiveLost, uidsOf(7, 8)...)
	if v := s.verdict(0, "app", "sink"); v.Waived.Lost != 2 || v.Good() {
		t.Fatalf("two of three are waived: %+v", v)
	}
	if again := s.resolve(store.WaiveLost, uidsOf(8, 7)...); len(again.Standing) != 1 || again.Standing[0] != id(1) {
		t.Errorf("what is waived already stands in %v", again.Standing)
	}
	if more := s.resolve(store.WaiveLost, uidsOf(7, 9)...); len(more.Standing) != 0 {
		t.Errorf("one of these is not waived, yet %v stands", more.Standing)
	}
	s.waive(2, store.WaiveLost, uidsOf(9)...)
	if v := s.verdict(0, "app", "sink"); v.Waived.Lost != 3 || !v.Good() {
		t.Fatalf("all three are waived: %+v", v)
	}
}

func TestUIDsThatAreNotLostCannotBeWaivedAsLost(t *testing.T) {
	s := lossy(t)
	found := s.resolve(store.WaiveLost, append(uidsOf(7, 3, 15), "order-1")...)
	if len(found.Strange) != 3 || found.Strange[0] != 1 || found.Strange[2] != 3 {
		t.Errorf("strange are %v, want 1, 2 and 3: delivered, delivered in another window, and never heard of", found.Strange)
	}
	if got := s.resolve(store.WaiveDuplicated); len(got.Names) != 0 {
		t.Errorf("nothing is duplicated, yet there is %v", got.Names)
	}
}

func TestAWindowHeldByADarkEmitterIsGoodOnceThatOneIsWaived(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), s.says("sink", 3, 2, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.hear(400, s.says("app", 1, 390), s.says("sink", 2, 399, "app"))
	s.wait(600)
	if v := s.verdict(0, "app", "sink"); v.State != store.Unknown || v.Good() {
		t.Fatalf("%+v", v)
	}
	if found := s.waive(1, store.WaiveUnknown); len(found.Names) == 0 {
		t.Fatal("nothing holds the window")
	}
	v := s.verdict(0, "app", "sink")
	if v.State != store.Unknown || v.Waived.Unknown != 1 || !v.Good() || v.Cause != causeWaiver {
		t.Fatalf("waived: %+v", v)
	}
	if err := s.store.AddClosing(t.Context(), store.Closing{Stream: s.stream, Kind: store.CloseEmitter, ID: id(3), At: five, Why: "dead", Who: "ada", MadeAt: s.now}); err != nil {
		t.Fatal(err)
	}
	s.pass()
	if v := s.verdict(0, "app", "sink"); v.State != store.Incomplete || v.Lost != 10 || v.Good() || v.Cause != causeByHand {
		t.Fatalf("closed by hand, ten are lost, and of those nothing was waived: %+v", v)
	}
}

func (s *scene) replays(n byte, seconds int) *wire.Report {
	r := s.says("sink", n, seconds, "app")
	r.Epoch = 1
	return r
}

func (s *scene) declare(from, to time.Time) uint32 {
	s.t.Helper()
	e, err := s.store.AddEpoch(s.t.Context(), store.Epoch{Stream: s.stream, From: from, To: to, Why: "lost", Who: "ada", MadeAt: s.now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.pass()
	return e.Number
}

func TestAReplayShowsDuplicatesUntilItIsDeclared(t *testing.T) {
	s := lossy(t)
	s.hear(300, s.replays(9, 290), saw(saw(s.replays(9, 299), 0, span(5, 9)), 1, span(10, 11)))
	v := s.verdict(0, "app", "sink")
	if v.State != store.Complete || v.Lost != 0 || v.Duplicated != 2 || v.Replayed != 0 || v.Cause != causeLateData {
		t.Fatalf("not declared: %+v", v)
	}
	wantNumbers(t, "duplicated", s.names(0, "app", "sink", "duplicated"), 5, 6)
	if n := s.declare(five, five.Add(time.Minute)); n != 1 {
		t.Fatalf("the first replay is epoch %d", n)
	}
	v = s.verdict(0, "app", "sink")
	if v.State != store.Complete || v.Duplicated != 0 || v.Replayed != 2 || v.Cause != causeReplay {
		t.Fatalf("declared: %+v", v)
	}
	wantNumbers(t, "replayed", s.names(0, "app", "sink", "replayed"), 5, 6)
	if v := s.verdict(1, "app", "sink"); v.Duplicated != 2 || v.Replayed != 0 {
		t.Fatalf("the second minute lies outside of what was declared: %+v", v)
	}
}

func TestADeclaredReplayFillsALossWithoutADuplicate(t *testing.T) {
	s := lossy(t)
	s.declare(five, five.Add(time.Minute))
	s.hear(300, s.replays(9, 290), saw(s.replays(9, 299), 0, span(7, 9)))
	v := s.verdict(0, "app", "sink")
	if v.State != store.Complete || v.Duplicated != 0 || v.Replayed != 0 || v.Cause != causeReplay || v.Revision != 2 {
		t.Fatalf("%+v", v)
	}
}

func TestTheNumberOfAReplayIsGivenOnce(t *testing.T) {
	s := openStore(t)
	const callers = 12
	var all sync.Map
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			e, err := s.AddEpoch(t.Context(), store.Epoch{Stream: "orders", From: five, To: five.Add(time.Minute), Why: "x", Who: "ada", MadeAt: five})
			if err != nil {
				t.Error(err)
			}
			if _, given := all.LoadOrStore(e.Number, true); given {
				t.Errorf("number %d was given twice", e.Number)
			}
		})
	}
	group.Wait()
	found, err := s.EpochsOf(t.Context(), []string{"orders"})
	if err != nil || len(found["orders"]) != callers || found["orders"][callers-1].Number != callers {
		t.Errorf("%v: %+v", err, found)
	}
}

func TestAnHourWithoutTrafficBarsACertificateUntilThatIsWaived(t *testing.T) {
	s := newScene(t, appSink)
	settings := store.DefaultSettings(s.stream)
	settings.Edges, settings.ExpectTraffic = []store.Edge{appSink}, true
	if err := s.store.PutSettings(t.Context(), settings, five); err != nil {
		t.Fatal(err)
	}
	closed := func(hop string, n byte, after ...string) *wire.Report {
		r := s.says(hop, n, 3700, after...)
		r.State = wire.Closed
		return r
	}
	s.hear(3710, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 5), -1, span(0, 0)), saw(s.says("sink", 2, 9, "app"), -1, span(0, 0)),
		closed("app", 1), closed("sink", 2, "app"))
	hour := func() store.Hour {
		t.Helper()
		one, _, err := NewReader(s.store).HourOfEdge(t.Context(), s.stream, five, nil, s.now)
		if err != nil {
			t.Fatal(err)
		}
		all, err := NewReader(s.store).Hours(t.Context(), []string{s.stream}, five, five.Add(time.Hour), s.now)
		if err != nil || len(all) != 1 || !slices.Equal(all[0].Bars, one.Bars) {
			t.Fatalf("%v: the list says %+v, the hour %+v", err, all, one)
		}
		return one
	}
	if h := hour(); h.State != store.Complete || !slices.Equal(h.Bars, []string{noTraffic}) {
		t.Fatalf("an hour without traffic is %s, barred by %v", h.State, h.Bars)
	}
	if found := s.waive(1, store.WaiveNoTraffic); len(found.Names) != 1 {
		t.Fatalf("waived: %+v", found)
	}
	if h := hour(); len(h.Bars) != 0 {
		t.Fatalf("waived, and barred by %v", h.Bars)
	}
	if again := s.resolve(store.WaiveNoTraffic); len(again.Standing) != 1 {
		t.Fatalf("%+v", again)
	}
}
