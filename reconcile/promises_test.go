package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

// five is where the windows of these tests begin: a minute's window starts there.
var five = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

// scene is one stream of a store, with a clock.
type scene struct {
	t      *testing.T
	store  *store.Store
	stream string
	now    time.Time
	number map[wire.UID]uint64
}

func newScene(t *testing.T, edges ...store.Edge) *scene {
	t.Helper()
	s := &scene{t: t, store: openStore(t), stream: "orders", now: five, number: map[wire.UID]uint64{}}
	settings := store.DefaultSettings(s.stream)
	settings.Edges = edges
	if err := s.store.PutSettings(t.Context(), settings, five); err != nil {
		t.Fatal(err)
	}
	return s
}

func id(n byte) wire.UID {
	return wire.UID{0x01, 0x99, 0xf0, 0x9c, 0x1d, 0x2e, 0x8a, 0xbc, 0x9d, 0xef, 0x01, n}
}

// says is a report of emitter n of a hop, sent s seconds after five, that states the same instant as watermark.
func (s *scene) says(hop string, n byte, seconds int, after ...string) *wire.Report {
	at := five.Add(time.Duration(seconds) * time.Second)
	return &wire.Report{
		Stream: s.stream, Hop: hop, After: after, Emitter: id(n), Host: "host-" + hop, Heartbeat: 5, SentAt: at,
		State: wire.Running, Lanes: map[string]time.Time{"": at},
	}
}

func saw(r *wire.Report, minute int, rolls ...*roaring.Bitmap) *wire.Report {
	src := wire.Source{ID: id(100)}
	copy(src.Rolls[:], rolls)
	r.Windows = append(r.Windows, wire.Window{Start: five.Add(time.Duration(minute) * time.Minute), Seconds: 60, Sources: []wire.Source{src}})
	return r
}

func span(first, last uint64) *roaring.Bitmap {
	b := roaring.New()
	b.AddRange(first, last+1)
	return b
}

// hear stores reports at s seconds after five, in the order given, and makes a pass.
func (s *scene) hear(seconds int, reports ...*wire.Report) {
	s.t.Helper()
	var received []store.Received
	s.now = five.Add(time.Duration(seconds) * time.Second)
	for _, r := range reports {
		if r.Number == 0 {
			s.number[r.Emitter]++
			r.Number = s.number[r.Emitter]
		}
		received = append(received, store.Received{Report: *r, At: s.now})
	}
	if err := s.store.Insert(s.t.Context(), received); err != nil {
		s.t.Fatal(err)
	}
	s.pass()
}

func (s *scene) wait(seconds int) {
	s.t.Helper()
	s.now = five.Add(time.Duration(seconds) * time.Second)
	s.pass()
}

func (s *scene) pass() {
	s.t.Helper()
	if _, err := Pass(s.t.Context(), s.store, s.now); err != nil {
		s.t.Fatal(err)
	}
}

// verdict reads what is said of a minute and edge, as a user of the API would.
func (s *scene) verdict(minute int, from, to string) store.Verdict {
	s.t.Helper()
	start := five.Add(time.Duration(minute) * time.Minute)
	edge := store.Edge{From: from, To: to}
	all, err := NewReader(s.store).Windows(s.t.Context(), s.stream, start, start.Add(time.Minute), s.now, &edge)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(all) != 1 {
		s.t.Fatalf("%d verdicts of minute %d, edge %s", len(all), minute, edge)
	}
	return all[0]
}

func (s *scene) names(minute int, from, to, kind string) []uint32 {
	s.t.Helper()
	start := five.Add(time.Duration(minute) * time.Minute)
	items, _, found, err := NewReader(s.store).Named(s.t.Context(), s.stream, start, store.Edge{From: from, To: to}, kind, "", 1000, s.now)
	if err != nil || !found {
		s.t.Fatalf("names of minute %d: found %v, %v", minute, found, err)
	}
	var numbers []uint32
	for _, item := range items {
		numbers = append(numbers, item.Sequence)
	}
	return numbers
}

func (s *scene) want(v store.Verdict, state store.State, lost, pending uint64) {
	s.t.Helper()
	if v.State != state || v.Lost != lost || v.Pending != pending {
		s.t.Fatalf("state %s with %d lost and %d pending, want %s with %d and %d; reasons %+v", v.State, v.Lost, v.Pending, state, lost, pending, v.Reasons)
	}
}

