package inspector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

var (
	testNow   = time.Date(2026, 11, 22, 5, 30, 30, 0, time.UTC)
	testStart = time.Date(2026, 11, 22, 5, 9, 0, 0, time.UTC)
	appAgent  = store.Edge{From: "app", To: "agent"}
	agentSink = store.Edge{From: "agent", To: "sink"}
)

// auditor is what reconcile is to the inspector, with answers laid out by a test.
type auditor struct {
	infos    map[string]store.StreamInfo
	verdicts []store.Verdict
	named    []store.Named
	hours    []store.Hour
	resolved store.Resolution
	ask      store.WaiverRequest
	traces   map[string][]store.Trace
	err      error

	slowHints bool // hints take until nobody waits for them

	asked []time.Duration // lengths of the ranges of windows asked for
}

func (a *auditor) Streams(context.Context, time.Time) ([]store.StreamInfo, error) {
	var all []store.StreamInfo
	for _, i := range a.infos {
		all = append(all, i)
	}
	return all, a.err
}

func (a *auditor) Stream(_ context.Context, name string, _ time.Time) (store.StreamInfo, bool, error) {
	i, ok := a.infos[name]
	return i, ok, a.err
}

func (a *auditor) Watermark(_ context.Context, name, _ string, _ time.Time) (time.Time, *store.Blocked, bool, error) {
	i, ok := a.infos[name]
	return i.Watermark, &store.Blocked{Start: testStart, Edge: appAgent, State: store.Incomplete}, ok, a.err
}

func (a *auditor) Windows(_ context.Context, _ string, from, to, _ time.Time, edge *store.Edge) ([]store.Verdict, error) {
	a.asked = append(a.asked, to.Sub(from))
	var out []store.Verdict
	for _, v := range a.verdicts {
		if !v.Start.Before(from) && v.Start.Before(to) && (edge == nil || *edge == v.Edge) {
			out = append(out, v)
		}
	}
	return out, a.err
}

func (a *auditor) Revisions(context.Context, string, time.Time, store.Edge) ([]store.Verdict, error) {
	return []store.Verdict{{Revision: 1, State: store.Settling}, {Revision: 2, State: store.Incomplete}}, a.err
}

func (a *auditor) Named(_ context.Context, _ string, start time.Time, edge store.Edge, _, after string, limit int, _ time.Time) ([]store.Named, string, bool, error) {
	known := slices.ContainsFunc(a.verdicts, func(v store.Verdict) bool { return v.Start.Equal(start) && v.Edge == edge })
	first := 0
	if after != "" {
		first = slices.IndexFunc(a.named, func(n store.Named) bool { return n.UID == after }) + 1
	}
	rest := a.named[first:]
	if len(rest) <= limit {
		return rest, "", known, a.err
	}
	return rest[:limit], rest[limit-1].UID, known, a.err
}

func (a *auditor) ResolveWaiver(_ context.Context, ask store.WaiverRequest, _ time.Time) (store.Resolution, bool, error) {
	a.ask = ask
	known := slices.ContainsFunc(a.verdicts, func(v store.Verdict) bool {
		return v.Edge == ask.Edge && v.Start.Truncate(time.Hour).Equal(ask.Hour)
	})
	return a.resolved, known, a.err
}

func (a *auditor) Evidence(_ context.Context, _ string, start time.Time, _ *store.Edge, _ time.Time) (store.Evidence, bool, error) {
	return store.Evidence{Hops: []store.HopState{{Hop: "app", Lanes: []store.LaneState{{Hop: "app"}}}}}, start.Equal(testStart), a.err
}

func (a *auditor) Objectives(_ context.Context, stream string, _ time.Time) ([]store.ObjectiveState, bool, error) {
	_, known := a.infos[stream]
	return []store.ObjectiveState{{
		Objective: store.Latency, Target: 0.99, Threshold: 30 * time.Second, Total: 1 << 60, Bad: 1, Left: 0.5,
		Burn: []store.BurnRate{{Span: time.Hour, Total: 10, Bad: 1, Rate: 10}}, Alarms: []string{"6 over 6 h and 30 min"},
	}}, known, a.err
}

func (a *auditor) Hints(ctx context.Context, _ *store.Incident, _ time.Time) ([]store.Hint, error) {
	if a.slowHints {
		<-ctx.Done()
		return nil, fmt.Errorf("store: read hints: %w", ctx.Err())
	}
	return []store.Hint{{Kind: "host", Name: "web-17", Short: "web-17 only", Evidence: "3 of 3 lost events have their source on web-17", Events: 3, Of: 3, Share: 0.04}}, a.err
}

