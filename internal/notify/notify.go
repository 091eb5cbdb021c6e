// Package notify calls people when events are lost: it tells receivers of incidents, at least once, however they behave. It owns what is sent and
// how; it must not know how incidents are decided. There is no queue: what an incident is, and what a receiver was last told of it, are both in the
// store, and what differs is sent. So a process that dies between sending and writing it down sends again, and loses nothing.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Store is what notifying reads and writes.
type Store interface {
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	ToldOpen(ctx context.Context, receiver string) ([]store.Told, error)
	AddTold(ctx context.Context, told store.Told) error
	Silences(ctx context.Context, now time.Time) ([]store.Silence, error)
	Acks(ctx context.Context, incidents []wire.UID) (map[wire.UID][]store.Ack, error)
}

// Names tells the events that a window lost, with the host that had them last.
type Names interface {
	Named(ctx context.Context, stream string, start time.Time, edge store.Edge, kind, after string, limit int, now time.Time) ([]store.Named, string, bool, error)
}

// Hints tells what the events of an incident have in common, what accounts for most first.
type Hints interface {
	Hints(ctx context.Context, incident *store.Incident, now time.Time) ([]store.Hint, error)
}

// Deps are what a notifier is built from.
type Deps struct {
	Store    Store
	Names    Names // nil: hosts are not named
	Hints    Hints // nil: nothing more is looked up
	Registry prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time  // nil: time.Now
	Calls    http.RoundTripper // what calls go through; nil: straight over the network, with every address checked when it is dialled
}

// Config says whom to tell and how patiently; zero values take the defaults.
type Config struct {
	Receivers []Receiver
	Page      string        // address of the page, for links; empty: no links
	Every     time.Duration // how often is looked what is to be sent; 2 s
	Hold      time.Duration // how long an incident must stand before anybody is called; 30 s, negative: none
	Calm      time.Duration // how long an incident must be over before that is told, and a next one is not the same trouble; 5 min, negative: none
	Worse     int           // how many times as many events a window as told make an incident worse; 10, negative: never
	Unacked   time.Duration // after how long an open incident that nobody took notice of is told again, once; 30 min, negative: never
	Timeout   time.Duration // of one attempt, from the dialling to the end of the answer; 10 s
	First     time.Duration // wait after a first failed attempt, doubled up to Most; 5 s
	Most      time.Duration // 5 min
	Patience  time.Duration // how long one notification is tried before it is given up; 24 h
	Resend    time.Duration // how often Alertmanager is told that an incident goes on; 1 min
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.Every, 2 * time.Second}, {&c.Hold, 30 * time.Second}, {&c.Calm, 5 * time.Minute}, {&c.Unacked, 30 * time.Minute}, {&c.Timeout, 10 * time.Second}, {&c.First, 5 * time.Second},
		{&c.Most, 5 * time.Minute}, {&c.Patience, 24 * time.Hour}, {&c.Resend, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.Worse == 0 {
		c.Worse = 10
	}
	return c
}

// The outcomes that attempts are counted by.
const (
	sent    = "sent"
	retried = "retried" // failed, and will be tried again
	refused = "refused" // not even tried: the address is one that must not be called
	gaveUp  = "gave_up"
)

// Notifier tells receivers of incidents from Start until Stop.
type Notifier struct {
	Deps
	config   Config
	targets  []*target
	outcomes *prometheus.CounterVec
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// New returns a notifier that does nothing until Start. It dials nothing. An error tells of a receiver that cannot be or of metrics registered twice.
func New(deps Deps, config Config) (*Notifier, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	n := &Notifier{Deps: deps, config: config.withDefaults()}
	for i := range config.Receivers {
		t, err := config.Receivers[i].open(n.config.Timeout)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(n.targets, func(o *target) bool { return o.Name == t.Name }) {
			return nil, fmt.Errorf("notify: receiver %s: two receivers have this name", t.Name)
		}
		if deps.Calls != nil {
			t.client.Transport = deps.Calls
		}
		n.targets = append(n.targets, t)
	}
	n.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_notifications_total", Help: "Attempts to tell receivers of incidents by outcome (sent, retried, refused, gave_up, joined).",
	}, []string{"receiver", "outcome"})
	if err := deps.Registry.Register(n.outcomes); err != nil {
		return nil, fmt.Errorf("notify: register metrics: %w", err)
	}
	return n, nil
}

// Start begins to tell every receiver, each by itself, so that one that hangs holds up no other.
func (n *Notifier) Start(ctx context.Context) {
	ctx, n.cancel = context.WithCancel(ctx)
	for _, t := range n.targets {
		l := &line{Notifier: n, receiver: t, tries: map[key]try{}}
		n.running.Go(func() { l.run(ctx) })
	}
}

// Stop ends all attempts and waits for them, no longer than ctx allows. What was not sent is sent after the next start.
func (n *Notifier) Stop(ctx context.Context) error {
	if n.cancel == nil {
		return nil
	}
	n.cancel()
	done := make(chan struct{})
	go func() { n.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("notify: the last attempts did not end in time")
	}
}

// Test sends a message that says it is a test, and returns what came back in words. The error says why nothing good did.
func Test(ctx context.Context, r Receiver, now time.Time) (string, error) {
	config := Config{}.withDefaults()
	t, err := r.open(config.Timeout)
	if err != nil {
		return "", err
	}
	defer t.client.CloseIdleConnections()
	m := message{now: now, test: true, state: store.IncidentOpen, incident: store.Incident{
		Stream: "rollcall-test", Cause: store.CauseLoss, First: now, Last: now, FirstBad: now, Bad: 1, Windows: 1, OpenedAt: now, Since: now,
		Text: "[TEST] this is a test of Rollcall: no event is lost",
	}}
	status, err := t.send(ctx, m, config)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status)), nil
}
