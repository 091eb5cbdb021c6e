package reconcile

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// play is one history as one stream of the store, beside its model.
type play struct {
	stream  string
	history model.History
	model   *model.Model
	step    int
	now     time.Time

	certify string // what the settings say of certificates, as JSON; empty for nothing
}

// stage plays many histories side by side: one insert and one pass a step.
type stage struct {
	t     *testing.T
	store *store.Store
	plays []*play
	clock map[string]time.Time
	until time.Time // steps after it wait; zero: none does
}

// next says whether a play has a step that is due.
func (st *stage) next(p *play) bool {
	return p.step < len(p.history.Steps) && (st.until.IsZero() || !p.history.Steps[p.step].Now.After(st.until))
}

func newPlay(name string, i int, h model.History) *play {
	return &play{stream: fmt.Sprintf("%s-%04d", name, i), history: h, model: model.New(h.Settings)}
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s
}

func newStage(t *testing.T, s *store.Store, seed, n int) *stage {
	t.Helper()
	return newStageOf(t, s, "s"+strconv.Itoa(seed), n, func(i int) model.History { return model.Histories().Example(seed + i) })
}

// newStageOf lays out n histories as streams of a name.
func newStageOf(t *testing.T, s *store.Store, name string, n int, history func(i int) model.History) *stage {
	t.Helper()
	plays := make([]*play, n)
	for i := range plays {
		plays[i] = newPlay(name, i, history(i))
	}
	return newStageOfPlays(t, s, plays)
}

func newStageOfPlays(t *testing.T, s *store.Store, plays []*play) *stage {
	t.Helper()
	st := &stage{t: t, store: s, clock: map[string]time.Time{}}
	for _, p := range plays {
		if len(p.history.Steps) == 0 {
			continue
		}
		st.plays = append(st.plays, p)
		st.put(p)
	}
	return st
}

func (st *stage) put(p *play) {
	st.t.Helper()
	s, m := store.DefaultSettings(p.stream), p.history.Settings
	s.Lengths = []store.Length{{Seconds: m.WindowSeconds}}
	s.Grace, s.Settle, s.Skew = m.Grace, m.Settle, m.Skew
	for _, e := range m.Edges {
		s.Edges = append(s.Edges, edgeOf(st.t, e))
	}
	if p.certify != "" {
		s.Document = fmt.Appendf(nil, `{"certify":%s}`, p.certify)
	}
	if err := st.store.PutSettings(st.t.Context(), s, p.history.Steps[0].Now); err != nil {
		st.t.Fatal(err)
	}
}

func edgeOf(t *testing.T, text string) store.Edge {
	t.Helper()
	for i := range len(text) - 1 {
		if text[i:i+2] == ".." {
			return store.Edge{From: text[:i], To: text[i+2:]}
		}
	}
	t.Fatalf("edge %q", text)
	return store.Edge{}
}

// advance gives the store and the models the next step of every history, makes a pass, and returns the plays that went on.
func (st *stage) advance() []*play {
	st.t.Helper()
	st.waive()
	on := st.deliver()
	if _, err := st.pass(st.store, farOff); err != nil {
		st.t.Fatal(err)
	}
	return on
}

// deliver is advance without the pass.
func (st *stage) deliver() []*play {
	st.t.Helper()
	ctx := st.t.Context()
	var on []*play
	var reports []store.Received
	for _, p := range st.plays {
		if !st.next(p) {
			continue
		}
		step := p.history.Steps[p.step]
		p.step++
		p.now = step.Now
		st.clock[p.stream] = step.Now
		p.model.Apply(step)
		if step.Report != nil {
			r := store.Received{Report: *step.Report, At: step.Now}
			r.Stream = p.stream
			reports = append(reports, r)
		}
		if step.Close != nil {
			st.close(ctx, p, step.Close)
		}
		if step.Declare != nil {
			st.declare(ctx, p, step.Declare)
		}
		on = append(on, p)
	}
	if err := st.store.Insert(ctx, reports); err != nil {
		st.t.Fatal(err)
	}
	return on
}

// farOff lets all marks fall due but those that only new reports can change.
var farOff = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// pass makes a pass in which every stream has its own clock, as it stands now, and no window rests.
func (st *stage) pass(s Store, latest time.Time) ([]store.Verdict, error) {
	clock := maps.Clone(st.clock)
	p := pass{store: s, latest: latest, clock: func(stream string) time.Time { return clock[stream] }}
	return p.run(st.t.Context())
}

