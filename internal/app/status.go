package app

import (
	"context"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// status fills in what only the wiring knows of the auditor's health. What other processes do is asked of the store and of Kafka.
func (a *App) status(ctx context.Context) api.Status {
	s := api.Status{Version: a.config.Version, Role: string(a.config.Role), Kafka: "ok", Demo: a.config.Demo}
	if a.intake != nil {
		s.Reports, s.Quarantined = a.intake.Accepted(), a.intake.Quarantined()
	}
	if a.samples != nil {
		s.Quarantined += a.samples.Quarantined()
	}
	bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	lag, err := a.lag(bounded)
	if err != nil {
		s.Kafka = "away"
	}
	s.IngestLag = lag
	if last := a.stalest(bounded); !last.At.IsZero() {
		s.LastPass, s.LastPassMillis = &last.At, last.Took.Milliseconds()
	}
	if due, err := a.store.DueMarks(bounded, time.Now(), 10_000); err == nil {
		s.Dirty = len(due)
	}
	return s
}

func (a *App) lag(ctx context.Context) (int64, error) {
	if a.consumer != nil {
		return a.consumer.Lag(ctx)
	}
	return ingest.Lag(ctx, a.kafka, ingest.Topic, ingest.Group)
}

// stalest is the last pass over the share of the streams that was looked at the longest time ago; zero while there is a share that never was.
// While the store is away it is what was last known, so that its age grows.
func (a *App) stalest(ctx context.Context) store.SharePass {
	passes, err := a.store.Passes(ctx)
	a.passes.Lock()
	defer a.passes.Unlock()
	if err == nil {
		a.passes.known = passes
	}
	if len(a.passes.known) < store.Shares {
		return store.SharePass{}
	}
	return slices.MinFunc(a.passes.known, func(x, y store.SharePass) int { return x.At.Compare(y.At) })
}
