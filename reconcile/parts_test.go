package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// source is one whose bytes beside its start are given: UIDs sort by them as text does, which is not how ClickHouse sorts a UUID.
func source(middle, last byte) wire.UID {
	return wire.UID{0x01, 0x99, 0xf0, 0x9c, 0x1d, 0x2e, 0x80 | middle&0x0f, middle, 0x80, 0, 0, last}
}

// mixed is a window in which the sink misses every third event of some sources and every second foreign one, with the names it must get.
func mixed(s *scene) (lost []string) {
	app, sink := s.says("app", 1, 65), s.says("sink", 2, 69, "app")
	w := wire.Window{Start: five, Seconds: 60}
	here := w
	for i, id := range []wire.UID{source(9, 1), source(1, 9), source(5, 5), source(1, 1), source(9, 9)} {
		all, some := wire.Source{ID: id}, wire.Source{ID: id}
		all.Rolls[wire.Seen], some.Rolls[wire.Seen] = roaring.New(), roaring.New()
		for n := range uint32(10 + i) {
			all.Rolls[wire.Seen].Add(n * 70_000)
			if n%3 == 0 {
				lost = append(lost, id.WithSequence(n*70_000).String())
				continue
			}
			some.Rolls[wire.Seen].Add(n * 70_000)
		}
		w.Sources, here.Sources = append(w.Sources, all), append(here.Sources, some)
	}
	for i, uid := range []string{"order-1", "0199f09c-0000-4000-8000-000000000001", "0199f09c-1d2e-8509-8000-000000000000", "Ω \t'quoted'", "0199F0FF-0000-4000-8000-000000000001", "order-2", "zzz", "AAA"} {
		w.Foreign = append(w.Foreign, wire.Foreign{UID: uid, Count: 1})
		if i%2 == 0 {
			lost = append(lost, uid)
			continue
		}
		here.Foreign = append(here.Foreign, wire.Foreign{UID: uid, Count: 1})
	}
	app.Windows, sink.Windows = []wire.Window{w}, []wire.Window{here}
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), app, sink)
	slices.Sort(lost)
	return lost
}

func TestNamesComeInPagesInTheOrderOfTheirUIDs(t *testing.T) {
	s := newScene(t)
	want := mixed(s)
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, uint64(len(want)), 0)
	edge := store.Edge{From: "app", To: "sink"}
	for _, limit := range []int{1, 2, 3, 7, len(want), 1000} {
		var got []string
		for after := ""; ; {
			items, next, found, err := NewReader(s.store).Named(t.Context(), s.stream, five, edge, "lost", after, limit, s.now)
			if err != nil || !found {
				t.Fatalf("found %v, %v", found, err)
			}
			for _, item := range items {
				got = append(got, item.UID)
				if item.LastHop != "app" || item.Times != 0 {
					t.Fatalf("%s was last seen at %q and %d times at the sink", item.UID, item.LastHop, item.Times)
				}
			}
			if after = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	if items, _, _, err := NewReader(s.store).Named(t.Context(), s.stream, five, edge, "pending", "", 10, s.now); err != nil || len(items) > 0 {
		t.Fatalf("%d events are pending in a closed window, %v", len(items), err)
	}
}

func TestEveryDuplicateSaysHowOftenItCame(t *testing.T) {
	s := newScene(t)
	again := saw(s.says("sink", 2, 69, "app"), 0, span(0, 9), roaring.BitmapOf(3))
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), s.says("sink", 3, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), again, saw(s.says("sink", 3, 69, "app"), 0, span(3, 4)))
	items, _, _, err := NewReader(s.store).Named(t.Context(), s.stream, five, store.Edge{From: "app", To: "sink"}, "duplicated", "", 10, s.now)
	if err != nil || len(items) != 2 {
		t.Fatalf("%d duplicated, %v", len(items), err)
	}
	if items[0].Sequence != 3 || items[0].Times != 3 || items[1].Sequence != 4 || items[1].Times != 2 {
		t.Fatalf("number %d came %d times, %d came %d times; want 3 three times, and 4 twice",
			items[0].Sequence, items[0].Times, items[1].Sequence, items[1].Times)
	}
}

func TestATraceNamesTheNeighboursOfItsSource(t *testing.T) {
	s := newScene(t)
	s.hear(70, s.says("app", 1, 0), saw(s.says("app", 1, 65), 0, roaring.BitmapOf(0, 7, 8, 1<<32-1)))
	reader := NewReader(s.store)
	for _, c := range []struct {
		number        uint32
		before, after string
	}{{0, "none", "7"}, {7, "0", "8"}, {8, "7", "4294967295"}, {1<<32 - 1, "8", "none"}} {
		traces, err := reader.Trace(t.Context(), id(100).WithSequence(c.number))
		if err != nil || len(traces) != 1 {
			t.Fatalf("%d traces, %v", len(traces), err)
		}
		if before, after := textOf(traces[0].Before), textOf(traces[0].After); before != c.before || after != c.after {
			t.Errorf("%d lies between %s and %s, want %s and %s", c.number, before, after, c.before, c.after)
		}
	}
}

func textOf(n *uint32) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}

// stranger is a report of the sink that names a source which the first hop never reported, in a minute.
func (s *scene) stranger(sent, minute int) *wire.Report {
	r := s.says("sink", 2, sent, "app")
	src := wire.Source{ID: id(200)}
	src.Rolls[wire.Seen] = roaring.BitmapOf(0)
	r.Windows = []wire.Window{{Start: five.Add(time.Duration(minute) * time.Minute), Seconds: 60, Sources: []wire.Source{src}}}
	return r
}