func wantNumbers(t *testing.T, what string, got []uint32, want ...uint32) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAsManyLostAsDuplicatedDoNotMaskEachOther(t *testing.T) {
	s := newScene(t)
	s.hear(70,
		s.says("app", 1, 0), s.says("sink", 2, 1, "app"), s.says("sink", 3, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)),
		saw(s.says("sink", 2, 69, "app"), 0, span(0, 6)), saw(s.says("sink", 3, 69, "app"), 0, span(4, 6)))
	s.wait(71)
	v := s.verdict(0, "app", "sink")
	s.want(v, store.Incomplete, 3, 0)
	if v.Duplicated != 3 {
		t.Fatalf("%d duplicated, want 3", v.Duplicated)
	}
	wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 7, 8, 9)
	wantNumbers(t, "duplicated", s.names(0, "app", "sink", "duplicated"), 4, 5, 6)
}

func TestASilentSinkIsUnknownAndNamed(t *testing.T) {
	s := newScene(t, store.Edge{From: "app", To: "sink"})
	s.hear(70, s.says("app", 1, 0), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 10)
	s.wait(70 + 121)
	v := s.verdict(0, "app", "sink")
	s.want(v, store.Unknown, 0, 10)
	if len(v.Reasons) != 1 || v.Reasons[0].Code != "hop-silent" || v.Reasons[0].Hop != "sink" || v.Reasons[0].AtRisk != 10 {
		t.Fatalf("reasons %+v do not name the sink", v.Reasons)
	}
}

func TestADrainedSinkThatSawNothingIsIncompleteWithEveryEventNamed(t *testing.T) {
	s := newScene(t)
	s.hear(71, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 3)), s.says("sink", 2, 70, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 4, 0)
	wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 0, 1, 2, 3)
}

func TestAWatermarkNeverOvertakesItsRolls(t *testing.T) {
	s := newScene(t)
	app, hello := s.says("app", 1, 0), s.says("sink", 2, 1, "app")
	first := saw(s.says("sink", 2, 69, "app"), 0, span(0, 9))
	second := s.says("sink", 2, 70, "app")
	first.Number, second.Number = 2, 3
	s.hear(72, app, hello, saw(s.says("app", 1, 65), 0, span(0, 9)), second)
	v := s.verdict(0, "app", "sink")
	s.want(v, store.Settling, 0, 10)
	if len(v.Reasons) == 0 || v.Reasons[0].Code != "report-missing" {
		t.Fatalf("reasons %+v do not tell of the missing report", v.Reasons)
	}
	s.hear(75, first)
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
}

