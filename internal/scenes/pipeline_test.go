package scenes

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

const (
	step   = 30 * time.Second // between two reports of an instance
	rate   = 50               // events an app makes in a step
	stream = "flights"
)

// keeper is what a scene needs of a store.
type keeper interface {
	reconcile.Store
	reconcile.ReaderStore
	notify.Store
	Insert(ctx context.Context, reports []store.Received) error
}

// instance is one emitter of a hop.
type instance struct {
	hop    string
	after  []string
	host   string
	id     wire.UID
	epoch  uint32
	number uint64
	next   uint32 // number of the next event it makes

	dead   bool          // it says nothing and does nothing
	mute   bool          // it works, and its reports do not get through
	late   time.Duration // how long it holds what it took over
	behind []*batch      // that it holds
	unsaid []*batch      // that it took over and did not report
	breaks bool          // its events break version 7 of their schema, three in a hundred
}

// batch is the events one app made in a step.
type batch struct {
	source   wire.UID
	made     time.Time
	from, to uint32 // numbers [from, to)
	entered  time.Time
	breaks   bool
}

// scene is a pipeline of apps and hops behind them, one instance each, that is judged and told of as a real one is.
type scene struct {
	*testing.T
	store keeper
	now   func() time.Time
	apps  []*instance
	hops  []*instance // in the order of the pipeline
	loses func(b *batch, hop string) bool

	mu   sync.Mutex
	told []string // lines, in the order in which they were sent, each with the simulated time of day before it
}

func newScene(t *testing.T, s keeper, now func() time.Time, apps int, hops ...string) *scene {
	c := &scene{T: t, store: s, now: now}
	for n := range apps {
		c.apps = append(c.apps, &instance{hop: "app", host: fmt.Sprintf("web-%d", n+1), id: wire.UID{0: 1, 6: 0x80, 8: 0x80, 10: byte(n >> 8), 11: byte(n)}})
	}
	before := "app"
	for n, hop := range hops {
		c.hops = append(c.hops, &instance{hop: hop, after: []string{before}, host: hop + "-1", id: wire.UID{0: 2, 6: 0x80, 8: 0x80, 11: byte(n)}})
		before = hop
	}
	return c
}

// judge begins to judge on a schedule, until stop is called.
func (c *scene) judge(every time.Duration) (stop func()) {
	r, err := reconcile.New(all{c.store}, reconcile.Config{Every: every, Now: c.now}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		c.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		c.Fatal(err)
	}
	return func() {
		if health := r.Health(); health.Err != nil {
			c.Error(health.Err)
		}
		if err := r.Stop(context.Background()); err != nil {
			c.Error(err)
		}
	}
}

// tell begins to tell the receiver, until stop is called.
func (c *scene) tell(config notify.Config) (stop func()) {
	config.Page, config.Receivers = "https://rollcall.example", []notify.Receiver{{Name: "oncall", Type: notify.Webhook, URL: "https://oncall.example/in"}}
	reader := reconcile.NewReader(c.store)
	deps := notify.Deps{Store: c.store, Shares: everyShare{}, Names: reader, Hints: reader, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: c.now, Calls: c}
	n, err := notify.New(deps, config)
	if err != nil {
		c.Fatal(err)
	}
	n.Start(context.Background())
	return func() {
		if err := n.Stop(context.Background()); err != nil {
			c.Error(err)
		}
	}
}

// all is the judge of every stream.
type all struct{ store keeper }

func (a all) Hold() (reconcile.Store, func(reconcile.Health)) {
	return a.store, func(reconcile.Health) {}
}

