package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	feedEvery = time.Second      // between two looks at the store
	feedReach = 10 * time.Second // how long a row may take to become visible after the server's clock was read for it
)

// FeedStore is where changed verdicts and incidents, new certificates, and watermarks that stepped back are found.
type FeedStore interface {
	Now(ctx context.Context) (time.Time, error)
	ChangedSince(ctx context.Context, since time.Time) ([]store.Changed, error)
	TouchedSince(ctx context.Context, since time.Time) ([]store.Touch, error)
	CertificatesSince(ctx context.Context, since time.Time) ([]store.ChangedCertificate, error)
	BackSince(ctx context.Context, since time.Time) ([]store.ChangedWatermark, error)
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
}

// Feed tells subscribers which verdicts and incidents changed, which certificates are new, and which watermarks stepped back, whichever process stored
// them: it looks for those stored since it last looked.
type Feed struct {
	store FeedStore
	every time.Duration
	log   *slog.Logger
	end   context.CancelFunc // nil before Start
	done  chan struct{}

	since time.Time         // latest instant at which something told was stored; zero before the store first answered
	told  map[any]time.Time // by tell, store.Touch, entry or step, when it was stored

	fan
}

// tell names a verdict that was told.
type tell struct {
	store.WindowKey
	store.Edge
	revision uint32
	decided  int64
}

// entry names an entry of a chain that was told.
type entry struct {
	stream string
	number uint64
}

// step names a move of a watermark that was told.
type step struct {
	stream string
	at     int64
}

// NewFeed returns a feed that tells nothing until Start.
func NewFeed(s FeedStore, log *slog.Logger) *Feed {
	return &Feed{
		store: s, every: feedEvery, log: log, done: make(chan struct{}), told: map[any]time.Time{},
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
		return fmt.Errorf("reconcile: stop the feed of changes: %w", ctx.Err())
	}
}

func (f *Feed) run(ctx context.Context) {
	defer close(f.done)
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			f.log.Warn("what changed could not be read; trying again", "error", err, "away", errors.Is(err, store.ErrAway))
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
	from := f.since.Add(-feedReach)
	verdicts, err := f.store.ChangedSince(ctx, from)
	if err != nil {
		return err
	}
	touched, err := f.store.TouchedSince(ctx, from)
	if err != nil {
		return err
	}
	incidents, err := f.incidents(ctx, touched)
	if err != nil {
		return err
	}
	copied, err := f.store.CertificatesSince(ctx, from)
	if err != nil {
		return err
	}
	back, err := f.store.BackSince(ctx, from)
	if err != nil {
		return err
	}
	changes := store.Changes{Verdicts: f.fresh(verdicts), Incidents: incidents, Certificates: f.entries(copied), Back: f.steps(back)}
	if len(changes.Verdicts)+len(incidents)+len(changes.Certificates)+len(changes.Back) > 0 {
		f.publish(changes)
	}
	for _, t := range touched {
		f.note(t, t.StoredAt)
	}
	f.forget()
	return nil
}

// incidents reads those that were touched and not told since. They are read as they are now: what is between two looks is told as one change.
func (f *Feed) incidents(ctx context.Context, touched []store.Touch) ([]store.Incident, error) {
	var ids []wire.UID
	for _, t := range touched {
		if _, before := f.told[t]; !before {
			ids = append(ids, t.Incident)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return f.store.Incidents(ctx, store.IncidentFilter{IDs: ids})
}

// fresh leaves out what was told before, and what was withdrawn.
func (f *Feed) fresh(changed []store.Changed) []store.Verdict {
	var fresh []store.Verdict
	for i := range changed {
		c := &changed[i]
		t := tell{store.WindowKey{Stream: c.Stream, Start: c.Start}, c.Edge, c.Revision, c.DecidedAt.UnixMilli()}
		if f.note(t, c.StoredAt) && c.State != store.Withdrawn {
			fresh = append(fresh, c.Verdict)
		}
	}
	return fresh
}

// entries leaves out what was told before. More than one server copies an entry, the last of them maybe long after it was told.
func (f *Feed) entries(copied []store.ChangedCertificate) []store.Certificate {
	var fresh []store.Certificate
	for i := range copied {
		c := &copied[i]
		k := entry{c.Stream, c.Number}
		if f.note(k, c.StoredAt) {
			fresh = append(fresh, c.Certificate)
		}
		f.told[k] = later(f.told[k], c.StoredAt)
	}
	return fresh
}

// steps leaves out what was told before.
func (f *Feed) steps(back []store.ChangedWatermark) []store.WatermarkMove {
	var fresh []store.WatermarkMove
	for i := range back {
		if m := &back[i]; f.note(step{m.Stream, m.At.UnixMilli()}, m.StoredAt) {
			fresh = append(fresh, m.WatermarkMove)
		}
	}
	return fresh
}

// note says whether something is new, and keeps that it was told.
func (f *Feed) note(what any, stored time.Time) bool {
	if _, before := f.told[what]; before {
		return false
	}
	f.told[what], f.since = stored, later(f.since, stored)
	return true
}

// forget drops what is too long ago to be read again.
func (f *Feed) forget() {
	for t, stored := range f.told {
		if stored.Before(f.since.Add(-feedReach)) {
			delete(f.told, t)
		}
	}
}