// beats has both hops say that they live, once in a while and then every 20 seconds for five minutes up to an instant, with a pass each.
func (s *scene) beats(to time.Duration) {
	s.t.Helper()
	for at := s.now.Sub(five) + 20*time.Second; at <= to; at += 20 * time.Second {
		if left := to - at; left > time.Hour {
			at += 40 * time.Minute
		} else if left > 5*time.Minute {
			at += left - 5*time.Minute
		}
		second := int(at.Seconds())
		s.hear(second, s.says("app", 1, second-1), s.says("sink", 2, second-1, "app"))
	}
}

func TestASourceUncoveredForHoursStillHoldsEveryWindow(t *testing.T) {
	s := newScene(t)
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), s.stranger(69, 0))
	s.beats(5 * time.Hour)
	v := s.verdict(295, "app", "sink")
	if v.State == store.Complete || len(v.Reasons) == 0 || v.Reasons[0].Code != "source-uncovered" {
		t.Fatalf("a window hours later is %s, %+v", v.State, v.Reasons)
	}
	if err := s.store.AddClosing(t.Context(), store.Closing{Stream: s.stream, Kind: store.CloseSource, ID: id(200), At: five, Why: "dead", Who: "local", MadeAt: s.now}); err != nil {
		t.Fatal(err)
	}
	s.beats(5*time.Hour + 5*time.Minute)
	s.want(s.verdict(295, "app", "sink"), store.Complete, 0, 0)
}

func TestASourceOfAnOldWindowHoldsTheWindowsSince(t *testing.T) {
	s := newScene(t)
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 69, "app"), 0, span(0, 9)))
	s.beats(5 * time.Hour)
	s.want(s.verdict(295, "app", "sink"), store.Complete, 0, 0)
	s.hear(5*3600+10, s.stranger(5*3600+9, 0))
	s.beats(5*time.Hour + 5*time.Minute)
	if v := s.verdict(295, "app", "sink"); v.State == store.Complete {
		t.Fatal("a window is complete while a source of hours before it is not covered")
	}
}

// A report stored since the last pass, of hours before, holds what the reader says too.
func TestTheReaderHearsOfAnUncoveredSourceBeforeTheNextPass(t *testing.T) {
	s := newScene(t)
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 69, "app"), 0, span(0, 9)))
	s.beats(5 * time.Hour)
	s.put(s.stranger(5*3600+10, 0), s.says("app", 1, 5*3600+80), s.says("sink", 2, 5*3600+90, "app"))
	s.now = five.Add(5*time.Hour + 95*time.Second)
	if v := s.verdict(300, "app", "sink"); v.State == store.Complete {
		t.Fatal("a window is complete while a report is stored whose source is not covered")
	}
}

// abandoned has a report announced that is never stored.
type abandoned struct{ *store.Store }

func (a *abandoned) Announced(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Announced, error) {
	found, err := a.Store.Announced(ctx, windows)
	for k, all := range found {
		found[k] = append(all, store.Announced{Hop: "sink", Emitter: id(9), Number: 1, Digest: 12345})
	}
	return found, err
}

func TestAReportThatWasNeverStoredIsGivenUpWithItsEmitter(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"))
	s.put(saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 4)))
	a := &abandoned{s.store}
	for second := 76; second < 300; second += 10 {
		s.now = five.Add(time.Duration(second) * time.Second)
		if _, err := Pass(t.Context(), a, s.now); err != nil {
			t.Fatal(err)
		}
	}
	s.want(s.verdict(0, "app", "sink"), store.Unknown, 0, 5)
	closing := store.Closing{Stream: s.stream, Kind: store.CloseEmitter, ID: id(9), At: five, Why: "dead", Who: "local", MadeAt: s.now}
	if err := s.store.AddClosing(t.Context(), closing); err != nil {
		t.Fatal(err)
	}
	if _, err := Pass(t.Context(), a, s.now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 5, 0)
}

func TestAForeignEventThatAnEmitterDidNotSeeIsNoDuplicate(t *testing.T) {
	s := newScene(t)
	with := func(r *wire.Report, count uint64) *wire.Report {
		r.Windows = []wire.Window{{Start: five, Seconds: 60, Foreign: []wire.Foreign{{UID: "order-1", Count: count}}}}
		return r
	}
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), s.says("sink", 3, 1, "app"),
		with(s.says("app", 1, 65), 1), with(s.says("sink", 2, 69, "app"), 1), with(s.says("sink", 3, 69, "app"), 0))
	if v := s.verdict(0, "app", "sink"); v.State != store.Complete || v.Duplicated != 0 || v.Delivered != 1 {
		t.Fatalf("%s, %+v", v.State, v.Counts)
	}
}

// A verdict that stands keeps its names while a report of the window is being stored, or was given up by its sender.
func TestTheNamesOfWhatStandsAreToldWhileAReportIsAwaited(t *testing.T) {
	s := newScene(t)
	s.hear(70, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 69, "app"), 0, span(0, 4)))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 5, 0)
	items, _, found, err := NewReader(&abandoned{s.store}).Named(t.Context(), s.stream, five, store.Edge{From: "app", To: "sink"}, "lost", "", 10, s.now)
	if err != nil || !found || len(items) != 5 {
		t.Fatalf("%d names of 5 lost, found %v, %v", len(items), found, err)
	}
}
