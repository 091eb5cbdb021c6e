package reconcile

import (
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// ends has a report end emitter n, whose source had numbered first to last in a minute.
func ends(r *wire.Report, n byte, minute int, first, last uint32) *wire.Report {
	start := five.Add(time.Duration(minute) * time.Minute)
	r.Ended = append(r.Ended, wire.Ended{
		Emitter: id(n), Source: id(100), Windows: map[time.Time][2]uint32{start: {first, last}}, Reason: "journal",
	})
	return r
}

// An entry that ends a dead emitter counted as soon as it was stored, also where a report of its carrier before it was missing: the dead
// one was closed by a word that did not hold yet.
func TestAnEndedEntryDoesNotCloseTheDeadBeforeItsCarrierCounts(t *testing.T) {
	s := newScene(t)
	hello, missing, carrier := s.says("app", 1, 80), s.says("app", 1, 81), ends(s.says("app", 1, 82), 9, 0, 0, 9)
	hello.Number, missing.Number, carrier.Number = 1, 2, 3
	s.hear(91, s.says("app", 9, 0), s.says("sink", 2, 1, "app"), hello, carrier, saw(s.says("sink", 2, 90, "app"), 0, span(0, 7)))
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 2)
	s.hear(95, missing)
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 2, 0)
}

// Long after, when neither the dead emitter nor the carrier was heard of for hours, the entry was taken for one of a carrier that had
// closed with all its reports stored, so every later window was complete without the dead one.
func TestAnEndedEntryOfACarrierWithAGapNeverClosesTheDeadHoursLater(t *testing.T) {
	s := newScene(t)
	missing := s.says("app", 1, 66)
	missing.Number = 2
	carrier := ends(s.says("app", 1, 67), 9, 0, 0, 9)
	carrier.Number, carrier.State = 3, wire.Closed
	gone := store.Closing{Stream: s.stream, Kind: store.CloseEmitter, ID: id(1), At: five, Why: "gone", Who: "local", MadeAt: s.now}
	if err := s.store.AddClosing(t.Context(), gone); err != nil { // so that only the dead one holds what follows
		t.Fatal(err)
	}
	s.hear(75, s.says("app", 1, 0), s.says("app", 9, 0), s.says("app", 3, 0), s.says("sink", 2, 1, "app"), carrier)
	for _, minute := range []int{239, 240, 241} {
		at := minute * 60
		s.hear(at+2, s.says("app", 3, at), s.says("sink", 2, at+1, "app"))
	}
	reached := func() store.State { return s.verdict(238, "app", "sink").State }
	if got := reached(); got == store.Complete {
		t.Fatal("a window is complete which the dead emitter holds, since a report of its carrier is missing")
	}
	late := 242 * 60
	s.hear(late, missing, s.says("app", 3, late-3), s.says("sink", 2, late-1, "app"))
	s.wait(late + 60)
	if got := reached(); got != store.Complete {
		t.Fatalf("the window is %s once the carrier's reports are all there", got)
	}
}