func (st *stage) close(ctx context.Context, p *play, c *model.Close) {
	st.t.Helper()
	closing := store.Closing{Stream: p.stream, At: c.At, Why: "dead", Who: "local", MadeAt: p.now}
	switch {
	case !c.Source.IsZero():
		closing.Kind, closing.ID = store.CloseSource, c.Source
	case !c.Emitter.IsZero():
		closing.Kind, closing.ID = store.CloseEmitter, c.Emitter
	default:
		closing.Kind, closing.Hop, closing.Lane = store.CloseLane, c.Hop, c.Lane
	}
	if err := st.store.AddClosing(ctx, closing); err != nil {
		st.t.Fatal(err)
	}
}

// said is what is compared: a verdict without revision, times and late.
type said struct {
	Start  string
	Edge   string
	State  string
	Counts store.Counts
	Waived store.Waived
	Good   bool
	Names  map[string][]string
}

func modelSays(p *play) []said {
	var all []said
	for _, v := range p.model.Verdicts(p.now) {
		all = append(all, said{
			Start: v.Start.UTC().Format(time.RFC3339), Edge: v.Edge, State: v.State,
			Counts: store.Counts{
				Produced: v.Produced, Expected: v.Expected, Delivered: v.Delivered, Lost: v.Lost, Pending: v.Pending,
				Duplicated: v.Duplicated, Redelivered: v.Redelivered, Unexpected: v.Unexpected, Corrupt: v.Corrupt,
				Invalid: v.Invalid, Filtered: v.Filtered, Rejected: v.Rejected, Skewed: v.Skewed, Replayed: v.Replayed,
				InvalidAtSource: v.InvalidAtSource, InvalidBefore: v.InvalidBefore,
			},
			Good: v.Good,
			Waived: store.Waived{
				Lost: v.Waived["lost"], Corrupt: v.Waived["corrupt"], Rejected: v.Waived["rejected"], Duplicated: v.Waived["duplicated"],
				Unknown: v.Waived["unknown"],
			},
			Names: withoutEmpty(v.Names),
		})
	}
	sortSaid(all)
	return all
}

func withoutEmpty(names map[string][]string) map[string][]string {
	kept := map[string][]string{}
	for kind, list := range names {
		if len(list) > 0 && kind != model.Unknown { // how holders are called is nobody's business
			kept[kind] = list
		}
	}
	return kept
}

