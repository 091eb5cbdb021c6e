package reconcile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// spoilt fails to read the rolls of one stream, as where they are damaged.
type spoilt struct {
	*store.Store
	stream string
	err    error
	asked  int
}

func (s *spoilt) SourceRolls(ctx context.Context, windows []store.WindowKey, from wire.UID) iter.Seq2[store.SourceRolls, error] {
	s.asked++
	if slices.ContainsFunc(windows, func(k store.WindowKey) bool { return k.Stream == s.stream }) {
		return func(yield func(store.SourceRolls, error) bool) { yield(store.SourceRolls{}, s.err) }
	}
	return s.Store.SourceRolls(ctx, windows, from)
}

// beside tells the same of nine streams, which are judged together, and of one that is judged by itself since it speaks of hours ago.
func beside(t *testing.T) (*scene, map[string]int) {
	t.Helper()
	s, minutes := newScene(t), map[string]int{"old": -180}
	for i := range 9 {
		minutes[fmt.Sprintf("stream-%d", i)] = 0
	}
	s.now = five.Add(71 * time.Second)
	for name, minute := range minutes {
		s.stream = name
		clear(s.number)
		at := 60 * minute
		s.put(s.says("app", 1, at), s.says("sink", 2, at+1, "app"),
			saw(s.says("app", 1, at+65), minute, span(0, 9)), saw(s.says("sink", 2, at+70, "app"), minute, span(0, 7)))
	}
	return s, minutes
}

// Streams are judged together, and what failed in one failed in all.
func TestAStreamThatCannotBeJudgedStopsNoOther(t *testing.T) {
	damaged, memory := errors.New("a roll is damaged"), fmt.Errorf("%w: %w: out of memory", store.ErrAway, store.ErrBusy)
	for _, c := range []struct {
		stream string
		err    error
	}{{"stream-4", damaged}, {"stream-4", memory}, {"old", damaged}} {
		t.Run(c.stream+" "+c.err.Error(), func(t *testing.T) {
			s, minutes := beside(t)
			said, err := Pass(t.Context(), &spoilt{Store: s.store, stream: c.stream, err: c.err}, s.now)
			if err == nil || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.stream) || strings.Contains(err.Error(), "stream-3") {
				t.Fatalf("error %v: want one that names the stream", err)
			}
			told := map[string]bool{}
			for _, v := range said {
				told[v.Stream] = true
			}
			for s.stream = range minutes {
				if bad := s.stream == c.stream; told[s.stream] == bad {
					t.Errorf("a verdict of %s is told: %v", s.stream, told[s.stream])
				}
			}
			s.stream = c.stream
			if v := s.verdict(minutes[c.stream], "app", "sink"); v.Closed() {
				t.Errorf("%s is %s and was never judged", c.stream, v.State)
			}
			s.pass() // what could not be judged is judged once it can be
			for s.stream = range minutes {
				s.want(s.verdict(minutes[s.stream], "app", "sink"), store.Incomplete, 2, 0)
			}
		})
	}
}

// Where the store is away every stream would fail alike: asking for each by itself would only make the wait longer.
func TestAStoreThatIsAwayIsNotAskedAgainForEveryStream(t *testing.T) {
	s, _ := beside(t)
	away := &spoilt{Store: s.store, stream: "stream-4", err: store.ErrAway}
	if _, err := Pass(t.Context(), away, s.now); !errors.Is(err, store.ErrAway) || away.asked != 2 {
		t.Fatalf("asked %d times, want once a group, %v", away.asked, err)
	}
}
