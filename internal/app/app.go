// Package app wires the parts into a running server: it builds, starts and stops
// everything, and is the one place that sees all packages. It owns the order in which
// things start and end; it must not decide anything about reports or verdicts.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate/keydir"
	"github.com/rollcallhq/rollcall/internal/chain"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/figures"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/share"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/migrations"
	"github.com/rollcallhq/rollcall/reconcile"
	"github.com/rollcallhq/rollcall/web"
)

// Config says what to serve and on what.
type Config struct {
	Role         Role   // empty: All
	Listen       string // host:port; port 0 takes any free one
	Door         Door
	Data         string // directory of the embedded services
	Keys         string // directory of the keys that sign certificates; empty: DATA/keys where a service is embedded, else there are none
	ClickHouse   store.Config
	KafkaBrokers []string // empty: the embedded broker
	KafkaAccess  KafkaAccess
	Debug        string // host:port of the profiler, on loopback; empty: there is none
	Streams      map[string]api.Settings
	Notify       notify.Config // who is told of incidents
	SamplesDays  int           // how long samples are kept; 0: 7
	Retention    store.Retention
	Limits       Limits // over what they are told of this server's own health
	// MetricsStreams is how many streams have series of their own in the metrics; 0 and less: none.
	MetricsStreams int
	Version        string
	Demo           bool // the data shown was made by the demo
	Log            *slog.Logger
}

// App is a running server.
type App struct {
	config   Config
	log      *slog.Logger
	stack    stack
	registry *prometheus.Registry
	failed   chan error

	tokens      *access.Tokens      // nil: everybody may do everything
	certificate *access.Certificate // nil: plain HTTP
	access      *access.Metrics
	keys        *keydir.Followed // nil: no certificates are issued
	chain       *chain.Chain     // nil as keys
	addr        string
	brokers     []string
	store       *store.Store
	intake      *ingest.Intake
	samples     *ingest.Samples
	consumer    *ingest.Consumer
	kafka       *kgo.Client // where there is no consumer
	member      *share.Member
	feed        *reconcile.Feed
	inspector   *inspector.Inspector
	ready       atomic.Bool
	server      *http.Server
	handler     atomic.Pointer[http.Handler] // of all requests, once everything has started
	awaited     atomic.Pointer[string]       // what the start waits for; empty: nothing
	passes      struct {
		sync.Mutex
		known []store.SharePass // as last read
	}
}

// Run serves until ctx ends or a part fails, and then stops: intake first, then what is queued is stored and committed, then all else.
func Run(ctx context.Context, c Config) error {
	a, err := Start(ctx, c)
	if endedStarting(ctx, err) {
		c.Log.Info("told to end before everything had started", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-a.failed:
	}
	return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
}

// Start starts everything and returns once requests are answered. While ClickHouse or Kafka is away it waits for them, until ctx ends; then, too, it
// says at its address that it lives and is not ready. What was started before a failure is stopped again.
func Start(ctx context.Context, c Config) (*App, error) {
	if c.Role == "" {
		c.Role = All
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	a := &App{config: c, log: c.Log, registry: prometheus.NewRegistry(), failed: make(chan error, 4)}
	a.stack.log = c.Log
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, start := range a.parts() {
		if err := a.begin(ctx, start); err != nil {
			return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
		}
	}
	a.log.Info("serving", "role", c.Role, "url", a.URL(), "kafka", strings.Join(a.brokers, ","))
	return a, nil
}

// Brokers are the Kafka brokers reports are read from.
func (a *App) Brokers() []string { return a.brokers }

// Failed yields the error of a part that ended by itself.
func (a *App) Failed() <-chan error { return a.failed }

// Stop stops everything in reverse.
func (a *App) Stop(ctx context.Context) error {
	a.ready.Store(false)
	return a.stack.stop(ctx)
}

// watch reports the end of a child process that nobody asked to end.
func (a *App) watch(name string, done <-chan struct{}, ended func() error) {
	go func() {
		<-done
		select {
		case a.failed <- fmt.Errorf("%s ended: %w", name, errors.Join(errors.New("nobody stopped it"), ended())):
		default:
		}
	}()
}

func (a *App) startClickHouse(ctx context.Context) error {
	if len(a.config.ClickHouse.Addrs) > 0 {
		return nil
	}
	child, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: filepath.Join(a.config.Data, "clickhouse")})
	if err != nil {
		return fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	a.stack.push("embedded ClickHouse", child.Stop)
	a.watch("embedded ClickHouse", child.Done(), child.Err)
	a.config.ClickHouse = store.Config{Addrs: []string{child.Addr()}, Database: a.config.ClickHouse.Database, User: "default"}
	return nil
}

func (a *App) openStore(ctx context.Context) error {
	if a.config.ClickHouse.Database == "" {
		a.config.ClickHouse.Database = "rollcall"
	}
	if a.store == nil {
		s, err := store.Connect(ctx, a.config.ClickHouse)
		if err != nil {
			return err
		}
		a.store = s
		a.stack.push("store", func(context.Context) error { return s.Close() })
	}
	applied, err := a.store.Migrate(ctx, migrations.Files)
	if err != nil {
		return err
	}
	if synced, err := a.store.Synced(ctx); err == nil && !synced {
		a.log.Warn("this ClickHouse answers before what it took is on disk: set fsync_after_insert and fsync_part_directory to 1 in its merge_tree settings")
	}
	a.log.Info("store is ready", "database", a.config.ClickHouse.Database, "migrations", len(applied))
	return nil
}

func (a *App) startKafka(ctx context.Context) error {
	if len(a.brokers) == 0 {
		a.brokers = a.config.KafkaBrokers
	}
	if len(a.brokers) == 0 {
		child, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: filepath.Join(a.config.Data, "kafka")})
		if err != nil {
			return fmt.Errorf("start the embedded Kafka: %w", err)
		}
		a.stack.push("embedded Kafka", child.Stop)
		a.watch("embedded Kafka", child.Done(), child.Err)
		a.brokers = child.Brokers()
	}
	err := a.makeTopic(ctx, func(ctx context.Context, opts []kgo.Opt) error {
		if err := ingest.EnsureTopic(ctx, a.brokers, ingest.TopicConfig{Opts: opts}); err != nil {
			return err
		}
		return ingest.EnsureTopic(ctx, a.brokers, ingest.TopicConfig{Name: ingest.SamplesTopic, RetentionBytes: samplesTopicBytes, Opts: opts})
	})
	if err != nil || a.config.Role.takesReports() {
		return err
	}
	return a.watchKafka()
}

