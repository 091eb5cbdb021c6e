package figures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

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

// marks are streams with their completeness watermarks.
type marks []store.StreamInfo

func (m marks) Streams(context.Context, time.Time) ([]store.StreamInfo, error) { return m, nil }

func (m marks) Budgets(context.Context, time.Time) (map[string][]store.ObjectiveState, error) {
	return map[string][]store.ObjectiveState{"orders": {{Objective: store.Validity, Left: 0.25}, {Objective: store.Completeness, Left: -2}}}, nil
}

// verdict is one of a window that began some minutes before noon.
func verdict(stream string, ago time.Duration, revision uint32, state store.State, counts store.Counts) store.Verdict {
	return store.Verdict{
		Stream: stream, Start: noon.Add(-ago), Seconds: 60, Edge: store.Edge{From: "app", To: "sink"}, State: state, Revision: revision, Counts: counts,
		DecidedAt: noon, K: noon,
	}
}

func newFigures(t *testing.T, s Store, streams Streams, most int) (*Figures, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	f, err := New(Deps{
		Store: s, Streams: streams, Registry: registry, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
		Oldest: func(context.Context) time.Time { return noon.Add(-time.Second) },
	}, Config{Streams: most})
	if err != nil {
		t.Fatal(err)
	}
	return f, registry
}

func want(t *testing.T, registry *prometheus.Registry, text string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text), names...); err != nil {
		t.Error(err)
	}
}

func TestFiguresAreOfTheLastRevisionsOfTheWindowsOfTheLastHour(t *testing.T) {
	s := openStore(t)
	err := s.AddVerdicts(t.Context(), []store.Verdict{
		verdict("orders", 2*time.Hour, 1, store.Incomplete, store.Counts{Expected: 1000, Lost: 1000}), // too old
		verdict("orders", 30*time.Minute, 1, store.Incomplete, store.Counts{Expected: 10, Delivered: 4, Lost: 6}),
		verdict("orders", 30*time.Minute, 2, store.Complete, store.Counts{Expected: 10, Delivered: 10, Duplicated: 1}), // filled
		verdict("orders", 20*time.Minute, 1, store.Incomplete, store.Counts{Expected: 100, Delivered: 97, Lost: 3}),
		verdict("orders", time.Minute, 1, store.Settling, store.Counts{Expected: 50, Delivered: 10, Pending: 40}),
		verdict("orders", 10*time.Minute, 1, store.Withdrawn, store.Counts{Lost: 7}),
	})
	if err != nil {
		t.Fatal(err)
	}
	incident := store.Incident{
		ID: wire.UID{15: 1}, Stream: "orders", Edge: store.Edge{From: "app", To: "sink"}, Cause: store.CauseLoss, First: noon, Last: noon, FirstBad: noon, Bad: 1, Windows: 1, Version: 1,
	}
	if err := s.AddIncidents(t.Context(), []store.Incident{incident}); err != nil {
		t.Fatal(err)
	}
	f, registry := newFigures(t, s, marks{{Stream: "orders", Watermark: noon.Add(-20 * time.Minute)}}, 10)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, registry, fmt.Sprintf(`
# HELP rollcall_complete_until_timestamp_seconds The completeness watermark: every window before it is complete. Of the streams summed as other the earliest one.
# TYPE rollcall_complete_until_timestamp_seconds gauge
rollcall_complete_until_timestamp_seconds{stream="orders"} %d
# HELP rollcall_events Events of the windows that ended within the last hour, or run, by kind: expected, delivered, lost and duplicated of those that closed, pending of those that did not.
# TYPE rollcall_events gauge
rollcall_events{edge="app..sink",kind="delivered",stream="orders"} 107
rollcall_events{edge="app..sink",kind="duplicated",stream="orders"} 1
rollcall_events{edge="app..sink",kind="expected",stream="orders"} 110
rollcall_events{edge="app..sink",kind="lost",stream="orders"} 3
rollcall_events{edge="app..sink",kind="pending",stream="orders"} 40
# HELP rollcall_incidents_open Incidents that are open, by cause.
# TYPE rollcall_incidents_open gauge
rollcall_incidents_open{cause="loss"} 1
rollcall_incidents_open{cause="revoked"} 0
rollcall_incidents_open{cause="stopped"} 0
rollcall_incidents_open{cause="unknown"} 0
# HELP rollcall_windows Windows that ended within the last hour, or run, by state (complete, open, settling, unknown, incomplete).
# TYPE rollcall_windows gauge
rollcall_windows{edge="app..sink",state="complete",stream="orders"} 1
rollcall_windows{edge="app..sink",state="incomplete",stream="orders"} 1
rollcall_windows{edge="app..sink",state="open",stream="orders"} 0
rollcall_windows{edge="app..sink",state="settling",stream="orders"} 1
rollcall_windows{edge="app..sink",state="unknown",stream="orders"} 0
`, noon.Add(-20*time.Minute).Unix()), "rollcall_complete_until_timestamp_seconds", "rollcall_events", "rollcall_incidents_open", "rollcall_windows")
	f.Now = func() time.Time { return noon.Add(2 * time.Hour) } // the hour is over: its series go
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(registry, "rollcall_events", "rollcall_windows"); err != nil || n != 0 {
		t.Errorf("%d series of an hour without windows, %v", n, err)
	}
}