func TestAnEventThatIsLateIntoTheFirstHopIsPendingUntilLaterHopsPassedIt(t *testing.T) {
	s := newScene(t)
	s.hear(71,
		s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)

	s.hear(3600, saw(s.says("app", 1, 3600), 0, span(10, 10)), s.says("sink", 2, 3599, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 1)
	s.hear(3602, s.says("app", 1, 3601), s.says("sink", 2, 3601, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Settling, 0, 1)
	s.hear(3612, s.says("sink", 2, 3611, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 1, 0)
	wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 10)

	s.hear(3620, saw(s.says("sink", 2, 3619, "app"), 0, span(10, 10)))
	v := s.verdict(0, "app", "sink")
	s.want(v, store.Complete, 0, 0)
	if v.Late != 1 || v.Revision < 3 {
		t.Fatalf("late %d at revision %d, want 1 at a third or later", v.Late, v.Revision)
	}
}

func TestEmittersThatComeAndGoNeverTouchOldWindows(t *testing.T) {
	s := newScene(t)
	s.hear(71,
		s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	before := s.verdict(0, "app", "sink")
	s.want(before, store.Complete, 0, 0)
	for i := range byte(20) {
		at := 120 + 30*int(i)
		closing := s.says("sink", 10+i, at+20, "app")
		closing.State = wire.Closed
		s.hear(at, s.says("sink", 10+i, at, "app"), s.says("app", 1, at), s.says("sink", 2, at, "app"))
		s.hear(at+20, closing)
	}
	s.hear(800, s.says("extra", 99, 790, "sink"), s.says("app", 1, 790), s.says("sink", 2, 790, "app"))
	if diff := cmp.Diff(before, s.verdict(0, "app", "sink")); diff != "" {
		t.Fatalf("the old verdict changed (-before +after):\n%s", diff)
	}
	start := five.Add(0)
	all, err := NewReader(s.store).Windows(t.Context(), s.stream, start, start.Add(time.Minute), s.now, nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("a hop added later joined an old window: %d verdicts, %v", len(all), err)
	}
}

func TestAFirstHopShutDownCleanlyLeavesCompleteEmptyWindows(t *testing.T) {
	s := newScene(t)
	closing := s.says("app", 1, 70)
	closing.State = wire.Closed
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), closing,
		saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(320, s.says("sink", 2, 319, "app"))
	s.want(s.verdict(3, "app", "sink"), store.Complete, 0, 0)
	if v := s.verdict(3, "app", "sink"); v.Expected != 0 {
		t.Fatalf("%d events in an empty window", v.Expected)
	}
	mark, blocked, ok, err := NewReader(s.store).Watermark(t.Context(), s.stream, "", s.now)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if want := five.Add(5 * time.Minute); !mark.Equal(want) {
		t.Fatalf("watermark %s, want %s; blocked by %+v", mark, want, blocked)
	}
}

func TestTheWatermarkNeverJumpsAWindowThatIsNotComplete(t *testing.T) {
	s := newScene(t)
	s.hear(135, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(saw(s.says("app", 1, 125), 0, span(0, 9)), 1, span(10, 19)),
		saw(saw(s.says("sink", 2, 130, "app"), 0, span(0, 8)), 1, span(10, 19)))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 1, 0)
	s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
	mark, blocked, _, err := NewReader(s.store).Watermark(t.Context(), s.stream, "", s.now)
	if err != nil || !mark.Equal(five) || blocked == nil || blocked.State != store.Incomplete {
		t.Fatalf("watermark %s blocked by %+v, %v", mark, blocked, err)
	}
}

func TestADeadEmitterIsClosedByAPersonFromAnInstantOn(t *testing.T) {
	s := newScene(t)
	s.hear(71, s.says("app", 1, 0), s.says("app", 9, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	s.hear(400, s.says("app", 1, 399), s.says("sink", 2, 399, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Unknown, 0, 0)
	if r := s.verdict(0, "app", "sink").Reasons; len(r) == 0 || r[0].Code != "emitter-dark" || r[0].Host != "host-app" {
		t.Fatalf("reasons %+v do not name the dark emitter", r)
	}
	closing := store.Closing{Stream: s.stream, Kind: store.CloseEmitter, ID: id(9), At: five.Add(time.Minute), Why: "host burnt", Who: "local", MadeAt: s.now}
	if err := s.store.AddClosing(t.Context(), closing); err != nil {
		t.Fatal(err)
	}
	s.hear(420, s.says("app", 1, 419), s.says("sink", 2, 419, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Unknown, 0, 0)
	s.want(s.verdict(2, "app", "sink"), store.Complete, 0, 0)
}

// TestJoin says that any order, repetition and grouping of the same reports ends in the same verdicts and names.
func TestJoin(t *testing.T) {
	s := openStore(t)
	var plays, permuted []*play
	n := 1000
	if testing.Short() {
		n = 100
	}
	for i := range n {
		h := model.Histories().Example(5_000_000 + i).WithoutWaivers()
		if len(h.Steps) == 0 {
			continue
		}
		shuffled := rapid.Custom(func(t *rapid.T) model.History { return model.Permute(t, h) }).Example(i)
		one, other := newPlay("a", i, h), newPlay("b", i, shuffled)
		one.now = later(h.End(), shuffled.End())
		other.now = one.now
		plays, permuted = append(plays, one), append(permuted, other)
	}
	said := finish(t, s, slices.Concat(plays, permuted))
	for i, p := range plays {
		if diff := cmp.Diff(said[p.stream], said[permuted[i].stream]); diff != "" {
			t.Fatalf("history %d ends otherwise when permuted (-given +permuted):\n%s", i, diff)
		}
	}
}

// finish plays histories to their end, in few inserts, and returns what is said long after.
func finish(t *testing.T, s *store.Store, plays []*play) map[string][]said {
	t.Helper()
	st := &stage{t: t, store: s, clock: map[string]time.Time{}, plays: plays}
	var end time.Time
	var reports []store.Received
	for _, p := range plays {
		st.put(p)
		for _, step := range p.history.Steps {
			if step.Report != nil {
				r := store.Received{Report: *step.Report, At: step.Now}
				r.Stream = p.stream
				reports = append(reports, r)
			}
			if step.Close != nil {
				st.close(t.Context(), p, step.Close)
			}
			if step.Declare != nil {
				st.declare(t.Context(), p, step.Declare)
			}
		}
		st.clock[p.stream] = p.now
		end = later(end, p.now)
	}
	for from := 0; from < len(reports); from += 5000 {
		if err := s.Insert(t.Context(), reports[from:min(from+5000, len(reports))]); err != nil {
			t.Fatal(err)
		}
	}
	st.passUntilQuiet(end)
	return st.serviceSays(plays)
}

func (st *stage) passUntilQuiet(latest time.Time) {
	st.t.Helper()
	var last []store.Verdict
	for range 50 {
		said, err := st.pass(st.store, latest)
		if err != nil {
			st.t.Fatal(err)
		}
		if len(said) == 0 {
			return
		}
		last = said
	}
	st.t.Fatalf("passes at one instant go on saying something new: %+v", last[0])
}

func TestAStreamWithoutAnEdgeIsNeverComplete(t *testing.T) {
	s := newScene(t)
	s.hear(100, s.says("app", 1, 0), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.wait(400)
	s.wait(4000)
	reader := NewReader(s.store)
	hours, err := reader.Hours(t.Context(), nil, five, five.Add(time.Hour), s.now)
	if err != nil || len(hours) != 1 || hours[0].State != store.Unknown {
		t.Fatalf("hours %+v, %v: want one that is unknown", hours, err)
	}
	mark, _, ok, err := reader.Watermark(t.Context(), s.stream, "", s.now)
	if err != nil || !ok || !mark.Equal(five) {
		t.Fatalf("watermark %s, %v, %v: want it to stay at the first window", mark, ok, err)
	}
	infos, err := reader.Streams(t.Context(), s.now)
	if err != nil || len(infos) != 1 || !infos[0].Watermark.Equal(five) {
		t.Fatalf("streams %+v, %v: want the same watermark", infos, err)
	}
}

func TestAnHourIsCompleteOnlyOnceAllOfItWasExamined(t *testing.T) {
	s := newScene(t)
	s.hear(71, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)))
	state := func() store.State {
		t.Helper()
		hours, err := NewReader(s.store).Hours(t.Context(), []string{s.stream}, five, five.Add(time.Hour), s.now)
		if err != nil || len(hours) != 1 {
			t.Fatalf("%d hours, %v", len(hours), err)
		}
		return hours[0].State
	}
	if got := state(); got != store.Open {
		t.Fatalf("the running hour is %s", got)
	}
	s.now = five.Add(time.Hour + time.Second)
	if got := state(); got == store.Complete {
		t.Fatal("an hour is complete that nobody examined")
	}
	s.hear(3700, s.says("app", 1, 3699), s.says("sink", 2, 3699, "app"))
	s.wait(3704)
	if got := state(); got != store.Settling {
		t.Fatalf("the hour is %s before the sink passed its end", got)
	}
	s.hear(3710, s.says("app", 1, 3709), s.says("sink", 2, 3709, "app"))
	s.wait(3711)
	if got := state(); got != store.Complete {
		t.Fatalf("the hour is %s once all lanes passed it", got)
	}
}

func TestARunningWindowIsJudgedAgainWithinFiveSeconds(t *testing.T) {
	s := newScene(t)
	s.hear(30, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 29), 0, span(0, 4)))
	if v := s.verdict(0, "app", "sink"); v.Pending != 5 {
		t.Fatalf("%d pending at first", v.Pending)
	}
	s.hear(31, saw(s.says("app", 1, 30), 0, span(0, 9)))
	s.wait(34)
	if v := s.verdict(0, "app", "sink"); v.Pending != 10 {
		t.Fatalf("%d pending four seconds after the verdict, want 10", v.Pending)
	}
}