func (a *auditor) Hours(_ context.Context, streams []string, from, to, _ time.Time) ([]store.Hour, error) {
	var out []store.Hour
	for _, h := range a.hours {
		if !h.Start.Before(from) && h.Start.Before(to) && (streams == nil || slices.Contains(streams, h.Stream)) {
			out = append(out, h)
		}
	}
	return out, a.err
}

func (a *auditor) HourOfEdge(_ context.Context, stream string, hour time.Time, _ *store.Edge, _ time.Time) (store.Hour, []store.Verdict, error) {
	for _, h := range a.hours {
		if h.Stream == stream && h.Start.Equal(hour) {
			return h, a.verdicts[:1], a.err
		}
	}
	return store.Hour{}, nil, a.err
}

func (a *auditor) Trace(_ context.Context, uid wire.UID) ([]store.Trace, error) {
	return a.traces[uid.String()], a.err
}

func (a *auditor) TraceForeign(_ context.Context, uid string) ([]store.Trace, error) {
	return a.traces[uid], a.err
}

// memory is the store of a test.
type memory struct {
	mu         sync.Mutex
	settings   map[string]store.Settings
	reports    map[string]bool
	emitters   []store.Emitter
	closings   []store.Closing
	sources    []wire.UID
	waivers    []store.Waiver
	marked     []store.Waiver
	epochs     []store.Epoch
	moves      []store.WatermarkMove
	hops       []store.HopSummary
	quarantine []store.Quarantined
	latencies  map[store.LatencyKey]latency.Histogram
	newest     map[store.Edge]store.Delivery
	clocks     []store.HostClock
	calls
	said
	issued []store.HourCertificate // by hour and number
	err    error
}

func (m *memory) Settings(_ context.Context, streams []string) (map[string]store.Settings, error) {
	out := map[string]store.Settings{}
	for _, s := range streams {
		out[s] = store.DefaultSettings(s)
		if known, ok := m.settings[s]; ok {
			out[s] = known
		}
	}
	return out, m.err
}

func (m *memory) PutSettings(_ context.Context, s store.Settings, _ time.Time) error {
	m.settings[s.Stream] = s
	return m.err
}

func (m *memory) HasReports(_ context.Context, stream string) (bool, error) {
	return m.reports[stream], m.err
}

func (m *memory) Emitters(context.Context, string) ([]store.Emitter, error) { return m.emitters, m.err }

func (m *memory) AddClosing(_ context.Context, c store.Closing) error {
	m.closings = append(m.closings, c)
	return m.err
}

func (m *memory) Closings(context.Context, string) ([]store.Closing, error) { return m.closings, m.err }

func (m *memory) AddWaiver(_ context.Context, w store.Waiver, _ []store.WaivedName) error {
	m.waivers = append(m.waivers, w)
	return m.err
}

func (m *memory) MarkWaived(_ context.Context, w store.Waiver) error {
	m.marked = append(m.marked, w)
	return m.err
}

func (m *memory) Waivers(_ context.Context, _ string, from, to time.Time) ([]store.Waiver, error) {
	return slices.DeleteFunc(slices.Clone(m.waivers), func(w store.Waiver) bool { return w.Hour.Before(from) || !w.Hour.Before(to) }), m.err
}

func (m *memory) AddEpoch(_ context.Context, e store.Epoch) (store.Epoch, error) {
	e.Number = uint32(len(m.epochs) + 1)
	m.epochs = append(m.epochs, e)
	return e, m.err
}

func (m *memory) EpochsOf(_ context.Context, streams []string) (map[string][]store.Epoch, error) {
	return map[string][]store.Epoch{streams[0]: m.epochs}, m.err
}

func (m *memory) Watermarks(_ context.Context, _ string, from, to time.Time, limit int) ([]store.WatermarkMove, error) {
	found := slices.DeleteFunc(slices.Clone(m.moves), func(w store.WatermarkMove) bool { return w.At.Before(from) || !w.At.Before(to) })
	return found[:min(limit, len(found))], m.err
}

func (m *memory) HasSource(_ context.Context, _ string, source wire.UID) (bool, error) {
	return slices.Contains(m.sources, source), m.err
}

