package figures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
# HELP rollcall_events Events of the windows of the last hour by kind: expected, delivered, lost and duplicated of those that closed, pending of those that did not.
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
# HELP rollcall_windows Windows of the last hour by state (complete, open, settling, unknown, incomplete).
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
