package reconcile

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Each test here began as a way in which the service said something false.

// One report may end an emitter twice, once for each of its sources. Both entries were kept under one key, so the windows of
// one were lost sight of and it was called complete and empty.
func TestTwoSourcesOfOneDeadEmitterAreBothCompared(t *testing.T) {
	s := newScene(t)
	dead := id(50)
	carrier := s.says("app", 1, 125)
	for i := range 2 {
		carrier.Ended = append(carrier.Ended, wire.Ended{
			Emitter: dead, Source: id(byte(101 + i)), Windows: map[time.Time][2]uint32{five.Add(time.Duration(i) * time.Minute): {0, 9}},
		})
	}
	s.hear(135, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), carrier, s.says("sink", 2, 134, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 10, 0)
	s.want(s.verdict(1, "app", "sink"), store.Incomplete, 10, 0)
}

// A source that nobody reported makes every window unknown from the first it was seen in: also those closed before it was seen.
func TestASourceThatNobodyReportedReopensLaterWindows(t *testing.T) {
	s := newScene(t)
	s.hear(200, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(saw(s.says("app", 1, 190), 0, span(0, 9)), 1, span(10, 19)),
		saw(saw(s.says("sink", 2, 199, "app"), 0, span(0, 9)), 1, span(10, 19)))
	s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
	stranger := s.says("sink", 2, 300, "app")
	src := wire.Source{ID: id(200)}
	src.Rolls[wire.Seen] = roaring.BitmapOf(0)
	stranger.Windows = []wire.Window{{Start: five, Seconds: 60, Sources: []wire.Source{src}}}
	s.hear(301, stranger)
	s.wait(302)
	for minute := range 3 {
		if v := s.verdict(minute, "app", "sink"); v.State == store.Complete {
			t.Fatalf("minute %d is complete while a source of minute 0 is not covered", minute)
		}
	}
}

// Reports of windows before the earliest known ones must not make what lies between complete unseen.
func TestABackfillDoesNotMakeWhatLiesBetweenComplete(t *testing.T) {
	s := newScene(t, store.Edge{From: "app", To: "sink"})
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(200, s.says("app", 1, 199), s.says("sink", 2, 199, "app"))
	s.hear(220, saw(s.says("app", 1, 215), -180, span(20, 29)), saw(s.says("sink", 2, 219, "app"), -180, span(20, 29)))
	s.want(s.verdict(-100, "app", "sink"), store.Unknown, 0, 0)
	hours, err := NewReader(s.store).Hours(t.Context(), nil, five.Add(-3*time.Hour), five, s.now)
	if err != nil || len(hours) != 3 {
		t.Fatalf("%d hours, %v", len(hours), err)
	}
	for _, h := range hours {
		if h.State == store.Complete {
			t.Fatalf("the hour from %s is complete", h.Start)
		}
	}
}

// meanwhile runs a function once, between two reads of a pass.
type meanwhile struct {
	*store.Store
	beforeMarksOf, beforeRolls func()
}

func once(f *func()) {
	if g := *f; g != nil {
		*f = nil
		g()
	}
}

func (m *meanwhile) MarksOf(ctx context.Context, streams []string) ([]store.Mark, error) {
	once(&m.beforeMarksOf)
	return m.Store.MarksOf(ctx, streams)
}

func (m *meanwhile) SourceRolls(ctx context.Context, windows []store.WindowKey, from wire.UID) iter.Seq2[store.SourceRolls, error] {
	once(&m.beforeRolls)
	return m.Store.SourceRolls(ctx, windows, from)
}