// RoundTrip takes a call for the receiver.
func (c *scene) RoundTrip(r *http.Request) (*http.Response, error) {
	var event struct{ Data struct{ Text, Link string } }
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, c.now().UTC().Format("15:04 ")+event.Data.Text)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// lines are what was told so far.
func (c *scene) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// wantTold holds what was told against the beginnings and ends of lines, "begin … end", in their order.
func (c *scene) wantTold(want ...string) {
	c.Helper()
	got := c.lines()
	good := len(got) == len(want)
	for n := 0; good && n < len(want); n++ {
		begin, end, _ := strings.Cut(want[n], " … ")
		good = strings.Contains(got[n], begin) && strings.HasSuffix(got[n], end)
	}
	if !good {
		c.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// step plays one step of every instance: what was made and handed on, and the reports of it.
func (c *scene) step() {
	now := c.now().UTC()
	var out []*batch
	var reports []store.Received
	for _, a := range c.apps {
		if !a.dead {
			b := a.make(now)
			out = append(out, b)
			reports = a.report(reports, now)
		}
	}
	for _, h := range c.hops {
		if !h.dead {
			out = h.pass(out, now, c.loses)
			reports = h.report(reports, now)
		} else {
			h.behind, out = append(h.behind, out...), nil
		}
	}
	if err := c.store.Insert(c.Context(), reports); err != nil {
		c.Fatal(err)
	}
}

// make numbers the events of the step that ends now.
func (a *instance) make(now time.Time) *batch {
	made := now.Add(-step / 2)
	b := &batch{source: a.id, made: made, from: a.next, to: a.next + rate, entered: now, breaks: a.breaks}
	a.next = b.to
	a.unsaid = append(a.unsaid, b)
	return b
}

// pass takes over what comes in, and hands on what it has held long enough.
func (a *instance) pass(in []*batch, now time.Time, loses func(*batch, string) bool) (out []*batch) {
	for _, b := range in {
		held := *b
		held.entered = now
		a.behind = append(a.behind, &held)
	}
	for len(a.behind) > 0 && !a.behind[0].entered.Add(a.late).After(now) {
		b := a.behind[0]
		if a.behind = a.behind[1:]; loses == nil || !loses(b, a.hop) {
			a.unsaid, out = append(a.unsaid, b), append(out, b)
		}
	}
	return out
}

// report adds what the instance says now; what does not get through is said with the next one that does.
func (a *instance) report(reports []store.Received, now time.Time) []store.Received {
	if a.mute {
		return reports
	}
	a.number++
	mark := now
	if len(a.behind) > 0 {
		mark = a.behind[0].entered.Add(-time.Millisecond)
	}
	r := wire.Report{
		Stream: stream, Hop: a.hop, After: a.after, Emitter: a.id, Host: a.host, Heartbeat: uint32(step.Seconds()), Epoch: a.epoch, Number: a.number, SentAt: now,
		State: wire.Running, Lanes: map[string]time.Time{"": mark}, Windows: windowsOf(a.unsaid, len(a.after) > 0), Spool: wire.Spool{Events: uint64(len(a.behind) * rate)},
	}
	a.unsaid = nil
	return append(reports, store.Received{Report: r, At: now})
}

// windowsOf gathers batches by window and source. What a hop behind the apps takes over it checks against the schema.
func windowsOf(batches []*batch, checks bool) []wire.Window {
	at := map[time.Time]map[wire.UID]*wire.Source{}
	schemas := map[time.Time]map[string]*[2]uint64{}
	for _, b := range batches {
		start := b.made.Truncate(time.Minute)
		src := obtain(obtain(at, start, made[wire.UID, *wire.Source]), b.source, func() *wire.Source {
			s := &wire.Source{ID: b.source}
			s.Rolls[wire.Seen] = roaring.New()
			return s
		})
		src.Rolls[wire.Seen].AddRange(uint64(b.from), uint64(b.to))
		if !checks {
			continue
		}
		version, bad := "6", uint64(0)
		if b.breaks {
			version, bad = "7", 3*rate/100
			if src.Rolls[wire.Invalid] == nil {
				src.Rolls[wire.Invalid] = roaring.New()
			}
			src.Rolls[wire.Invalid].AddRange(uint64(b.from), uint64(b.from)+bad)
		}
		n := obtain(obtain(schemas, start, made[string, *[2]uint64]), version, func() *[2]uint64 { return &[2]uint64{} })
		n[0], n[1] = n[0]+rate-bad, n[1]+bad
	}
	var windows []wire.Window
	for start, sources := range at {
		w := wire.Window{Start: start, Seconds: 60}
		for _, src := range sources {
			w.Sources = append(w.Sources, *src)
		}
		for version, n := range schemas[start] {
			w.Schemas = append(w.Schemas, wire.SchemaTally{ID: stream, Version: version, Outcome: "OK", Count: n[0]})
			if n[1] > 0 {
				w.Schemas = append(w.Schemas, wire.SchemaTally{ID: stream, Version: version, Outcome: "INVALID", Reason: "/amount: expected number", Count: n[1]})
			}
		}
		windows = append(windows, w)
	}
	return windows
}

// everyShare is held by the one process that there is.
type everyShare struct{}

func (everyShare) Held() []store.Claim {
	all := make([]store.Claim, store.Shares)
	for share := range all {
		all[share].Share = uint32(share)
	}
	return all
}

func (everyShare) Keep(_ context.Context, claims []store.Claim) ([]store.Claim, func(), error) {
	return claims, func() {}, nil
}
