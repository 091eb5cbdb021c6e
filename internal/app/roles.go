package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/share"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// Role is what of the service a process does.
type Role string

// The roles. Several processes may have the same one, but All with embedded services.
const (
	All       Role = "all"       // everything
	Ingest    Role = "ingest"    // takes reports in
	Reconcile Role = "reconcile" // judges windows
	Inspector Role = "inspector" // answers questions and serves the page
)

func (r Role) takesReports() bool { return r == All || r == Ingest }
func (r Role) judges() bool       { return r == All || r == Reconcile }
func (r Role) answers() bool      { return r == All || r == Inspector }
func (r Role) certifies() bool    { return r.judges() || r.answers() }

// checkRole says what is missing for the role. The embedded services belong to one process, so that a process which does a part only needs
// services that the others reach too.
func (c Config) checkRole() error {
	switch c.Role {
	case All, "":
		return nil
	case Ingest, Reconcile, Inspector:
	default:
		return fmt.Errorf("role %q: give one of all, ingest, reconcile, inspector", c.Role)
	}
	var missing []error
	if len(c.ClickHouse.Addrs) == 0 {
		missing = append(missing, fmt.Errorf("role %s needs --clickhouse-addr: the embedded ClickHouse belongs to one process with the role all", c.Role))
	}
	if len(c.KafkaBrokers) == 0 {
		missing = append(missing, fmt.Errorf("role %s needs --kafka-brokers: the embedded Kafka belongs to one process with the role all", c.Role))
	}
	return errors.Join(missing...)
}

// parts are what the role starts, in this order, and stops in reverse: what takes requests in stops first, and the store last. The server listens
// from the beginning, to say that it is not ready.
func (a *App) parts() []func(context.Context) error {
	parts := []func(context.Context) error{a.openDoor, a.openKeys, a.openDebug, a.listen, a.startClickHouse, a.openStore, a.startKafka}
	if a.config.Role.takesReports() {
		parts = append(parts, a.startIntake, a.startConsumer, a.startSamples)
	}
	if a.config.Role.certifies() {
		parts = append(parts, a.startChain)
	}
	if a.config.Role.judges() {
		parts = append(parts, a.startMember, a.startNotifier, a.startForgetting, a.startReconciler, a.startCertifier, a.startFigures)
	}
	if a.config.Role.answers() {
		parts = append(parts, a.startFeed)
	}
	return append(parts, a.startInspector, a.applyStreams, a.open)
}

// startMember joins those who share the streams.
func (a *App) startMember(ctx context.Context) error {
	err := a.makeTopic(ctx, func(ctx context.Context, opts []kgo.Opt) error {
		return share.EnsureTopic(ctx, a.brokers, share.Topic, opts...)
	})
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // without a name the process id must do
	name := fmt.Sprintf("%s/%d", host, os.Getpid())
	member, err := share.New(a.store, share.Config{Brokers: a.brokers, Name: name, Opts: a.config.KafkaAccess.options()}, a.registry, a.log)
	if err != nil {
		return err
	}
	if err := member.Start(); err != nil {
		return err
	}
	a.member = member
	a.stack.push("sharing of streams", member.Stop)
	return nil
}

// judge limits the store to the shares that the member holds.
type judge struct {
	member *share.Member
	store  *store.Store
}

// Hold implements reconcile.Shares.
func (j judge) Hold() (reconcile.Store, func(reconcile.Health)) {
	claims, done := j.member.Hold()
	if len(claims) == 0 {
		done(time.Time{}, 0)
		return nil, nil
	}
	return j.store.Owned(claims), func(h reconcile.Health) { done(h.LastPass, h.Took) }
}

func (a *App) startFeed(context.Context) error {
	a.feed = reconcile.NewFeed(a.store, a.log)
	a.feed.Start()
	a.stack.push("feed of changes", a.feed.Stop)
	return nil
}

// watchKafka makes a client for what only Kafka knows, in a process that reads no reports.
func (a *App) watchKafka() error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(a.brokers...)}, a.config.KafkaAccess.options()...)...)
	if err != nil {
		return fmt.Errorf("connect to Kafka %v: %w", a.brokers, err)
	}
	a.kafka = client
	a.stack.push("Kafka client", func(context.Context) error { client.Close(); return nil })
	return nil
}

// readiness says why this process cannot do its part now, beside the store being away.
func (a *App) readiness(context.Context) error {
	switch {
	case !a.ready.Load():
		return errors.New("the server is starting or stopping")
	case a.member != nil:
		return a.member.Ready()
	}
	return nil
}