// A report that comes between the two reads of marks must not have its mark removed unused.
func TestAReportThatComesWhileMarksAreReadIsNotForgotten(t *testing.T) {
	s := newScene(t)
	s.hear(71, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	second := store.Received{Report: *s.says("app", 7, 20), At: five.Add(80 * time.Second)}
	second.Number = 1
	beat := store.Received{Report: *s.says("app", 1, 79), At: five.Add(80 * time.Second)}
	beat.Number = 3
	if err := s.store.Insert(t.Context(), []store.Received{beat}); err != nil {
		t.Fatal(err)
	}
	s.now = five.Add(80 * time.Second)
	raced := &meanwhile{Store: s.store, beforeMarksOf: func() {
		if err := s.store.Insert(t.Context(), []store.Received{second}); err != nil {
			t.Error(err)
		}
	}}
	if _, err := Pass(t.Context(), raced, s.now); err != nil {
		t.Fatal(err)
	}
	s.pass()
	if v := s.verdict(0, "app", "sink"); v.State == store.Complete {
		t.Fatal("the window stayed complete though an emitter that was there holds it")
	}
}

// A late event whose rolls are read and whose report is not must not be named lost.
func TestALateEventThatIsBeingStoredIsNotLost(t *testing.T) {
	s := newScene(t)
	s.hear(71, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	again := saw(s.says("sink", 2, 80, "app"), 0, span(0, 9))
	again.Number = 3
	late := saw(s.says("app", 1, 90), 0, span(10, 10))
	late.Number = 3
	s.now = five.Add(91 * time.Second)
	if err := s.store.Insert(t.Context(), []store.Received{{Report: *again, At: s.now}}); err != nil {
		t.Fatal(err)
	}
	raced := &meanwhile{Store: s.store, beforeRolls: func() {
		if err := s.store.Insert(t.Context(), []store.Received{{Report: *late, At: s.now}}); err != nil {
			t.Error(err)
		}
	}}
	if _, err := Pass(t.Context(), raced, s.now); err != nil {
		t.Fatal(err)
	}
	if v := s.verdict(0, "app", "sink"); v.Lost != 0 {
		t.Fatalf("%d lost though the event is under way", v.Lost)
	}
	s.pass()
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 1)
}

// What is decided later must overrule what was said before, also where the clock stepped back in between.
func TestAClockThatStepsBackHidesNoVerdict(t *testing.T) {
	s := newScene(t)
	s.hear(90, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 10)
	s.hear(85, saw(s.says("sink", 2, 84, "app"), 0, span(0, 9)))
	s.now = five.Add(400 * time.Second)
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
}

// An edge required by mistake must not block a stream for ever, and one newly required must not go unseen.
func TestRequiredEdgesComeAndGoWithTheSettings(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	watermark := func() time.Time {
		t.Helper()
		mark, _, _, err := NewReader(s.store).Watermark(t.Context(), s.stream, "", s.now)
		if err != nil {
			t.Fatal(err)
		}
		return mark
	}
	if got := watermark(); !got.Equal(five.Add(time.Minute)) {
		t.Fatalf("watermark %s", got)
	}
	settings := store.DefaultSettings(s.stream)
	settings.Edges = []store.Edge{{From: "app", To: "sink"}, {From: "sink", To: "wharehouse"}}
	put := func() {
		t.Helper()
		if err := s.store.PutSettings(t.Context(), settings, s.now); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if got := watermark(); !got.Equal(five) {
		t.Fatalf("watermark %s before the new edge was judged", got)
	}
	s.wait(80)
	if got := watermark(); !got.Equal(five) {
		t.Fatalf("watermark %s though a required hop is silent", got)
	}
	settings.Edges = nil
	put()
	s.wait(82)
	if got := watermark(); !got.Equal(five.Add(time.Minute)) {
		t.Fatalf("watermark %s once the edge is no longer required", got)
	}
}

// A close by hand can only help: a window that its emitter had passed stays closed.
func TestAnEmitterClosedByHandKeepsTheWindowsItPassed(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 7)))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 2, 0)
	closing := store.Closing{Stream: s.stream, Kind: store.CloseEmitter, ID: id(2), At: five, Why: "x", Who: "local", MadeAt: s.now}
	if err := s.store.AddClosing(t.Context(), closing); err != nil {
		t.Fatal(err)
	}
	s.wait(80)
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 2, 0)
}
