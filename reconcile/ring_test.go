package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// lasting gives the stream windows of so many seconds, and objectives.
func (s *scene) lasting(seconds uint32, objectives string) {
	s.t.Helper()
	settings := store.DefaultSettings(s.stream)
	settings.Document, settings.Edges, settings.Lengths = []byte(`{"objectives":`+objectives+`}`), []store.Edge{appSink}, []store.Length{{Seconds: seconds}}
	if err := s.store.PutSettings(s.t.Context(), settings, five); err != nil {
		s.t.Fatal(err)
	}
}

// took adds the nth window of so many seconds, in which a hop took events over.
func took(r *wire.Report, n, seconds int, roll *roaring.Bitmap) *wire.Report {
	src := wire.Source{ID: id(100)}
	src.Rolls[wire.Seen] = roll
	r.Windows = append(r.Windows, wire.Window{Start: five.Add(time.Duration(n*seconds) * time.Second), Seconds: uint32(seconds), Sources: []wire.Source{src}})
	return r
}

// rang is when incidents of a cause opened and ended, in seconds after five; 0 where one is open.
func (s *scene) rang(cause store.Cause) [][2]int {
	s.t.Helper()
	all, err := s.store.Incidents(s.t.Context(), store.IncidentFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	var times [][2]int
	for _, i := range all {
		if i.Cause == cause {
			at := [2]int{int(i.OpenedAt.Sub(five).Seconds()), 0}
			if i.State() == store.IncidentResolved {
				at[1] = int(i.Since.Sub(five).Seconds())
			}
			times = append(times, at)
		}
	}
	return times
}

// look has the stream's budgets summed and its alarms decided at an instant, as a pass that looks at it does.
func (s *scene) look(seconds int) {
	s.t.Helper()
	s.now = five.Add(time.Duration(seconds) * time.Second)
	all, err := s.store.Settings(s.t.Context(), []string{s.stream})
	if err != nil {
		s.t.Fatal(err)
	}
	p := newPass(s.store, s.now)
	if err := p.burn(s.t.Context(), []*work{{stream: s.stream, now: s.now, settings: all[s.stream], look: true}}); err != nil || len(p.unsummed) > 0 {
		s.t.Fatal(err, p.unsummed)
	}
}

// judged stores what is said of the nth window of so many seconds at an instant.
func (s *scene) judged(n, length, at int, state store.State, lost uint64) {
	s.t.Helper()
	v := store.Verdict{
		Stream: s.stream, Start: five.Add(time.Duration(n*length) * time.Second), Seconds: uint32(length), Edge: appSink, State: state, Revision: 1,
		Counts: store.Counts{Produced: 100, Expected: 100, Delivered: 100 - lost, Lost: lost}, DecidedAt: five.Add(time.Duration(at) * time.Second),
	}
	if v.Closed() {
		v.FirstClosed = v.DecidedAt
	}
	if err := s.store.AddVerdicts(s.t.Context(), []store.Verdict{v}); err != nil {
		s.t.Fatal(err)
	}
}

const lookEvery = 240 // seconds; a stream is looked at each five minutes at the latest

func TestALossRingsSoonAndOnceAndEndsSoonHoweverLongTheWindows(t *testing.T) {
	for _, length := range []int{300, 3600} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			s := newScene(t, appSink)
			s.lasting(uint32(length), `{"completeness":0.999}`)
			for now, n := length, 0; now <= max(2*length, 2400)+900; now += lookEvery {
				for ; now >= (n+1)*length+12; n++ {
					lost, state := uint64(0), store.Complete
					if n == 0 {
						lost, state = 50, store.Incomplete
					}
					s.judged(n, length, (n+1)*length+12, state, lost)
				}
				s.look(now)
			}
			rang := s.rang(store.BurnCause(store.Completeness, false))
			if len(rang) != 1 || rang[0][0] > length+12+lookEvery || rang[0][1] < 2*length || rang[0][1] > length+12+max(length, 1800)+2*lookEvery {
				t.Fatalf("judged at %d, it rang %v", length+12, rang)
			}
		})
	}
}

