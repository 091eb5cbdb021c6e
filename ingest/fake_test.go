package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

var testNow = time.Date(2026, 11, 22, 5, 10, 30, 0, time.UTC)

// memory is a store whose faults a test decides; what is decided from its answers is tested here, its
// own work in internal/store.
type memory struct {
	mu       sync.Mutex
	inserts  [][]store.Received
	digests  map[numberKey]uint64
	settings map[string]store.Settings
	aside    []store.Quarantined
	away     bool
	refuses  string          // stream that Insert does not take, though it is there
	gate     <-chan struct{} // closed when Insert may return
	hung     int             // inserts that came to the gate
	changed  chan struct{}   // one value after each change, where a test waits for them
}

func newMemory() *memory {
	return &memory{digests: map[numberKey]uint64{}, settings: map[string]store.Settings{}, changed: make(chan struct{}, 1000)}
}

func (m *memory) Insert(ctx context.Context, reports []store.Received) error {
	if m.gate != nil {
		m.set(func(m *memory) { m.hung++ })
		select {
		case <-m.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.changed <- struct{}{} }()
	if m.away {
		return fmt.Errorf("insert: %w", store.ErrAway)
	}
	if slices.ContainsFunc(reports, func(r store.Received) bool { return r.Stream == m.refuses }) {
		return errors.New("insert: code 6")
	}
	m.inserts = append(m.inserts, slices.Clone(reports))
	for i := range reports {
		m.digests[keyOf(&reports[i])] = wire.Digest(reports[i].Report)
	}
	return nil
}

func (m *memory) Conflicts(_ context.Context, reports []store.Received) ([]store.Conflict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, store.ErrAway
	}
	var out []store.Conflict
	for i := range reports {
		if d, ok := m.digests[keyOf(&reports[i])]; ok && d != wire.Digest(reports[i].Report) {
			out = append(out, store.Conflict{Index: i})
		}
	}
	return out, nil
}

func (m *memory) Settings(_ context.Context, streams []string) (map[string]store.Settings, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]store.Settings{}
	for _, s := range streams {
		out[s] = store.DefaultSettings(s)
		if known, ok := m.settings[s]; ok {
			out[s] = known
		}
	}
	if m.away {
		return nil, store.ErrAway
	}
	return out, nil
}

func (m *memory) Quarantine(_ context.Context, records []store.Quarantined) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.changed <- struct{}{} }()
	if m.away {
		return store.ErrAway
	}
	m.aside = append(m.aside, records...)
	return nil
}

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// stored are the numbers of the reports stored, each once, ascending.
func (m *memory) stored() []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []uint64
	for _, batch := range m.inserts {
		for _, r := range batch {
			all = append(all, r.Number)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *memory) quarantined() []store.Quarantined {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.aside)
}

// reportOf is a small report; what differs between two of one number is the host.
func reportOf(stream string, number uint64, host string) wire.Report {
	return wire.Report{
		Stream: stream, Hop: "app", Emitter: wire.UID{0: 1, 15: 9}, Host: host, Heartbeat: 5, Number: number, SentAt: testNow, State: wire.Running,
		Lanes:   map[string]time.Time{"": testNow.Add(-time.Second)},
		Windows: []wire.Window{{Start: testNow.Truncate(time.Minute), Seconds: 60}},
	}
}

func bodyOf(t testing.TB, reports ...wire.Report) []byte {
	t.Helper()
	b, err := wire.EncodeProto(wire.Batch{Reports: reports})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func jsonOf(t testing.TB, reports ...wire.Report) []byte {
	t.Helper()
	b, err := wire.EncodeJSON(wire.Batch{Reports: reports})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newIntake returns an intake at testNow over s that is not started.
func newIntake(t testing.TB, s Store, c Config) *Intake {
	t.Helper()
	in, err := New(Deps{
		Store: s, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return testNow },
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func started(t testing.TB, s Store, c Config) *Intake {
	t.Helper()
	in := newIntake(t, s, c)
	in.Start()
	t.Cleanup(func() {
		if err := in.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return in
}

// post sends protobuf unless the headers say otherwise.
func post(in *Intake, body []byte, header ...string) *httptest.ResponseRecorder {
	return postTo(in, "/api/v1/reports", body, header...)
}

func postTo(in *Intake, target string, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/protobuf")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	in.Handler().ServeHTTP(w, r)
	return w
}

// wantProblem holds that an answer is an RFC 9457 problem and returns it.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d, the answer is no problem: %v in %q", w.Code, err, w.Body)
	}
	if w.Code != status || p.Status != status || w.Header().Get("Content-Type") != "application/problem+json" || p.Title == "" || p.Detail == "" {
		t.Fatalf("status %d, %+v; want %d", w.Code, p, status)
	}
	return p
}

func wantAccepted(t *testing.T, w *httptest.ResponseRecorder, n int) {
	t.Helper()
	if want := fmt.Sprintf(`{"accepted":%d}`, n); w.Code != http.StatusOK || string(bytes.TrimSpace(w.Body.Bytes())) != want {
		t.Fatalf("%d %s; want %s", w.Code, w.Body, want)
	}
}

// counted is the value of a counter with labels.
func counted(t *testing.T, v *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	return value(t, v.WithLabelValues(labels...))
}

func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
