package reconcile

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// put stores reports now and makes no pass.
func (s *scene) put(reports ...*wire.Report) {
	s.t.Helper()
	var received []store.Received
	for _, r := range reports {
		s.number[r.Emitter]++
		r.Number = s.number[r.Emitter]
		received = append(received, store.Received{Report: *r, At: s.now})
	}
	if err := s.store.Insert(s.t.Context(), received); err != nil {
		s.t.Error(err)
	}
}

// A window first judged while one of its reports is being stored was passed over, and read as complete and empty.
func TestAWindowIsNotCompleteBeforeItWasJudged(t *testing.T) {
	s := newScene(t)
	s.now = five.Add(91 * time.Second)
	s.put(s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	raced := &meanwhile{Store: s.store, beforeRolls: func() { s.put(saw(s.says("sink", 2, 80, "app"), 0, span(0, 5))) }}
	if _, err := Pass(t.Context(), raced, s.now); err != nil {
		t.Fatal(err)
	}
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 4)
	mark, _, _, err := NewReader(s.store).Watermark(t.Context(), s.stream, "", s.now)
	if err != nil || !mark.Equal(five) {
		t.Fatalf("watermark %s, %v", mark, err)
	}
	s.pass()
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 4, 0)
}

// failing fails once when marks are replaced, as a process does that dies there.
type failing struct {
	*store.Store
	failed bool
}

func (f *failing) ReplaceMarks(ctx context.Context, old, next []store.Mark) error {
	if !f.failed {
		f.failed = true
		return errors.New("away")
	}
	return f.Store.ReplaceMarks(ctx, old, next)
}

// Progress was written before the marks it spoke of: a pass that died between the two forgot to look at later windows again.
func TestAPassThatDiesBeforeItsMarksForgetsNothing(t *testing.T) {
	s := newScene(t)
	s.hear(200, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(saw(s.says("app", 1, 190), 0, span(0, 9)), 1, span(10, 19)),
		saw(saw(s.says("sink", 2, 199, "app"), 0, span(0, 9)), 1, span(10, 19)))
	s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
	s.now = five.Add(301 * time.Second)
	stranger := s.says("sink", 2, 300, "app")
	src := wire.Source{ID: id(200)}
	src.Rolls[wire.Seen] = roaring.BitmapOf(0)
	stranger.Windows = []wire.Window{{Start: five, Seconds: 60, Sources: []wire.Source{src}}}
	s.put(stranger)
	if _, err := Pass(t.Context(), &failing{Store: s.store}, s.now); err == nil {
		t.Fatal("the pass did not fail")
	}
	for second := 302; second < 306; second++ {
		s.wait(second)
	}
	if v := s.verdict(1, "app", "sink"); v.State == store.Complete {
		t.Fatal("a window is complete while a source of an earlier one is not covered")
	}
}

// An hour of which a part has no edge is the same in the matrix and by itself.
func TestAnHourWithWindowsThatHaveNoEdgeIsUnknown(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.hear(200, s.says("app", 1, 199), s.says("sink", 2, 199, "app"))
	s.hear(3720, s.says("app", 1, 3715), s.says("sink", 2, 3719, "app"))
	s.wait(3900)
	reader := NewReader(s.store)
	one, _, err := reader.HourOfEdge(t.Context(), s.stream, five, nil, s.now)
	if err != nil || one.State != store.Unknown {
		t.Fatalf("the hour by itself is %s, %v", one.State, err)
	}
	all, err := reader.Hours(t.Context(), []string{s.stream}, five, five.Add(time.Hour), s.now)
	if err != nil || len(all) != 1 || all[0].State != store.Unknown {
		t.Fatalf("hours %+v, %v", all, err)
	}
}

// half shows a report of which only the rolls are stored, and counts the passes that did something.
type half struct {
	*store.Store
	worked int
}

func (h *half) ReplaceMarks(ctx context.Context, old, next []store.Mark) error {
	h.worked++
	return h.Store.ReplaceMarks(ctx, old, next)
}

func (h *half) Announced(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Announced, error) {
	found, err := h.Store.Announced(ctx, windows)
	for k, all := range found {
		found[k] = append(all, store.Announced{Hop: "sink", Emitter: id(2), Number: 1000, Digest: 12345})
	}
	return found, err
}

// A report that stays half-stored ends in unknown with that reason, and does not keep every pass busy.
func TestAReportThatStaysHalfStoredIsUnknown(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	h := &half{Store: s.store}
	s.put(saw(s.says("sink", 2, 79, "app"), 0, span(0, 9)))
	for second := 81; second < 300; second++ {
		s.now = five.Add(time.Duration(second) * time.Second)
		if second%30 == 0 {
			s.put(s.says("sink", 2, second, "app"))
		}
		if _, err := Pass(t.Context(), h, s.now); err != nil {
			t.Fatal(err)
		}
	}
	v := s.verdict(0, "app", "sink")
	if v.State != store.Unknown || len(v.Reasons) == 0 || v.Reasons[0].Code != "report-half-stored" {
		t.Fatalf("state %s, reasons %+v", v.State, v.Reasons)
	}
	if h.worked > 90 {
		t.Fatalf("%d of 219 passes worked on it", h.worked)
	}
}

// covering lets something happen after the reports were read and before it is asked which sources are covered.
type covering struct {
	*store.Store
	then func()
}

func (c *covering) UncoveredSources(ctx context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error) {
	once(&c.then)
	return c.Store.UncoveredSources(ctx, queries)
}

// A source that a new emitter covers while a pass reads was neither uncovered nor held by its emitter, and the window was called complete.
func TestASourceCoveredWhileAPassReadsHoldsItsWindow(t *testing.T) {
	s := newScene(t)
	stranger := id(200)
	of := func(r *wire.Report, window int) *wire.Report {
		src := wire.Source{ID: stranger}
		src.Rolls[wire.Seen] = roaring.BitmapOf(uint32(window))
		r.Windows = append(r.Windows, wire.Window{Start: five.Add(time.Duration(window) * time.Minute), Seconds: 60, Sources: []wire.Source{src}})
		return r
	}
	s.now = five.Add(131 * time.Second)
	s.put(s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 125), 1, span(0, 9)), of(saw(s.says("sink", 2, 130, "app"), 1, span(0, 9)), 1))
	raced := &covering{Store: s.store, then: func() { s.put(of(s.says("app", 9, 30), 0)) }}
	if _, err := Pass(t.Context(), raced, s.now); err != nil {
		t.Fatal(err)
	}
	if raced.then != nil {
		t.Fatal("nothing came while the pass read")
	}
	if v := s.verdict(1, "app", "sink"); v.State == store.Complete {
		t.Fatal("complete, though the emitter that covers a source of it has not come so far")
	}
	s.pass()
	if v := s.verdict(1, "app", "sink"); v.State != store.Settling {
		t.Fatalf("after the next pass the window is %s, of an emitter that has not come so far", v.State)
	}
}