func TestWhatIsLateByAQuarterOfAnHourRingsWhenItIsAndEndsAfterwards(t *testing.T) {
	for _, length := range []int{60, 3600} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			s := newScene(t, appSink)
			s.lasting(uint32(length), `{"timeliness":0.99,"timelySeconds":900}`)
			late, back := length+900, length+1500 // nothing is closed until then
			closed := 0
			for now, n := late-lookEvery, 0; now <= max(2*length, back+2400)+900; now += lookEvery {
				for ; now >= (n+1)*length+12; n++ {
					s.judged(n, length, (n+1)*length+12, store.Settling, 0)
				}
				for ; now >= back && closed < n; closed++ {
					s.judged(closed, length, max(back, (closed+1)*length+13), store.Complete, 0)
				}
				s.look(now)
			}
			rang := s.rang(store.BurnCause(store.Timeliness, false))
			if len(rang) != 1 || rang[0][0] < late || rang[0][0] > late+2*lookEvery || rang[0][1] < back || rang[0][1] > back+max(length, 1800)+2*lookEvery {
				t.Fatalf("late at %d, it rang %v", late, rang)
			}
		})
	}
}

// unsummable is a store that cannot sum budgets.
type unsummable struct {
	Store
	away bool
}

func (f *unsummable) SumBudgets(ctx context.Context, queries []store.BudgetQuery, now time.Time) ([]store.Budget, error) {
	if f.away {
		return nil, errors.New("too much memory")
	}
	return f.Store.SumBudgets(ctx, queries, now)
}

// onlyOne has all shares in one hand.
type onlyOne struct{ Store }

func (o onlyOne) Hold() (Store, func(Health)) { return o.Store, func(Health) {} }

func TestWhereBudgetsCannotBeSummedLossesAreToldAndMarksReplacedAndItIsTriedAgain(t *testing.T) {
	s := newScene(t, appSink)
	s.lasting(60, `{"completeness":0.999}`)
	s.hear(1, s.says("app", 1, 0), s.says("sink", 2, 1, "app"))
	at := func(seconds int, reports ...*wire.Report) []store.Received {
		s.now = five.Add(time.Duration(seconds) * time.Second)
		var all []store.Received
		for _, r := range reports {
			s.number[r.Emitter]++
			r.Number = s.number[r.Emitter]
			all = append(all, store.Received{Report: *r, At: s.now})
		}
		return all
	}
	f := &unsummable{Store: s.store, away: true}
	r, err := New(onlyOne{f}, Config{Now: func() time.Time { return s.now }}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.Insert(t.Context(), at(140, took(s.says("app", 1, 130), 0, 60, span(0, 99)), took(s.says("sink", 2, 139, "app"), 0, 60, span(0, 49)))); err != nil {
		t.Fatal(err)
	}
	r.pass(t.Context())
	if h := r.Health(); h.Err != nil || testutil.ToFloat64(r.metrics.unsummed) == 0 {
		t.Fatalf("%v, %v failures are counted", h.Err, testutil.ToFloat64(r.metrics.unsummed))
	}
	if i := s.one(); i.Cause != store.CauseLoss {
		t.Fatalf("%+v", i)
	}
	left, err := s.store.MarksOf(t.Context(), []string{s.stream})
	if err != nil {
		t.Fatal(err)
	}
	var due []string
	for _, m := range left {
		if !m.Due.After(s.now) {
			due = append(due, strings.TrimSpace(m.Start.String()))
		}
	}
	if diff := gocmp.Diff([]string{time.Time{}.String()}, due); diff != "" {
		t.Fatalf("what is due is to look at the stream once more: %s", diff)
	}
	f.away, s.now = false, s.now.Add(time.Second)
	r.pass(t.Context())
	if got := s.budgets()[store.Completeness]; got != [2]uint64{100, 50} {
		t.Fatalf("%v once it can be summed", got)
	}
	if rang := s.rang(store.BurnCause(store.Completeness, false)); len(rang) != 1 {
		t.Fatalf("it rang %v", rang)
	}
}

func TestOldWindowsWhoseBudgetsCouldNotBeSummedAreJudgedAgain(t *testing.T) {
	now := five.Add(30 * time.Minute)
	old := five.Add(-26 * time.Hour)
	w := &work{stream: "orders", now: now, windows: map[time.Time]bool{five: true, old: true}, settings: store.DefaultSettings("orders")}
	want := []store.Mark{{WindowKey: store.WindowKey{Stream: "orders", Start: old}, Due: now.Add(time.Minute)}}
	if diff := gocmp.Diff(want, w.again()); diff != "" {
		t.Error(diff)
	}
	w.look = true
	if again := w.again(); len(again) != 2 || !again[0].Start.IsZero() || again[0].Due.After(now) {
		t.Errorf("%+v", again)
	}
}
