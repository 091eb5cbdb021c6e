package reconcile

import (
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

func (s *scene) moves() []store.WatermarkMove {
	s.t.Helper()
	found, err := s.store.Watermarks(s.t.Context(), s.stream, time.Unix(0, 0), farOff, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// lastMove fails unless the watermark moved last to a minute, from another, for a reason.
func (s *scene) lastMove(from, to int, reason string) store.WatermarkMove {
	s.t.Helper()
	all := s.moves()
	if len(all) == 0 {
		s.t.Fatal("the watermark never moved")
	}
	last := all[len(all)-1]
	minute := func(n int) time.Time { return five.Add(time.Duration(n) * time.Minute) }
	if !last.Watermark.Equal(minute(to)) || from >= 0 && !last.Previous.Equal(minute(from)) || last.Reason != reason {
		s.t.Fatalf("the watermark went from %s to %s: %s; want from minute %d to %d: %s", last.Previous, last.Watermark, last.Reason, from, to, reason)
	}
	return last
}

func TestAWatermarkThatStepsBackSaysWhy(t *testing.T) {
	s := lossy(t)
	if first := s.lastMove(-1, 0, moveFirst); !first.Previous.IsZero() || first.Blocked == nil || first.Blocked.State != store.Incomplete {
		t.Fatalf("%+v", first)
	}
	s.waive(1, store.WaiveLost)
	s.lastMove(0, 2, moveAdvanced)
	n := len(s.moves())
	s.pass()
	if len(s.moves()) != n {
		t.Fatalf("a watermark that stands moved: %+v", s.moves())
	}
	s.hear(200, saw(s.says("app", 1, 190), 1, span(30, 30)), s.says("sink", 2, 199, "app"))
	back := s.lastMove(2, 1, causeLateData)
	if back.Blocked == nil || !back.Blocked.Start.Equal(five.Add(time.Minute)) || back.Blocked.Edge != appSink {
		t.Fatalf("it steps back and does not say before what: %+v", back)
	}
	if mark := s.watermark(); !mark.Equal(five.Add(time.Minute)) {
		t.Fatalf("stated is minute 1, and %s is told", mark)
	}
}

func TestABackfillTakesTheWatermarkBackToItsBeginning(t *testing.T) {
	s := newScene(t, appSink)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.lastMove(-1, 1, moveFirst)
	s.hear(220, saw(s.says("app", 1, 215), -3, span(20, 29)), s.says("sink", 2, 219, "app"))
	if mark, last := s.watermark(), s.moves(); !last[len(last)-1].Watermark.Equal(mark) || !mark.Equal(five.Add(-3*time.Minute)) {
		t.Fatalf("the watermark is %s, and %+v is stated", mark, last)
	}
}