// makeTopic makes one attempt at a topic. It asks Kafka a few times only, so that what is wrong is known soon.
func (a *App) makeTopic(ctx context.Context, ensure func(context.Context, []kgo.Opt) error) error {
	ctx, cancel := context.WithTimeout(ctx, kafkaLimit)
	defer cancel()
	access := a.config.KafkaAccess
	return kafkaAway(access.refused(ensure(ctx, append(access.options(), kgo.RequestRetries(3)))))
}

func (a *App) startIntake(context.Context) error {
	intake, err := ingest.New(ingest.Deps{Store: a.store, Registry: a.registry, Log: a.log}, ingest.Config{})
	if err != nil {
		return err
	}
	intake.Start()
	a.intake = intake
	a.stack.push("intake", intake.Stop)
	return nil
}

func (a *App) startConsumer(context.Context) error {
	consumer, err := ingest.NewConsumer(a.intake, ingest.ConsumerConfig{Brokers: a.brokers, Opts: a.config.KafkaAccess.options()})
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	a.consumer = consumer
	a.stack.push("consumer of reports", consumer.Stop)
	return nil
}

// samplesTopicBytes bounds a partition of the topic of samples, which may be lost.
const samplesTopicBytes = 64 << 20

// startSamples takes samples beside reports: they have a queue and a consumer of their own, so that a flood of them holds up no report.
func (a *App) startSamples(context.Context) error {
	keep := time.Duration(a.config.SamplesDays) * 24 * time.Hour
	samples := ingest.NewSamples(a.intake, a.store, ingest.SamplesConfig{Keep: keep})
	samples.Start()
	a.samples = samples
	a.stack.push("intake of samples", samples.Stop)
	consumer, err := ingest.NewConsumer(samples, ingest.ConsumerConfig{
		Brokers: a.brokers, Topic: ingest.SamplesTopic, Group: ingest.SamplesGroup, Opts: a.config.KafkaAccess.options(),
	})
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	a.stack.push("consumer of samples", consumer.Stop)
	return nil
}

func (a *App) startReconciler(ctx context.Context) error {
	r, err := reconcile.New(judge{a.member, a.store}, reconcile.Config{}, a.registry, a.log)
	if err != nil {
		return err
	}
	a.stack.push("reconciler", r.Stop)
	return r.Start(context.WithoutCancel(ctx))
}

// startNotifier comes before the reconciler, so that it stops after it: what the last pass found may still be told.
func (a *App) startNotifier(ctx context.Context) error {
	reader := reconcile.NewReader(a.store).Keeping(a.config.Retention)
	deps := notify.Deps{Store: a.store, Shares: a.member, Names: reader, Hints: reader, Registry: a.registry, Log: a.log, Checks: a.checks()}
	n, err := notify.New(deps, a.config.Notify)
	if err != nil {
		return err
	}
	a.stack.push("notifier", n.Stop)
	n.Start(context.WithoutCancel(ctx))
	return nil
}

func (a *App) startFigures(ctx context.Context) error {
	deps := figures.Deps{
		Store: a.store, Streams: reconcile.NewReader(a.store).Keeping(a.config.Retention), Registry: a.registry, Log: a.log,
		Oldest: func(ctx context.Context) time.Time { return a.stalest(ctx).At },
	}
	streams := a.config.MetricsStreams
	if streams <= 0 {
		streams = -1
	}
	f, err := figures.New(deps, figures.Config{Streams: streams})
	if err != nil {
		return err
	}
	a.stack.push("figures", f.Stop)
	f.Start(context.WithoutCancel(ctx))
	return nil
}

func (a *App) startInspector(context.Context) error {
	deps := inspector.Deps{Store: a.store, Status: a.status, Ready: a.readiness, Registry: a.registry, Log: a.log}
	if a.config.Role.answers() {
		deps.Auditor, deps.Feed, deps.Pages = reconcile.NewReader(a.store).Keeping(a.config.Retention), a.feed, web.Handler()
	}
	a.tellCertificates(&deps)
	if a.intake != nil {
		deps.Reports, deps.Samples = a.intake.Handler(), a.samples.Handler()
	}
	if a.tokens != nil {
		deps.Access = a.tokens
	}
	ins, err := inspector.New(deps, inspector.Config{Version: a.config.Version})
	if err != nil {
		return err
	}
	a.inspector = ins
	return nil
}

// applyStreams stores the settings that the configuration gives. Processes of other roles may have the same file and leave that to those that
// answer, so that two do not overwrite each other's.
func (a *App) applyStreams(ctx context.Context) error {
	if !a.config.Role.answers() {
		return nil
	}
	ctx = access.With(ctx, access.Caller{Name: access.Configuration, Role: access.Admin})
	for name, settings := range a.config.Streams {
		if err := a.inspector.PutSettings(ctx, name, settings); err != nil {
			return fmt.Errorf("settings of stream %s: %w", name, err)
		}
	}
	return nil
}
