package reconcile

import (
	"context"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Windows that are complete and empty are not stored; what is kept instead is how long after their end a report may have been sent that
// changes them. These tests hold that such a report is never missed, and that one slow stretch does not make every later pass dear.

// slow is a stream whose hops are heard of lag seconds after the end of minute 1, and not since minute 0.
func slow(t *testing.T, lag int) *scene {
	t.Helper()
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(120+lag, s.says("app", 1, 115+lag), s.says("sink", 2, 119+lag, "app"))
	s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
	return s
}

// stored says whether a verdict of the minute is kept.
func (s *scene) stored(minute int) bool {
	s.t.Helper()
	key := store.WindowKey{Stream: s.stream, Start: five.Add(time.Duration(minute) * time.Minute)}
	found, err := s.store.VerdictsOf(s.t.Context(), []store.WindowKey{key})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(found[key]) > 0
}

func (s *scene) reach() time.Duration {
	s.t.Helper()
	found, err := s.store.ProgressOf(s.t.Context(), []string{s.stream})
	if err != nil {
		s.t.Fatal(err)
	}
	return found[s.stream].Reach
}

func TestAReportThatChangesAWindowThatIsNotStoredIsNotMissed(t *testing.T) {
	for _, c := range []struct {
		name   string
		lag    int
		stored bool
	}{{"passed soon", 100, false}, {"passed within the longest reach", 3500, false}, {"passed hours later", 8000, true}} {
		t.Run(c.name, func(t *testing.T) {
			s := slow(t, c.lag)
			if s.stored(1) != c.stored {
				t.Fatalf("a verdict is stored: %v, want %v", s.stored(1), c.stored)
			}
			second := s.says("sink", 7, 110+c.lag, "app") // was there when the first one passed the window, and was not heard of before
			s.hear(20_000, s.says("app", 1, 19_990), s.says("sink", 2, 19_999, "app"), second)
			if v := s.verdict(1, "app", "sink"); v.State == store.Complete {
				t.Fatal("the window stayed complete though a second sink that was there holds it")
			}
			s.hear(20_010, s.says("sink", 7, 20_009, "app"))
			s.wait(20_071) // an old window is looked at within a minute
			s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
		})
	}
}

// counting counts the windows that are judged.
type counting struct {
	*store.Store
	judged int
}

func (c *counting) VerdictsOf(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Verdict, error) {
	c.judged += len(windows)
	return c.Store.VerdictsOf(ctx, windows)
}

// The reach only ever grew: after one outage of a day every later report had a day of windows judged again, for ever.
func TestAnOutageDoesNotMakeEveryLaterPassDear(t *testing.T) {
	s := slow(t, 24*3600)
	if got := s.reach(); got > maxReach {
		t.Errorf("a reach of %s is kept; windows that take longer are to be stored", got)
	}
	for minute := range 10 {
		at := 25*3600 + 60*minute
		s.hear(at, s.says("app", 1, at-5), s.says("sink", 2, at-1, "app"))
	}
	counted := &counting{Store: s.store}
	s.put(s.says("app", 1, 25*3600+600), s.says("sink", 2, 25*3600+603, "app"))
	s.now = five.Add(25*time.Hour + 605*time.Second)
	if _, err := Pass(t.Context(), counted, s.now); err != nil {
		t.Fatal(err)
	}
	if most := int(maxReach/time.Minute) + 10; counted.judged > most {
		t.Fatalf("%d windows were judged for one heartbeat, want at most %d", counted.judged, most)
	}
}
