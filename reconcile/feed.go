package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	feedEvery = time.Second      // between two looks at the store
	feedReach = 10 * time.Second // how long a verdict may take to become visible after the server's clock was read for it
)

// FeedStore is where changed verdicts are found.
type FeedStore interface {
	Now(ctx context.Context) (time.Time, error)
	ChangedSince(ctx context.Context, since time.Time) ([]store.Changed, error)
}

// Feed tells subscribers which verdicts changed, whichever process judged them: it looks for those stored since it last looked.
type Feed struct {
	store FeedStore
	every time.Duration
	log   *slog.Logger
	end   context.CancelFunc // nil before Start
	done  chan struct{}

	since time.Time // latest instant at which a verdict told was stored; zero before the store first answered
	told  map[tell]time.Time

	Fan[store.Verdict]
}

// tell names a verdict that was told.
type tell struct {
	store.WindowKey
	store.Edge
	revision uint32
	decided  int64
}

// NewFeed returns a feed that tells nothing until Start.
func NewFeed(s FeedStore, log *slog.Logger) *Feed {
	return &Feed{
		store: s, every: feedEvery, log: log, done: make(chan struct{}), told: map[tell]time.Time{},
	}
}

// Start begins to look at the store; what was stored in the last seconds before is told too.
func (f *Feed) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.end = cancel
	go f.run(ctx)
}

// Stop ends the feed, no later than ctx.
func (f *Feed) Stop(ctx context.Context) error {
	if f.end == nil {
		return nil
	}
	f.end()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reconcile: stop the feed of verdicts: %w", ctx.Err())
	}
}

func (f *Feed) run(ctx context.Context) {
	defer close(f.done)
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("changed verdicts could not be read; trying again", "error", err, "away", errors.Is(err, store.ErrAway))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look tells what was stored since. Where it fails nothing is passed over: the next look begins where this one did.
func (f *Feed) look(ctx context.Context) error {
	if f.since.IsZero() {
		now, err := f.store.Now(ctx)
		if err != nil {
			return err
		}
		f.since = now
	}
	changed, err := f.store.ChangedSince(ctx, f.since.Add(-feedReach))
	if err != nil {
		return err
	}
	if fresh := f.fresh(changed); len(fresh) > 0 {
		f.publish(fresh)
	}
	return nil
}

// fresh leaves out what was told before, and what was withdrawn.
func (f *Feed) fresh(changed []store.Changed) []store.Verdict {
	var fresh []store.Verdict
	for i := range changed {
		c := &changed[i]
		t := tell{store.WindowKey{Stream: c.Stream, Start: c.Start}, c.Edge, c.Revision, c.DecidedAt.UnixMilli()}
		if _, before := f.told[t]; before {
			continue
		}
		f.told[t], f.since = c.StoredAt, later(f.since, c.StoredAt)
		if c.State != store.Withdrawn {
			fresh = append(fresh, c.Verdict)
		}
	}
	for t, stored := range f.told {
		if stored.Before(f.since.Add(-feedReach)) {
			delete(f.told, t)
		}
	}
	return fresh
}
