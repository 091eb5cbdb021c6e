// Package reconcile decides what is true of every window: the closing protocol and the comparison of rolls as pure functions
// (closing.go, compare.go), the pass that applies them to what changed or fell due, and the reader that answers questions by the same
// rules. It owns verdicts; it must not know how reports arrive, how answers are
// served, or how anything is stored.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Config says how often passes are made.
type Config struct {
	Every time.Duration // 1 s when zero
	Now   func() time.Time
}

// Shares says of which streams this process is the judge.
type Shares interface {
	// Hold returns the store as far as the process may judge, or nil when it may judge nothing now. What is held is kept until done is
	// called, with how the pass went.
	Hold() (held Store, done func(Health))
}

// Reconciler makes a pass over the streams it holds on a schedule.
type Reconciler struct {
	shares  Shares
	config  Config
	log     *slog.Logger
	metrics metrics

	mu   sync.Mutex
	last Health
	cron *cron.Cron
}

// Health is how the reconciler is doing.
type Health struct {
	LastPass time.Time     // end of the last pass that succeeded; zero before the first
	Took     time.Duration // of that pass
	Err      error         // of the last pass; nil when it succeeded
}

type metrics struct {
	passes   *prometheus.CounterVec
	verdicts *prometheus.CounterVec
	seconds  prometheus.Histogram

	incidents *prometheus.CounterVec
	unsummed  prometheus.Counter
}

// New returns a reconciler that does nothing until Start. Its metrics are registered with registry.
func New(shares Shares, config Config, registry prometheus.Registerer, log *slog.Logger) (*Reconciler, error) {
	if config.Every == 0 {
		config.Every = time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	r := &Reconciler{shares: shares, config: config, log: log, metrics: newMetrics()}
	for _, c := range []prometheus.Collector{r.metrics.passes, r.metrics.verdicts, r.metrics.seconds, r.metrics.incidents, r.metrics.unsummed} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("reconcile: register metrics: %w", err)
		}
	}
	return r, nil
}

func newMetrics() metrics {
	return metrics{
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_reconcile_passes_total", Help: "Reconcile passes by result (ok, error).",
		}, []string{"result"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_verdicts_total", Help: "Verdicts stored by state.",
		}, []string{"state"}),
		incidents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_incidents_total", Help: "Incidents stored, at each change, by cause (loss, unknown, delayed, stopped, invalid, corrupt, duplicated, burn-…) and state (open, resolved).",
		}, []string{"cause", "state"}),
		unsummed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_reconcile_budget_failures_total", Help: "Error budgets that could not be summed, or whose alarms could not be decided; they are tried again.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_reconcile_pass_seconds", Help: "Duration of reconcile passes in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
	}
}

// Health returns how the reconciler is doing.
func (r *Reconciler) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Start makes a pass on schedule until Stop. A pass that is still running when the next falls due is not overtaken, and one that
// panics does not end the schedule.
func (r *Reconciler) Start(ctx context.Context) error {
	logger := cronLogger{r.log}
	r.cron = cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(logger), cron.Recover(logger)))
	if _, err := r.cron.AddFunc("@every "+r.config.Every.String(), func() { r.pass(ctx) }); err != nil {
		return fmt.Errorf("reconcile: schedule passes: %w", err)
	}
	r.cron.Start()
	return nil
}

// Stop ends the schedule and waits for the pass that runs, no longer than ctx allows.
func (r *Reconciler) Stop(ctx context.Context) error {
	if r.cron == nil {
		return nil
	}
	select {
	case <-r.cron.Stop().Done():
		return nil
	case <-ctx.Done():
		return errors.New("reconcile: the last pass did not end in time")
	}
}

func (r *Reconciler) pass(ctx context.Context) {
	held, done := r.shares.Hold()
	if held == nil {
		return
	}
	health := r.Health()
	defer func() { done(health) }() // also when the pass panics
	begun := time.Now()
	p := newPass(held, r.config.Now())
	said, err := p.run(ctx)
	took := time.Since(begun)
	r.metrics.seconds.Observe(took.Seconds())
	for i := range said {
		r.metrics.verdicts.WithLabelValues(said[i].State.String()).Inc()
	}
	for i := range p.incidents {
		r.metrics.incidents.WithLabelValues(string(p.incidents[i].Cause), p.incidents[i].State()).Inc()
	}
	r.noteUnsummed(ctx, p.unsummed)
	health = r.note(ctx, took, err)
}

// noteUnsummed tells of budgets that could not be summed.
func (r *Reconciler) noteUnsummed(ctx context.Context, failed []error) {
	r.metrics.unsummed.Add(float64(len(failed)))
	if err := errors.Join(failed[:min(len(failed), 3)]...); err != nil && ctx.Err() == nil {
		r.log.Error("error budgets could not be summed; they are tried again", "budgets", len(failed), "error", err)
	}
}

// note counts a pass and returns how the reconciler is doing after it.
func (r *Reconciler) note(ctx context.Context, took time.Duration, err error) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last.Err = err
	if err != nil {
		r.metrics.passes.WithLabelValues("error").Inc()
		if ctx.Err() == nil {
			r.log.Error("reconcile pass failed", "error", err, "away", errors.Is(err, store.ErrAway))
		}
		return r.last
	}
	r.metrics.passes.WithLabelValues("ok").Inc()
	r.last = Health{LastPass: r.config.Now(), Took: took}
	return r.last
}

// cronLogger passes what cron says on to slog.
type cronLogger struct{ log *slog.Logger }

func (l cronLogger) Info(msg string, args ...any) {
	l.log.Debug("schedule", append(args, "did", msg)...)
}

func (l cronLogger) Error(err error, msg string, args ...any) {
	l.log.Error("schedule", append(args, "failed", msg, "error", err)...)
}
