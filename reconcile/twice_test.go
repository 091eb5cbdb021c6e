package reconcile

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// stopped is a judge that stops before one of its calls to the store, while others go on, and then wakes and goes on as if nothing had happened.
type stopped struct {
	Store
	before int // the call it stops before
	calls  int
	then   func()
}

func (s *stopped) call() Store {
	if s.calls++; s.calls == s.before {
		s.then()
	}
	return s.Store
}

func (s *stopped) DueMarks(ctx context.Context, now time.Time, limit int) ([]store.Mark, error) {
	return s.call().DueMarks(ctx, now, limit)
}

func (s *stopped) MarksOf(ctx context.Context, streams []string) ([]store.Mark, error) {
	return s.call().MarksOf(ctx, streams)
}

func (s *stopped) ReplaceMarks(ctx context.Context, old, next []store.Mark) error {
	return s.call().ReplaceMarks(ctx, old, next)
}

func (s *stopped) BoundAfter(ctx context.Context, since map[string]time.Time) ([]store.WindowKey, error) {
	return s.call().BoundAfter(ctx, since)
}

func (s *stopped) VerdictsOf(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Verdict, error) {
	return s.call().VerdictsOf(ctx, windows)
}

func (s *stopped) AddVerdicts(ctx context.Context, verdicts []store.Verdict) error {
	return s.call().AddVerdicts(ctx, verdicts)
}

func (s *stopped) KeepClosedSeen(ctx context.Context, hops []store.HopWindow) error {
	return s.call().KeepClosedSeen(ctx, hops)
}

func (s *stopped) ProgressOf(ctx context.Context, streams []string) (map[string]store.Progress, error) {
	return s.call().ProgressOf(ctx, streams)
}

func (s *stopped) SetProgress(ctx context.Context, progress []store.Progress, now time.Time) error {
	return s.call().SetProgress(ctx, progress, now)
}

func (s *stopped) Settings(ctx context.Context, streams []string) (map[string]store.Settings, error) {
	return s.call().Settings(ctx, streams)
}

func (s *stopped) ClosingsOf(ctx context.Context, streams []string) (map[string][]store.Closing, error) {
	return s.call().ClosingsOf(ctx, streams)
}

func (s *stopped) Reports(ctx context.Context, streams []string, since time.Time) (map[string][]store.Report, error) {
	return s.call().Reports(ctx, streams, since)
}

func (s *stopped) EmittersSince(ctx context.Context, streams []string, since time.Time) (map[string][]store.Emitter, error) {
	return s.call().EmittersSince(ctx, streams, since)
}

func (s *stopped) Hops(ctx context.Context, streams []string) (map[string][]store.HopSummary, error) {
	return s.call().Hops(ctx, streams)
}

func (s *stopped) UncoveredSources(ctx context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error) {
	return s.call().UncoveredSources(ctx, queries)
}

func (s *stopped) SourceRolls(ctx context.Context, windows []store.WindowKey, from wire.UID) iter.Seq2[store.SourceRolls, error] {
	return s.call().SourceRolls(ctx, windows, from)
}

func (s *stopped) EmitterRolls(ctx context.Context, keys []store.RollKey, events uint64) iter.Seq2[store.EmitterRoll, error] {
	return s.call().EmitterRolls(ctx, keys, events)
}

func (s *stopped) ForeignEvents(ctx context.Context, windows []store.WindowKey, from string) iter.Seq2[store.ForeignEvent, error] {
	return s.call().ForeignEvents(ctx, windows, from)
}

func (s *stopped) HopTallies(ctx context.Context, windows []store.WindowKey) (map[store.HopWindow]store.HopTally, error) {
	return s.call().HopTallies(ctx, windows)
}

func (s *stopped) Announced(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Announced, error) {
	return s.call().Announced(ctx, windows)
}

func (s *stopped) Announcers(ctx context.Context, since map[string]time.Time) (map[string][]store.HopEmitter, error) {
	return s.call().Announcers(ctx, since)
}