// many is a store with more streams and edges than have series of their own, or one that is away.
type many struct {
	streams, edges int
	away           error
}

func (m many) EdgeFigures(context.Context, time.Time, time.Time) ([]store.EdgeFigures, error) {
	var all []store.EdgeFigures
	for s := range m.streams {
		for e := range m.edges {
			all = append(all, store.EdgeFigures{Stream: fmt.Sprintf("s%04d", s), Edge: store.Edge{From: "app", To: fmt.Sprintf("sink%d", e)}, Lost: 1})
		}
	}
	return all, m.away
}

func (m many) CertifiedUntil(context.Context, time.Time) (map[string]time.Time, error) {
	return nil, m.away
}

func (m many) Incidents(context.Context, store.IncidentFilter) ([]store.Incident, error) {
	return nil, m.away
}

func (m many) HopFigures(context.Context, map[string]time.Time, time.Time) (map[store.HopKey]*store.HopFigures, error) {
	all := map[store.HopKey]*store.HopFigures{}
	for s := range m.streams {
		for e := range m.edges {
			all[store.HopKey{Stream: fmt.Sprintf("s%04d", s), Hop: fmt.Sprintf("sink%02d", e)}] = &store.HopFigures{Outcomes: map[string]uint64{"OK": 2, "INVALID": 1}}
		}
	}
	return all, m.away
}

func (m many) DeliveredUntil(context.Context, time.Time) ([]store.Delivered, error) {
	var all []store.Delivered
	for s := range m.streams {
		for e := range m.edges {
			all = append(all, store.Delivered{Stream: fmt.Sprintf("s%04d", s), Edge: store.Edge{From: "app", To: fmt.Sprintf("sink%d", e)}, Until: noon.Add(-time.Duration(e) * time.Second)})
		}
	}
	return all, m.away
}

func (m many) Budgets(context.Context, time.Time) (map[string][]store.ObjectiveState, error) {
	all := map[string][]store.ObjectiveState{}
	for s := range m.streams {
		all[fmt.Sprintf("s%04d", s)] = []store.ObjectiveState{{Objective: store.Validity, Left: 1 - float64(s)}}
	}
	return all, m.away
}

func (m many) Streams(context.Context, time.Time) ([]store.StreamInfo, error) {
	var all []store.StreamInfo
	for s := range m.streams {
		all = append(all, store.StreamInfo{Stream: fmt.Sprintf("s%04d", s), Watermark: noon.Add(-time.Duration(s) * time.Second)})
	}
	return all, nil
}

func TestHoweverManyStreamsAndEdgesThereAreTheSeriesAreBoundedAndNothingIsLeftOut(t *testing.T) {
	m := many{streams: 1000, edges: 30}
	f, registry := newFigures(t, m, m, 5)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(registry, "rollcall_events"); err != nil || n != 5*(5*(edgesEach+1)+1) {
		t.Errorf("%d series, %v", n, err)
	}
	lost := func(stream, edge string) float64 {
		return testutil.ToFloat64(f.metrics.events.vec.WithLabelValues(stream, edge, "lost"))
	}
	if a, b, c := lost("s0000", "app..sink0"), lost("s0004", Other), lost(Other, Other); a != 1 || b != 10 || c != 995*30 {
		t.Errorf("lost %v, %v and %v", a, b, c)
	}
	if got := testutil.ToFloat64(f.metrics.complete.vec.WithLabelValues(Other)); got != seconds(noon.Add(-999*time.Second)) {
		t.Errorf("others are complete until %v", got)
	}
	value := func(g *gauges, of ...string) float64 { return testutil.ToFloat64(g.vec.WithLabelValues(of...)) }
	if a, b, c := value(f.metrics.schemas, "s0000", "sink00", "INVALID"), value(f.metrics.schemas, "s0004", Other, "OK"), value(f.metrics.schemas, Other, Other, "OK"); a != 1 || b != 20 || c != 995*30*2 {
		t.Errorf("schemas %v, %v and %v", a, b, c)
	}
	if a, b := value(f.metrics.delivered, "s0000", Other), value(f.metrics.delivered, Other, Other); a != seconds(noon.Add(-29*time.Second)) || b != a {
		t.Errorf("delivered until %v and %v", a, b)
	}
	if a, b := value(f.metrics.left, "s0004", store.Validity), value(f.metrics.left, Other, store.Validity); a != -3 || b != -998 {
		t.Errorf("left %v and %v", a, b)
	}
	for name, most := range map[string]int{"rollcall_schema_events": 2 * (5*(edgesEach+1) + 1), "rollcall_delivered_until_timestamp_seconds": 5*(edgesEach+1) + 1, "rollcall_budget_left_ratio": 6} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n != most {
			t.Errorf("%d series of %s, %v", n, name, err)
		}
	}
	none, _ := newFigures(t, m, m, -1)
	if err := none.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := testutil.CollectAndCount(none.metrics.events.vec); got != 5 {
		t.Errorf("%d series where no stream has its own", got)
	}
}

