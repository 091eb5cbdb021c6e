package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// rivals are two reports of the sink's number 2 with different content, each of which one of two servers took at the same moment. Each
// saw some events that the other did not.
func rivals(s *scene) (one, other *wire.Report) {
	one = saw(s.says("sink", 2, 74, "app"), 0, span(0, 5))
	other = saw(s.says("sink", 2, 80, "app"), 0, span(4, 7))
	other.Host = "a copy of host-sink"
	one.Number, other.Number = 2, 2
	return one, other
}

// Of two reports under one number one took the other's place in the store: what only the other had seen was lost sight of, or its window
// was held for ever as half stored.
func TestTwoReportsThatTwoServersTookUnderOneNumberAreBothHeard(t *testing.T) {
	var said []store.Verdict
	for _, order := range [][]int{{0, 1}, {1, 0}, {0, 1, 0}, {1, 0, 1, 1}} {
		s := newScene(t)
		one, other := rivals(s)
		s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
		for i, which := range order {
			s.hear(81+i, []*wire.Report{one, other}[which])
		}
		s.wait(300)
		s.want(s.verdict(0, "app", "sink"), store.Incomplete, 2, 0)
		wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 8, 9)
		v := s.verdict(0, "app", "sink")
		v.DecidedAt, v.FirstClosed, v.Revision, v.Cause, v.Late = time.Time{}, time.Time{}, 0, "", 0
		said = append(said, v)
	}
	for _, v := range said[1:] {
		if diff := cmp.Diff(said[0], v); diff != "" {
			t.Fatalf("the verdict depends on which came first (-one +other):\n%s", diff)
		}
	}
}

// A number that two reports share is one number: it does not stand for the one that is missing.
func TestANumberUsedTwiceDoesNotFillAGap(t *testing.T) {
	s := newScene(t)
	one, other := rivals(s)
	last := s.says("sink", 2, 90, "app")
	last.Number = 4
	s.hear(91, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	for _, r := range []*wire.Report{one, other} { // their own watermarks must not close it
		r.Lanes = nil
	}
	s.hear(92, one, other, last)
	v := s.verdict(0, "app", "sink")
	s.want(v, store.Settling, 0, 2)
	if !slices.ContainsFunc(v.Reasons, func(r store.Reason) bool { return r.Code == "report-missing" }) {
		t.Fatalf("reasons %+v do not tell of report 3", v.Reasons)
	}
	third := saw(s.says("sink", 2, 85, "app"), 0, span(8, 9))
	third.Number = 3
	s.hear(93, third)
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
}