// owned is the store for a judge that has just claimed all streams.
func (st *stage) owned() *store.Owned {
	st.t.Helper()
	var all []uint32
	for share := range uint32(store.Shares) {
		all = append(all, share)
	}
	claims, err := st.store.Claim(st.t.Context(), all)
	if err != nil {
		st.t.Fatal(err)
	}
	return st.store.Owned(claims)
}

func (st *stage) mustPass(s Store) {
	st.t.Helper()
	if _, err := st.pass(s, farOff); err != nil {
		st.t.Fatal(err)
	}
}

// rows is what judges left of a stream.
type rows struct {
	Verdicts []store.Verdict // all revisions
	Progress store.Progress
	Marks    []store.Mark
}

// left reads what judges left of the plays.
func (st *stage) left() map[string]rows {
	st.t.Helper()
	ctx, found := st.t.Context(), map[string]rows{}
	var names []string
	for _, p := range st.plays {
		names = append(names, p.stream)
	}
	progress, err := st.store.ProgressOf(ctx, names)
	if err != nil {
		st.t.Fatal(err)
	}
	marks, err := st.store.MarksOf(ctx, names)
	if err != nil {
		st.t.Fatal(err)
	}
	for _, name := range names {
		found[name] = rows{
			Verdicts: st.revisions(name), Progress: progress[name],
			Marks: slices.DeleteFunc(slices.Clone(marks), func(m store.Mark) bool { return m.Stream != name }),
		}
	}
	return found
}

func (st *stage) revisions(stream string) []store.Verdict {
	st.t.Helper()
	standing, err := st.store.VerdictsIn(st.t.Context(), stream, farOff.AddDate(-90, 0, 0), farOff)
	if err != nil {
		st.t.Fatal(err)
	}
	var all []store.Verdict
	for _, v := range standing {
		revisions, err := st.store.Revisions(st.t.Context(), stream, v.Start, v.Edge)
		if err != nil {
			st.t.Fatal(err)
		}
		all = append(all, revisions...)
	}
	return all
}

// A judge that was stopped anywhere in its pass, and wakes after another has taken its streams over and gone on, leaves what one judge would have:
// the same verdicts and revisions, to the instant each was decided at, the same progress and the same marks.
func TestAJudgeThatWakesAfterItWasReplacedChangesNothing(t *testing.T) {
	const histories, rounds = 40, 30
	one, two := newStage(t, openStore(t), 7001, histories), newStage(t, openStore(t), 7001, histories)
	stops, revised := map[int]bool{}, 0
	before := 0
	for range rounds {
		before++
		one.deliver()
		one.mustPass(one.store)
		one.deliver()
		one.mustPass(one.store)
		two.deliver()
		on, woke := []*play(nil), false
		first := &stopped{Store: two.owned(), before: before, then: func() {
			woke = true
			second := two.owned()
			two.mustPass(second)
			on = two.deliver()
			two.mustPass(second)
		}}
		two.mustPass(first)
		if stops[before] = woke; !woke { // the pass had fewer calls
			before = 0
			on = two.deliver()
			two.mustPass(two.owned())
		}
		if len(on) == 0 {
			break
		}
	}
	want, got := one.left(), two.left()
	loose := cmp.Options{cmpopts.IgnoreFields(store.Mark{}, "Token"), cmpopts.IgnoreUnexported(store.Progress{}), cmpopts.EquateEmpty()}
	for _, p := range one.plays {
		if diff := cmp.Diff(want[p.stream], got[p.stream], loose); diff != "" {
			t.Fatalf("%s (-one judge +two):\n%s\n%s", p.stream, diff, describe(p))
		}
		for _, v := range want[p.stream].Verdicts {
			revised = max(revised, int(v.Revision))
		}
	}
	t.Logf("stopped before %d calls, up to %d revisions", len(stops), revised)
	if len(stops) < 15 || revised < 3 {
		t.Errorf("stopped before %d calls, up to %d revisions: the histories prove too little", len(stops), revised)
	}
}