func TestWhileTheStoreIsAwayTheFiguresStayAndTheirTimeSaysSo(t *testing.T) {
	m := &many{streams: 1, edges: 1}
	f, _ := newFigures(t, m, m, 5)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.away = errors.New("away")
	f.Now = func() time.Time { return noon.Add(time.Hour) }
	if err := f.Refresh(t.Context()); err == nil {
		t.Fatal("a store that is away is no failure")
	}
	if got := testutil.ToFloat64(f.metrics.events.vec.WithLabelValues("s0000", "app..sink0", "lost")); got != 1 {
		t.Errorf("lost is %v", got)
	}
	if got := testutil.ToFloat64(f.metrics.at); got != seconds(noon) {
		t.Errorf("read at %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.Start(ctx)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for testutil.ToFloat64(f.metrics.failures) == 0 {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("a failure is not counted")
		}
	}
	cancel()
	if err := f.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// hourly is a report of what a hop took over in the hour before noon.
func hourly(hop string, after ...string) store.Received {
	r := wire.Report{
		Stream: "orders", Hop: hop, After: after, Emitter: wire.UID{15: byte(len(hop))}, Number: 1, SentAt: noon.Add(10 * time.Second), State: wire.Running,
		Windows: []wire.Window{{Start: noon.Add(-time.Hour), Seconds: 3600}},
	}
	if w := &r.Windows[0]; len(after) > 0 {
		w.Latency = &wire.Latency{Scale: 0, Counts: map[int32]uint64{9: 98, 11: 2}} // (512, 1024], (2048, 4096] ms
		w.Schemas = []wire.SchemaTally{{ID: "orders", Version: "1", Outcome: "OK", Count: 97}, {ID: "orders", Version: "1", Outcome: "INVALID", Reason: "a", Count: 1}, {ID: "orders", Version: "2", Outcome: "INVALID", Reason: "b", Count: 2}}
	}
	return store.Received{Report: r, At: noon.Add(11 * time.Second)}
}

func TestAWindowOfAnHourIsShownOnceItIsJudgedWithItsSchemasItsLatencyItsAgeAndWhatIsLeft(t *testing.T) {
	s := openStore(t)
	if err := s.Insert(t.Context(), []store.Received{hourly("app"), hourly("sink", "app")}); err != nil {
		t.Fatal(err)
	}
	v := verdict("orders", time.Hour, 1, store.Incomplete, store.Counts{Expected: 100, Delivered: 99, Lost: 1})
	v.Seconds = 3600
	settings := store.DefaultSettings("orders")
	settings.Lengths = []store.Length{{Seconds: 3600}}
	if err := s.AddVerdicts(t.Context(), []store.Verdict{v}); err != nil {
		t.Fatal(err)
	}
	f, registry := newFigures(t, s, marks{{Stream: "orders", Settings: settings}}, 10)
	names := []string{"rollcall_events", "rollcall_schema_events", "rollcall_latency_seconds", "rollcall_delivered_until_timestamp_seconds", "rollcall_budget_left_ratio"}
	counts := func(after time.Duration) (n []int) {
		t.Helper()
		f.Now = func() time.Time { return noon.Add(after) }
		if err := f.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			one, err := testutil.GatherAndCount(registry, name)
			if err != nil {
				t.Fatal(err)
			}
			n = append(n, one)
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{12 * time.Second, "[5 2 1 1 2]"}, {time.Hour - time.Second, "[5 2 1 1 2]"}, {time.Hour, "[0 0 0 1 2]"}, {23*time.Hour + time.Second, "[0 0 0 0 2]"}} {
		if got := fmt.Sprint(counts(c.after)); got != c.want {
			t.Errorf("%s after its end: %s series of %v, want %s", c.after, got, names, c.want)
		}
	}
	counts(12 * time.Second)
	value := func(g *gauges, of ...string) float64 { return testutil.ToFloat64(g.vec.WithLabelValues(of...)) }
	if ok, bad := value(f.metrics.schemas, "orders", "sink", "OK"), value(f.metrics.schemas, "orders", "sink", "INVALID"); ok != 97 || bad != 3 {
		t.Errorf("%v are in order and %v invalid", ok, bad)
	}
	if got := value(f.metrics.p99, "orders", "app..sink", "0.99"); got <= 2.048 || got > 4.096 {
		t.Errorf("99 %% within %v s", got)
	}
	v.Revision, v.Lost = 2, 5
	if err := s.AddVerdicts(t.Context(), []store.Verdict{v}); err != nil {
		t.Fatal(err)
	}
	counts(12 * time.Second)
	if got := value(f.metrics.p99, "orders", "app..sink", "0.99"); !math.IsInf(got, 1) {
		t.Errorf("of 105 five are lost, and 99 %% are there within %v s", got)
	}
	if got := value(f.metrics.delivered, "orders", "app..sink"); got != seconds(noon) {
		t.Errorf("delivered until %v", got)
	}
	if got := value(f.metrics.left, "orders", store.Completeness); got != -2 {
		t.Errorf("%v left", got)
	}
	if p99, measured := new(store.HopFigures).P99(5); measured {
		t.Errorf("nothing was measured, and 99 %% are within %v s", p99)
	}
}

func TestAStreamIsCertifiedAsFarAsNoHourIsMissing(t *testing.T) {
	s := openStore(t)
	entry := func(stream string, number uint64, before time.Duration, action string) store.Certificate {
		return store.Certificate{Stream: stream, Number: number, Hour: noon.Add(-before), Action: action, IssuedAt: noon}
	}
	err := s.AddCertificates(t.Context(), []store.Certificate{
		entry("orders", 1, 40*24*time.Hour, "certify"), entry("orders", 2, 3*time.Hour, "certify"), entry("orders", 3, 2*time.Hour, "certify"),
		entry("x", 1, 5*time.Hour, "certify"), entry("y", 1, 6*time.Hour, "certify"), entry("y", 2, 6*time.Hour, "revoke"), entry("gone", 1, 9*time.Hour, "certify"),
	})
	if err != nil {
		t.Fatal(err)
	}
	f, registry := newFigures(t, s, marks{{Stream: "nothing"}, {Stream: "orders"}, {Stream: "x"}, {Stream: "y"}}, 2)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, registry, fmt.Sprintf(`
# HELP rollcall_certified_until_timestamp_seconds The end of the last hour that is certified together with all hours before it, from the first of the last 31 days on that was. Of the streams summed as other the earliest one.
# TYPE rollcall_certified_until_timestamp_seconds gauge
rollcall_certified_until_timestamp_seconds{stream="orders"} %d
rollcall_certified_until_timestamp_seconds{stream="other"} %d
`, noon.Add(-time.Hour).Unix(), noon.Add(-6*time.Hour).Unix()), "rollcall_certified_until_timestamp_seconds")
}

// An alert on how far a stream is behind must know how long it cannot but be behind.
func TestAStreamTellsTheLengthOfTheWindowsThatRunNow(t *testing.T) {
	hours := store.Settings{Lengths: []store.Length{{From: noon.Add(-time.Hour), Seconds: 3600}}}
	later := store.Settings{Lengths: []store.Length{{Seconds: 60}, {From: noon.Add(time.Hour), Seconds: 3600}}}
	f, registry := newFigures(t, many{}, marks{{Stream: "a", Settings: hours}, {Stream: "b", Settings: later}, {Stream: "c"}, {Stream: "d", Settings: hours}, {Stream: "e"}}, 3)
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, registry, `
# HELP rollcall_window_seconds Length of the windows of the stream that run now: so long ago it is complete up to at best. Of the streams summed as other the greatest.
# TYPE rollcall_window_seconds gauge
rollcall_window_seconds{stream="a"} 3600
rollcall_window_seconds{stream="b"} 60
rollcall_window_seconds{stream="c"} 60
rollcall_window_seconds{stream="other"} 3600
`, "rollcall_window_seconds")
}
