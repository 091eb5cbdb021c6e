// Package figures keeps the metrics of what is stored: what the windows of the last hour came to by stream and edge, how far streams are complete
// and certified, and which incidents are open. It owns their names and bounds; it must not know how windows are judged. It asks the store now and then, by
// itself, so that a scrape never waits for it.
package figures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Store is what figures are read from.
type Store interface {
	EdgeFigures(ctx context.Context, from, to time.Time) ([]store.EdgeFigures, error)
	HopFigures(ctx context.Context, since map[string]time.Time, to time.Time) (map[store.HopKey]*store.HopFigures, error)
	DeliveredUntil(ctx context.Context, from time.Time) ([]store.Delivered, error)
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	CertifiedUntil(ctx context.Context, from time.Time) (map[string]time.Time, error)
}

// Streams tells how far streams are complete, and how their objectives stand.
type Streams interface {
	Streams(ctx context.Context, now time.Time) ([]store.StreamInfo, error)
	Budgets(ctx context.Context, now time.Time) (map[string][]store.ObjectiveState, error)
}

// Deps are what figures are made of.
type Deps struct {
	Store    Store
	Streams  Streams
	Oldest   func(ctx context.Context) time.Time // end of the last pass over the streams that were looked at the longest time ago; zero: there was none
	Registry prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// Config bounds the figures; zero values take the defaults.
type Config struct {
	Every   time.Duration // how often the store is asked; 30 s
	Timeout time.Duration // of asking; 20 s
	Streams int           // how many streams have series of their own, in the order of their names; the rest is summed as Other; 200, negative: none
}

const (
	// Other stands for the streams, and for the edges of a stream, that are too many for series of their own. No stream can be called so that has
	// series of its own beside it: it is counted here too.
	Other = "other"

	span      = time.Hour           // back to where the windows end that figures are of
	stale     = 24 * time.Hour      // an edge that delivered nothing for so long shows no more until when it did
	certified = 31 * 24 * time.Hour // the hours that are asked whether they are certified
	edgesEach = 20                  // edges of a stream that have series of their own
)

// Figures asks the store from Start until Stop.
type Figures struct {
	Deps
	config  Config
	metrics metrics
	budgets time.Time // when they were read last
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New returns figures that ask nothing until Start. An error tells of metrics registered twice.
func New(deps Deps, config Config) (*Figures, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if config.Every == 0 {
		config.Every = 30 * time.Second
	}
	if config.Timeout == 0 {
		config.Timeout = 20 * time.Second
	}
	if config.Streams == 0 {
		config.Streams = 200
	}
	f := &Figures{Deps: deps, config: config, metrics: newMetrics()}
	for _, c := range f.metrics.all() {
		if err := deps.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("figures: register metrics: %w", err)
		}
	}
	return f, nil
}

// Start begins to ask.
func (f *Figures) Start(ctx context.Context) {
	ctx, f.cancel = context.WithCancel(ctx)
	f.running.Go(func() {
		tick := time.NewTicker(f.config.Every)
		defer tick.Stop()
		for {
			if err := f.Refresh(ctx); err != nil && ctx.Err() == nil {
				f.metrics.failures.Inc()
				f.Log.Warn("the figures could not be read; they stay as they were", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// Stop ends asking and waits for it, no longer than ctx allows.
func (f *Figures) Stop(ctx context.Context) error {
	if f.cancel == nil {
		return nil
	}
	f.cancel()
	done := make(chan struct{})
	go func() { f.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("figures: the store did not end its last answer in time")
	}
}

// Refresh asks once. Either all figures are new, or all stay as they were.
func (f *Figures) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	now := f.Now()
	streams, err := f.Streams.Streams(ctx, now)
	if err != nil {
		return fmt.Errorf("figures: read streams: %w", err)
	}
	edges, err := f.Store.EdgeFigures(ctx, now.Add(-span), now)
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	hops, err := f.Store.HopFigures(ctx, startOf(streams, now), now)
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	delivered, err := f.Store.DeliveredUntil(ctx, now.Add(-stale))
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	open, err := f.Store.Incidents(ctx, store.IncidentFilter{State: store.IncidentOpen})
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	until, err := f.Store.CertifiedUntil(ctx, now.Add(-certified))
	if err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	named := nameStreams(streams, f.config.Streams)
	if err := f.refreshBudgets(ctx, named, now); err != nil {
		return err
	}
	f.metrics.setEdges(edges, named)
	f.metrics.setSchemas(hops, named)
	f.metrics.setLatencies(edges, hops, named)
	f.metrics.setDelivered(delivered, named)
	f.metrics.setStreams(streams, until, named, now)
	f.metrics.setIncidents(open)
	if at := f.Oldest(ctx); !at.IsZero() {
		f.metrics.oldest.Set(seconds(at))
	}
	f.metrics.at.Set(seconds(now))
	return nil
}

// refreshBudgets asks how objectives stand, no oftener than budgets have slots: each look reads 28 days.
func (f *Figures) refreshBudgets(ctx context.Context, named namer, now time.Time) error {
	if now.Sub(f.budgets) < store.BudgetSlot && !now.Before(f.budgets) {
		return nil
	}
	budgets, err := f.Streams.Budgets(ctx, now)
	if err != nil {
		return fmt.Errorf("figures: read objectives: %w", err)
	}
	f.metrics.setBudgets(budgets, named)
	f.budgets = now
	return nil
}

// startOf is, by stream, the earliest start of a window that ends within the span.
func startOf(streams []store.StreamInfo, now time.Time) map[string]time.Time {
	since := map[string]time.Time{}
	for i := range streams {
		from := now.Add(-span)
		since[streams[i].Stream] = from.Add(time.Second - time.Duration(streams[i].Settings.Seconds(from))*time.Second)
	}
	return since
}

// namer says by which name a stream is counted.
type namer map[string]bool

// nameStreams gives the first streams, which are in order of their names, series of their own: the same ones at every scrape.
func nameStreams(streams []store.StreamInfo, most int) namer {
	n := namer{}
	for i := range streams[:max(0, min(len(streams), most))] {
		n[streams[i].Stream] = true
	}
	return n
}

func (n namer) of(stream string) string {
	if n[stream] {
		return stream
	}
	return Other
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
