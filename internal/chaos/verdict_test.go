package chaos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

// The settings of every stream here.
const (
	windowLength = 10 * time.Second
	grace        = 2 * time.Second
	settle       = 600 * time.Second
	skew         = 200 * time.Millisecond
)

// took is what one hop truly took over: how often each event, and what was the matter with it.
type took struct {
	hop   string
	after []string
	times map[wire.UID]int
	kinds map[wire.UID]wire.Kind // corrupt or filtered; else absent
}

func newTook(hop string, after ...string) *took {
	return &took{hop: hop, after: after, times: map[wire.UID]int{}, kinds: map[wire.UID]wire.Kind{}}
}

// truth is what truly happened in one stream.
type truth struct {
	stream string
	edges  []string
	hops   []*took                // those that come first, first
	window map[wire.UID]time.Time // of each event
}

// verdicts is what the model says of the truth, told as one closed emitter of each hop.
func (tr *truth) verdicts() []model.Verdict {
	m := model.New(model.Settings{WindowSeconds: seconds(windowLength), Grace: grace, Settle: settle, Skew: skew, Edges: tr.edges})
	at := time.Now().UTC().Truncate(time.Millisecond).Add(time.Minute) // after every window
	for i, hop := range tr.hops {
		at = at.Add(time.Minute)
		m.Receive(wire.Report{
			Stream: tr.stream, Hop: hop.hop, After: hop.after, Emitter: wire.UID{byte(i + 1)}, Number: 1, SentAt: at, State: wire.Closed,
			Windows: tr.windows(hop),
		}, at)
	}
	all := m.Verdicts(at)
	return slices.DeleteFunc(all, func(v model.Verdict) bool { return v.Produced == 0 })
}

func (tr *truth) windows(hop *took) []wire.Window {
	rolls := map[time.Time]map[wire.UID]*wire.Source{}
	for uid, times := range hop.times {
		start := tr.window[uid]
		if rolls[start] == nil {
			rolls[start] = map[wire.UID]*wire.Source{}
		}
		source := rolls[start][uid.Source()]
		if source == nil {
			source = &wire.Source{ID: uid.Source()}
			rolls[start][uid.Source()] = source
		}
		mark(source, wire.Seen, uid)
		if times > 1 {
			mark(source, wire.Repeated, uid)
		}
		if kind, ok := hop.kinds[uid]; ok {
			mark(source, kind, uid)
		}
	}
	var windows []wire.Window
	for start, sources := range rolls {
		w := wire.Window{Start: start, Seconds: seconds(windowLength)}
		for _, source := range sources {
			w.Sources = append(w.Sources, *source)
		}
		windows = append(windows, w)
	}
	return windows
}

func mark(s *wire.Source, kind wire.Kind, uid wire.UID) {
	if s.Rolls[kind] == nil {
		s.Rolls[kind] = roaring.New()
	}
	s.Rolls[kind].Add(uid.Sequence())
}

// said is one verdict with its names, whoever said it.
type said struct {
	Start                         time.Time
	Edge, State                   string
	Produced, Expected, Delivered uint64
	Names                         map[string][]string // by kind; none empty
}

func bySaid(a, b said) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Edge, b.Edge))
}

// ought is what the model says of the truth.
func (tr *truth) ought() []said {
	var all []said
	for _, v := range tr.verdicts() {
		all = append(all, said{v.Start.UTC(), v.Edge, v.State, v.Produced, v.Expected, v.Delivered, v.Names})
	}
	slices.SortFunc(all, bySaid)
	return all
}

// told is what the server says.
func told(ctx context.Context, a *asker, stream string) ([]said, error) {
	rows, err := a.windows(ctx, stream)
	if err != nil {
		return nil, err
	}
	var all []said
	for _, w := range rows {
		if w.Produced == 0 && len(countsOf(w)) == 0 {
			continue
		}
		s := said{w.Start.UTC(), w.Edge, w.State, w.Produced, w.Expected, w.Delivered, map[string][]string{}}
		for kind, count := range countsOf(w) {
			if s.Names[kind], err = a.names(ctx, w, kind); err != nil {
				return nil, err
			}
			slices.Sort(s.Names[kind])
			if uint64(len(s.Names[kind])) != count {
				return nil, fmt.Errorf("%s %s: %d are %s, and %d names are given", w.Start, w.Edge, count, kind, len(s.Names[kind]))
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, bySaid)
	return all, nil
}

// countsOf returns the kinds that have names.
func countsOf(w api.Window) map[string]uint64 {
	counts := map[string]uint64{
		"lost": w.Lost, "pending": w.Pending, "duplicated": w.Duplicated, "redelivered": w.Redelivered, "unexpected": w.Unexpected,
		"corrupt": w.Corrupt, "invalid": w.Invalid, "filtered": w.Filtered, "rejected": w.Rejected, "skewed": w.Skewed,
	}
	for kind, n := range counts {
		if n == 0 {
			delete(counts, kind)
		}
	}
	return counts
}

// agree waits until the server says of every window what the model says of the truth, and returns that.
func (tr *truth) agree(t *testing.T, a *asker) []said {
	t.Helper()
	ought := tr.ought()
	if len(ought) == 0 {
		t.Fatalf("%s: nothing happened", tr.stream)
	}
	eventually(t, "what the server says of "+tr.stream+" being what truly happened", func(ctx context.Context) error {
		is, err := told(ctx, a, tr.stream)
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(ought, is); diff != "" {
			return fmt.Errorf("(-ought +is):\n%s", diff)
		}
		return nil
	})
	return ought
}
