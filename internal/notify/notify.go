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
	IncidentStore
	ToldStore
	Silences(ctx context.Context, now time.Time) ([]store.Silence, error)
}

// IncidentStore is where incidents are, and what people said of them.
type IncidentStore interface {
	Now(ctx context.Context) (time.Time, error)
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	TouchedSince(ctx context.Context, since time.Time) ([]store.Touch, error)
	Acks(ctx context.Context, incidents []wire.UID) (map[wire.UID][]store.Ack, error)
}

// ToldStore is where it is kept what receivers were told.
type ToldStore interface {
	ToldOpen(ctx context.Context, receiver string, also []wire.UID) ([]store.Told, error)
	ToldSince(ctx context.Context, receiver string, since time.Time, also []wire.UID) ([]store.Told, error)
	ToldOf(ctx context.Context, incident wire.UID) ([]store.Told, error)
	AddTold(ctx context.Context, told ...store.Told) error
}

// Shares says of which streams this process is to tell. Every process that judges has a notifier, and of each stream exactly the one that holds its
// claim tells.
type Shares interface {
	Held() []store.Claim
	// Keep says which of the claims still stand; whoever claims these next waits a while for done.
	Keep(ctx context.Context, claims []store.Claim) (kept []store.Claim, done func(), err error)
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
	Shares   Shares
	Names    Names // nil: hosts are not named
	Hints    Hints // nil: nothing more is looked up
	Registry prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time  // nil: time.Now
	Checks   []Check           // of Rollcall's own health; without any heartbeats say only that the process lives
	Calls    http.RoundTripper // what calls go through; nil: straight over the network, with every address checked when it is dialled
}

// Config says whom to tell and how patiently; zero values take the defaults.
type Config struct {
	Receivers []Receiver
	Page      string        // address of the page, for links; empty: no links
	Every     time.Duration // how often is looked what is to be sent; 1 s
	Hold      time.Duration // how long an incident must stand before anybody is called; 30 s, negative: none
	Calm      time.Duration // how long an incident must be over before that is told, and a next one is not the same trouble; 5 min, negative: none
	Worse     int           // how many times as many events a window as told make an incident worse; 10, negative: never
	Unacked   time.Duration // after how long an open incident that nobody took notice of is told again, once; 30 min, negative: never
	Timeout   time.Duration // of one attempt, from the dialling to the end of the answer; 10 s
	First     time.Duration // wait after a first failed attempt, doubled up to Most; 5 s
	Most      time.Duration // 5 min
	Patience  time.Duration // how long one notification is tried before it is given up; 24 h
	Resend    time.Duration // how often Alertmanager is told that an incident goes on; 1 min
	Look      time.Duration // how often Rollcall's own health is looked at; 10 s
	Beat      time.Duration // how often heartbeats are sent; 1 min
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.Every, time.Second}, {&c.Hold, 30 * time.Second}, {&c.Calm, 5 * time.Minute}, {&c.Unacked, 30 * time.Minute}, {&c.Timeout, 10 * time.Second},
		{&c.First, 5 * time.Second}, {&c.Most, 5 * time.Minute}, {&c.Patience, 24 * time.Hour}, {&c.Resend, time.Minute}, {&c.Look, 10 * time.Second}, {&c.Beat, time.Minute},
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
	beats    *prometheus.CounterVec
	ok       *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	unstored *prometheus.GaugeVec
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// New returns a notifier that does nothing until Start. It dials nothing. An error tells of a receiver that cannot be or of metrics registered twice.
func New(deps Deps, config Config) (*Notifier, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	targets, err := config.open()
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if deps.Calls != nil {
			t.client.Transport = deps.Calls
		}
	}
	n := &Notifier{Deps: deps, config: config.withDefaults(), targets: targets}
	n.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_notifications_total", Help: "Attempts to tell receivers of incidents by outcome (sent, retried, refused, gave_up, joined).",
	}, []string{"receiver", "outcome"})
	n.beats = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_heartbeats_total", Help: "Heartbeats by outcome (sent, retried, refused, withheld because not all is well).",
	}, []string{"receiver", "outcome"})
	n.ok = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_check_ok", Help: "1 while a check of Rollcall's own health says that all is well, 0 while it does not or cannot be made.",
	}, []string{"check"})
	n.oldest = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_notifications_oldest_seconds", Help: "For how long the oldest of what this process has to tell a receiver has waited; 0 while all is told. What is held back or silenced is not to be told.",
	}, []string{"receiver"})
	n.unstored = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_notifications_unstored", Help: "What a receiver was told and the store has not taken down yet; where this process ends before, it is told again.",
	}, []string{"receiver"})
	for _, c := range []prometheus.Collector{n.outcomes, n.beats, n.ok, n.oldest, n.unstored} {
		if err := deps.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("notify: register metrics: %w", err)
		}
	}
	n.begin()
	return n, nil
}

// begin lets every series begin with 0, so that who watches for a first failure sees it rise.
func (n *Notifier) begin() {
	for _, t := range n.targets {
		counts, outcomes := n.outcomes, []string{sent, retried, refused, gaveUp, joined}
		if t.Type == Heartbeat {
			counts, outcomes = n.beats, []string{sent, retried, refused, withheld}
		} else {
			n.oldest.WithLabelValues(t.Name)
			n.unstored.WithLabelValues(t.Name)
		}
		for _, outcome := range outcomes {
			counts.WithLabelValues(t.Name, outcome)
		}
	}
}

// Check says what is wrong with the configuration and the files it names. It dials nothing.
func (c Config) Check() error {
	if c.Page != "" {
		if err := checkAddress(c.Page); err != nil {
			return fmt.Errorf("notify: page %w", err)
		}
	}
	_, err := c.open()
	return err
}

// open makes the receivers ready to be called.
func (c Config) open() ([]*target, error) {
	var all []*target
	for i := range c.Receivers {
		t, err := c.Receivers[i].open(c.withDefaults().Timeout)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o *target) bool { return o.Name == t.Name }) {
			return nil, t.wrong("two receivers have this name")
		}
		all = append(all, t)
	}
	return all, nil
}

// Start begins to tell every receiver, each by itself, so that one that hangs holds up no other.
func (n *Notifier) Start(ctx context.Context) {
	ctx, n.cancel = context.WithCancel(ctx)
	w := newWatch(n)
	if len(n.Checks) > 0 {
		n.running.Go(func() { w.run(ctx) })
	}
	for _, t := range n.targets {
		if t.Type == Heartbeat {
			n.running.Go(func() { (&beat{watch: w, receiver: t}).run(ctx) })
			continue
		}
		l, own := newLine(n, t), newOwnLine(w, t)
		n.running.Go(func() { l.run(ctx) })
		if len(n.Checks) > 0 {
			n.running.Go(func() { own.run(ctx) })
		}
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
	if err == nil && t.Type == PagerDuty { // else the test would stay open there
		m.incident.Bad, m.state = 0, store.IncidentResolved
		status, err = t.send(ctx, m, config)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status)), nil
}