func (m *memory) Hops(_ context.Context, streams []string) (map[string][]store.HopSummary, error) {
	return map[string][]store.HopSummary{streams[0]: m.hops}, m.err
}

// Latencies reads instants in seconds, as the store does.
func (m *memory) Latencies(_ context.Context, _ string, from, to time.Time) (map[store.LatencyKey]latency.Histogram, error) {
	found := map[store.LatencyKey]latency.Histogram{}
	for k, h := range m.latencies {
		if !k.Start.Before(from.Truncate(time.Second)) && k.Start.Before(to.Truncate(time.Second)) {
			found[k] = h
		}
	}
	return found, m.err
}

func (m *memory) Newest(_ context.Context, _ string, since time.Time) (map[store.Edge]store.Delivery, error) {
	found := maps.Clone(m.newest)
	maps.DeleteFunc(found, func(_ store.Edge, d store.Delivery) bool { return d.Start.Before(since) })
	return found, m.err
}

func (m *memory) HostClocks(context.Context, string, time.Time, time.Time) ([]store.HostClock, error) {
	return m.clocks, m.err
}

func (m *memory) Quarantined(_ context.Context, after string, limit int) ([]store.Quarantined, error) {
	var out []store.Quarantined
	for _, q := range m.quarantine {
		if q.ID > after && len(out) < limit {
			out = append(out, q)
		}
	}
	return out, m.err
}

func (m *memory) Ping(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// fixture is an inspector over fakes, with one stream "orders" of two edges.
type fixture struct {
	*Inspector
	auditor *auditor
	store   *memory
	t       *testing.T
}

func newFixture(t *testing.T, change ...func(*Deps, *Config)) *fixture {
	t.Helper()
	a, m := testAuditor(), &memory{settings: map[string]store.Settings{}, reports: map[string]bool{"orders": true}}
	deps := Deps{
		Auditor: a, Store: m, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return testNow },
	}
	m.hops = []store.HopSummary{
		{Hop: "app", LaneFirst: map[string]int64{"": 1}}, // its emitters are its lanes
		{Hop: "agent", LaneFirst: map[string]int64{"orders/0": 1}},
	}
	config := Config{Version: "test"}
	for _, c := range change {
		c(&deps, &config)
	}
	s, err := New(deps, config)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &fixture{s, a, m, t}
}

func testAuditor() *auditor {
	info := store.StreamInfo{
		Stream: "orders", Settings: store.DefaultSettings("orders"), Edges: []store.Edge{appAgent, agentSink},
		Hops:     []store.HopInfo{{Hop: "app"}, {Hop: "agent", After: []string{"app"}}, {Hop: "sink", After: []string{"agent"}}},
		Earliest: testStart.Add(-time.Hour), Watermark: testStart,
	}
	a := &auditor{infos: map[string]store.StreamInfo{"orders": info}, traces: map[string][]store.Trace{}}
	for i := range 5 {
		for _, e := range []store.Edge{agentSink, appAgent} {
			v := store.Verdict{Stream: "orders", Start: testStart.Add(time.Duration(i) * time.Minute), Seconds: 60, Edge: e, State: store.Complete, Revision: 1}
			v.Produced = 100
			a.verdicts = append(a.verdicts, v)
		}
	}
	a.verdicts[1].State, a.verdicts[1].Lost = store.Incomplete, 3
	a.hours = []store.Hour{{Stream: "orders", Start: testStart.Truncate(time.Hour), State: store.Incomplete, Next: testNow}}
	return a
}

// ask sends a request and returns the status and body.
func (f *fixture) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	return w
}

// read asks with GET, wants 200 and decodes the body.
func read[T any](f *fixture, path string) T {
	f.t.Helper()
	var out T
	w := f.ask(http.MethodGet, path, "")
	if w.Code != http.StatusOK {
		f.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		f.t.Fatalf("GET %s: %v in %s", path, err, w.Body)
	}
	return out
}

// wantProblem holds that an answer is an RFC 9457 problem that says text.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, text string) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("the answer is no problem: %v in %q", err, w.Body)
	}
	if w.Code != status || p.Status != status || w.Header().Get("Content-Type") != problemType || p.Title == "" {
		t.Fatalf("status %d, content type %q, problem %+v; want %d", w.Code, w.Header().Get("Content-Type"), p, status)
	}
	if !strings.Contains(p.Detail, text) {
		t.Fatalf("detail %q does not say %q", p.Detail, text)
	}
	return p
}

// counted is the value of a counter.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