func sortSaid(all []said) {
	slices.SortFunc(all, func(a, b said) int {
		if c := cmpText(a.Start, b.Start); c != 0 {
			return c
		}
		return cmpText(a.Edge, b.Edge)
	})
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// serviceSays reads back what stands of the plays: stored verdicts, windows derived, and names from the rolls.
func (st *stage) serviceSays(plays []*play) map[string][]said {
	st.t.Helper()
	ctx := st.t.Context()
	var names []string
	for _, p := range plays {
		names = append(names, p.stream)
	}
	progress, err := st.store.ProgressOf(ctx, names)
	if err != nil {
		st.t.Fatal(err)
	}
	settings, err := st.store.Settings(ctx, names)
	if err != nil {
		st.t.Fatal(err)
	}
	queries := make([]historyQuery, 0, len(names))
	since := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range names {
		queries = append(queries, historyQuery{stream: name, settings: settings[name]})
		if e := progress[name].Earliest; !e.IsZero() && e.Before(since) {
			since = e
		}
	}
	histories, err := loadHistories(ctx, st.store, queries, since.Add(-historyMargin))
	if err != nil {
		st.t.Fatal(err)
	}
	found := map[string][]said{}
	for chunk := range slices.Chunk(plays, 500) {
		st.readBack(chunk, progress, settings, histories, found)
	}
	return found
}

func (st *stage) readBack(
	plays []*play, progress map[string]store.Progress, settings map[string]store.Settings, histories map[string]*history, found map[string][]said,
) {
	st.t.Helper()
	ctx := st.t.Context()
	var windows []*window
	var keys []store.WindowKey
	known := map[string]known{}
	for _, p := range plays {
		k := knownOf(progress[p.stream], settings[p.stream], histories[p.stream])
		known[p.stream] = k
		if k.progress.Earliest.IsZero() {
			continue
		}
		for start := range k.starts(k.progress.Earliest, p.now, p.now) {
			w := k.history.judgeWindow(start, p.now)
			windows = append(windows, w)
			keys = append(keys, w.key())
		}
	}
	stored, err := st.store.VerdictsOf(ctx, keys)
	if err != nil {
		st.t.Fatal(err)
	}
	if err := fillWindows(ctx, st.store, windows); err != nil {
		st.t.Fatal(err)
	}
	names := st.names(windows)
	for _, w := range windows {
		stream := w.key().Stream
		verdicts := stored[w.key()]
		if verdicts == nil {
			k := known[stream]
			verdicts = k.derive(w.key().Start, w.now)
		}
		for _, v := range verdicts {
			found[stream] = append(found[stream], sayVerdict(w, v, names[edgeOfWindow{w.key(), v.Edge}]))
		}
	}
	for _, all := range found {
		sortSaid(all)
	}
}

func knownOf(p store.Progress, s store.Settings, h *history) known {
	return known{settings: s, progress: p, history: h}
}

// edgeOfWindow names an edge of a window of a stream.
type edgeOfWindow struct {
	store.WindowKey
	store.Edge
}

// names reads the UIDs in every set of every edge of the windows.
func (st *stage) names(windows []*window) map[edgeOfWindow]*[lists][]string {
	st.t.Helper()
	found := map[edgeOfWindow]*[lists][]string{}
	keys, byKey := mentionedKeys(windows)
	if len(keys) == 0 {
		return found
	}
	for p, err := range eachPart(st.t.Context(), st.store, keys, epochsOfWindows(byKey)) {
		if err != nil {
			st.t.Fatal(err)
		}
		g := &byKey[p.WindowKey].closing.graph
		for _, edge := range g.edges() {
			at := edgeOfWindow{p.WindowKey, edge}
			if found[at] == nil {
				found[at] = &[lists][]string{}
			}
			sets, _ := p.compare(g, edge)
			for i, set := range sets {
				found[at][i] = append(found[at][i], uids(p, set)...)
			}
		}
	}
	return found
}

func uids(p *part, set *roaring.Bitmap) []string {
	if set == nil {
		return nil
	}
	if p.foreign != "" {
		return []string{p.foreign}
	}
	var all []string
	for _, n := range set.ToArray() {
		all = append(all, p.source.WithSequence(n).String())
	}
	return all
}

func sayVerdict(w *window, v store.Verdict, names *[lists][]string) said {
	v.Counts.Late, v.Counts.Unplaced, v.Counts.Checked, v.Counts.CheckedAtSource = 0, 0, 0, 0
	s := said{Start: v.Start.UTC().Format(time.RFC3339), Edge: v.Edge.String(), State: v.State.String(), Counts: v.Counts, Waived: v.Waived, Good: v.Good(), Names: map[string][]string{}}
	for _, k := range kinds {
		set, holds := setOf(k.name, how{closed: v.Closed(), idempotent: w.idempotent(v.Edge.To)})
		if names != nil && holds && len(names[set]) > 0 {
			s.Names[k.name] = slices.Sorted(slices.Values(names[set]))
		}
	}
	return s
}

// TestServiceEqualsModelAfterEveryPrefix is the truth test: after each report of each history, what the service says is what
// a model says that knows nothing of SQL, bitmaps or passes.
func TestServiceEqualsModelAfterEveryPrefix(t *testing.T) {
	s := openStore(t)
	seed, histories, rounds := truthSize(t)
	compared, states := 0, map[string]int{}
	for round := range rounds {
		compared += newStage(t, s, seed+round*histories, histories).compare(states)
	}
	t.Logf("%d verdicts compared: %v", compared, states)
	for _, state := range []string{"complete", "open", "settling", "unknown", "incomplete", "lost and waived", "unknown and waived", "replayed"} {
		if states[state] == 0 {
			t.Errorf("no verdict was %s: the histories prove too little", state)
		}
	}
}

// compare plays all histories step by step, holds the service against the model after each, counts the states met and returns how many
// verdicts were compared.
func (st *stage) compare(states map[string]int) int {
	st.t.Helper()
	compared := 0
	for on := st.advance(); len(on) > 0; on = st.advance() {
		service := st.serviceSays(on)
		for _, p := range on {
			want := modelSays(p)
			if diff := cmp.Diff(want, service[p.stream]); diff != "" {
				st.t.Fatalf("history %s after step %d of %d at %s (-model +service):\n%s\n%s",
					p.stream, p.step, len(p.history.Steps), p.now.Format(time.RFC3339Nano), diff, describe(p))
			}
			compared += len(want)
			if p.step == len(p.history.Steps) && st.sampled(p) {
				st.compareRollUps(p)
			}
			for _, v := range want {
				states[v.State]++
				countWhen(states, "lost and waived", v.State == "incomplete" && v.Good)
				countWhen(states, "unknown and waived", v.State == "unknown" && v.Good)
				countWhen(states, "replayed", v.Counts.Replayed > 0)
			}
		}
	}
	return compared
}

func countWhen(states map[string]int, what string, is bool) {
	if is {
		states[what]++
	}
}

// truthSize is a thousand histories, or as many rounds of them as ROLLCALL_SOAK asks for.
func truthSize(t *testing.T) (seed, histories, rounds int) {
	t.Helper()
	seed, histories, rounds = 1, 1000, 1
	if testing.Short() {
		histories = 100
	}
	for name, target := range map[string]*int{"ROLLCALL_SOAK": &rounds, "ROLLCALL_SEED": &seed, "ROLLCALL_HISTORIES": &histories} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s=%q: %v", name, text, err)
			}
			*target = n
		}
	}
	return seed, histories, rounds
}
