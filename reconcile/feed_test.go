package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// flaky is a store that is away for the looks it is told.
type flaky struct {
	*store.Store
	away int
}

func (f *flaky) ChangedSince(ctx context.Context, since time.Time) ([]store.Changed, error) {
	if f.away--; f.away >= 0 {
		return nil, errors.New("away")
	}
	return f.Store.ChangedSince(ctx, since)
}

// decide stores a verdict at a revision.
func decide(t *testing.T, s *store.Store, stream string, revision uint32, state store.State) {
	t.Helper()
	v := store.Verdict{Stream: stream, Start: five, Edge: store.Edge{From: "app", To: "sink"}, Revision: revision, Seconds: 60, State: state, DecidedAt: five}
	if err := s.AddVerdicts(t.Context(), []store.Verdict{v}); err != nil {
		t.Fatal(err)
	}
}

func (f *Feed) mustLook(t *testing.T) {
	t.Helper()
	if err := f.look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Verdicts are told once, whichever process stored them, and none is passed over where the store was away between.
func TestTheFeedTellsEachVerdictOnceThoughTheStoreWasAway(t *testing.T) {
	s := &flaky{Store: openStore(t)}
	feed := NewFeed(s, slog.New(slog.DiscardHandler))
	feed.mustLook(t)
	changes, cancel := feed.Subscribe()
	defer cancel()
	decide(t, s.Store, "orders", 1, store.Settling)
	s.away = 2
	for range 2 {
		if err := feed.look(t.Context()); err == nil {
			t.Error("a store that is away is not told")
		}
	}
	decide(t, s.Store, "orders", 2, store.Complete)
	decide(t, s.Store, "flights", 1, store.Withdrawn)
	for range 3 {
		feed.mustLook(t)
	}
	if len(changes) != 1 {
		t.Fatalf("%d changes are told", len(changes))
	}
	told := <-changes
	if len(told) != 2 || told[0].Revision != 1 || told[1].Revision != 2 {
		t.Errorf("told %+v", told)
	}
}

func TestTheFeedForgetsWhatItNeedNotTellApart(t *testing.T) {
	feed := NewFeed(nil, slog.New(slog.DiscardHandler))
	at := func(n int) store.Changed {
		return store.Changed{Verdict: store.Verdict{Stream: "orders", Start: five, Revision: uint32(n), State: store.Complete}, StoredAt: five.Add(time.Duration(n) * time.Second)}
	}
	for n := range 100 {
		if fresh := feed.fresh([]store.Changed{at(n)}); len(fresh) != 1 {
			t.Fatalf("%d of one are fresh", len(fresh))
		}
	}
	if most := int(feedReach/time.Second) + 1; len(feed.told) > most {
		t.Errorf("%d are kept, of which %d could come again", len(feed.told), most)
	}
}

// A subscriber that does not read loses its channel, and nobody waits for it.
func TestTheFeedDropsASubscriberThatDoesNotRead(t *testing.T) {
	feed := NewFeed(nil, slog.New(slog.DiscardHandler))
	slow, cancel := feed.Subscribe()
	defer cancel()
	for range fanDepth + 1 {
		feed.publish([]store.Verdict{{Stream: "orders"}})
	}
	n := 0
	for range slow {
		n++
	}
	if n != fanDepth {
		t.Errorf("it got %d changes before its channel was closed", n)
	}
}
