package notify

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var five = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s
}

// loss is an open incident; done is the same, resolved.
func loss() store.Incident {
	return store.Incident{
		ID: wire.UID{15: 1}, Stream: "flights", Edge: store.Edge{From: "relay", To: "sink"}, Cause: store.CauseLoss, First: five, Last: five, Seconds: 60,
		Windows: 1, Bad: 1, FirstBad: five, Lost: 312, Expected: 4_200_000, OpenedAt: five, Since: five, Version: 1,
		Text: "[LOSS] flights relay..sink 05:00Z: 312 of 4 200 000 missing",
	}
}

func done() store.Incident {
	i := loss()
	i.Bad, i.Lost, i.Since, i.Version, i.Text = 0, 0, five.Add(time.Hour), 2, "[RESOLVED] flights relay..sink 05:00Z: nothing is missing any more"
	return i
}

// hosts names one host for every lost event.
type hosts string

func (h hosts) Named(context.Context, string, time.Time, store.Edge, string, string, int, time.Time) ([]store.Named, string, bool, error) {
	return []store.Named{{Host: string(h)}}, "", true, nil
}

// got is a request as a receiver saw it.
type got struct {
	path   string
	header http.Header
	body   []byte
}

// receiver records what it is sent and answers with a handler, or 204.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen []got
}

func newReceiver(t *testing.T, handle http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.seen = append(r.seen, got{q.URL.Path, q.Header, body})
		r.mu.Unlock()
		if handle == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		handle(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

// answering sets how the receiver answers what it is sent.
func (r *receiver) answering(handle func(w http.ResponseWriter, q *http.Request, body []byte)) *receiver {
	r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.seen = append(r.seen, got{q.URL.Path, q.Header, body})
		r.mu.Unlock()
		handle(w, q, body)
	})
	return r
}

func (r *receiver) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.seen...)
}

// scene is a store with an incident, and notifiers that are quick.
type scene struct {
	*testing.T
	store *store.Store
	last  *Notifier
}

func newScene(t *testing.T) *scene {
	s := &scene{T: t, store: openStore(t)}
	s.put(loss())
	return s
}

func (s *scene) put(i store.Incident) {
	s.Helper()
	if err := s.store.AddIncidents(s.Context(), []store.Incident{i}); err != nil {
		s.Fatal(err)
	}
}

// holder holds claims in the store.
type holder struct {
	store  *store.Store
	claims []store.Claim
}

func (h holder) Held() []store.Claim { return h.claims }

func (h holder) Keep(ctx context.Context, claims []store.Claim) ([]store.Claim, func(), error) {
	lost, err := h.store.Lost(ctx, claims)
	return slices.DeleteFunc(slices.Clone(claims), func(c store.Claim) bool { return slices.Contains(lost, c) }), func() {}, err
}

// claim claims all streams from whoever has them.
func (s *scene) claim() holder {
	s.Helper()
	var shares []uint32
	for share := range uint32(store.Shares) {
		shares = append(shares, share)
	}
	claims, err := s.store.Claim(s.Context(), shares)
	if err != nil {
		s.Fatal(err)
	}
	return holder{s.store, claims}
}

// start runs a notifier until stop is called or the test ends.
func (s *scene) start(change func(*Config), receivers ...Receiver) (stop func()) {
	s.Helper()
	c := Config{
		Receivers: receivers, Page: "http://rollcall.example", Every: 20 * time.Millisecond, Hold: -1, Calm: -1, Timeout: 5 * time.Second,
		First: 10 * time.Millisecond, Most: 20 * time.Millisecond, Resend: time.Hour,
	}
	if change != nil {
		change(&c)
	}
	n, err := New(Deps{Store: s.store, Shares: s.claim(), Names: hosts("web-17"), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}, c)
	if err != nil {
		s.Fatal(err)
	}
	n.Start(context.Background())
	s.last = n
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			s.Error(err)
		}
	})
	s.Cleanup(stop)
	return stop
}

func (s *scene) counted(receiver, outcome string) float64 {
	var m dto.Metric
	if err := s.last.outcomes.WithLabelValues(receiver, outcome).Write(&m); err != nil {
		s.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// until waits for the event that ok tells.
func (s *scene) until(what string, ok func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			s.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// idle waits until the notifier has looked a few times more.
func (s *scene) idle() {
	s.Helper()
	var looks atomic.Int32
	probe := &counting{Store: s.store, looks: &looks}
	n, err := New(Deps{Store: probe, Shares: holder{s.store, []store.Claim{{}}}, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)},
		Config{Receivers: []Receiver{{Name: "probe", Type: Webhook, URL: "http://192.0.2.1/"}}, Every: 20 * time.Millisecond, Hold: time.Hour * 1e6})
	if err != nil {
		s.Fatal(err)
	}
	n.Start(context.Background())
	defer func() { _ = n.Stop(context.Background()) }()
	s.until("ten looks", func() bool { return looks.Load() >= 10 })
}

type counting struct {
	Store
	looks *atomic.Int32
}

func (c *counting) Silences(ctx context.Context, now time.Time) ([]store.Silence, error) {
	c.looks.Add(1)
	return c.Store.Silences(ctx, now)
}

func counterOf(t *testing.T, c *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.WithLabelValues(labels...).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// locked lets several goroutines write.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// caOf returns the path of the certificate of a server, PEM.
func caOf(t *testing.T, s *httptest.Server) string {
	t.Helper()
	return secretFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}
