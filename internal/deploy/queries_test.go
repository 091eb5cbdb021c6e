package deploy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

// timeFilter is the macro by which Grafana's source limits a column to the range shown.
var timeFilter = regexp.MustCompile(`\$__timeFilter\((\w+)\)`)

// Every query of the dashboard on ClickHouse is answered with rows, to the user that Grafana is, who may do nothing else.
func TestTheDashboardsQueriesOnClickHouseAreAnsweredToGrafanasUser(t *testing.T) {
	made := secrets(t, program(t))
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "config.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(made, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.d/users.xml"), []byte(text("clickhouse-users.xml")), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: dir, Library: testenv.Library(t), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{server.Addr()}, Database: "rollcall", User: "rollcall", Password: text("clickhouse-password")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	start, edge := time.Now().UTC().Truncate(time.Minute).Add(-10*time.Minute), store.Edge{From: "app", To: "sink"}
	lossy := store.Verdict{
		Stream: "orders", Start: start, Seconds: 60, Edge: edge, State: store.Incomplete, Revision: 1, DecidedAt: start, K: start,
		Counts: store.Counts{Expected: 10, Delivered: 7, Lost: 3},
	}
	incident := store.Incident{
		ID: wire.UID{15: 1}, Stream: "orders", Edge: edge, Cause: store.CauseLoss, First: start, Last: start, FirstBad: start, Bad: 1, Windows: 1, OpenedAt: start, Since: start, Version: 1,
	}
	if err := s.AddVerdicts(t.Context(), []store.Verdict{lossy}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddIncidents(t.Context(), []store.Incident{incident}); err != nil {
		t.Fatal(err)
	}
	db, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{server.Addr()}, Auth: clickhouse.Auth{Database: "rollcall", Username: "grafana", Password: text("clickhouse-grafana-password")},
		Settings: clickhouse.Settings{"max_execution_time": 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	asked := 0
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			if target.RawSQL == "" {
				continue
			}
			asked++
			if !strings.Contains(target.RawSQL, "$__timeFilter(") {
				t.Errorf("%q reads more than the range shown", p.Title)
			}
			sql := timeFilter.ReplaceAllString(target.RawSQL, fmt.Sprintf("${1} >= toDateTime(%d) AND ${1} <= toDateTime(%d)", start.Add(-time.Hour).Unix(), start.Add(time.Hour).Unix()))
			rows, err := db.Query(t.Context(), sql)
			if err != nil {
				t.Errorf("%q: %v", p.Title, err)
				continue
			}
			if !rows.Next() || rows.Err() != nil {
				t.Errorf("%q: no row, %v", p.Title, rows.Err())
			}
			_ = rows.Close()
		}
	}
	if asked < 3 {
		t.Errorf("%d questions to ClickHouse", asked)
	}
	if err := db.Exec(t.Context(), "DROP TABLE rollcall.verdicts"); err == nil {
		t.Error("Grafana's user may drop tables")
	}
}
