package embedded_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/ClickHouse/clickhouse-go/v2" // the driver for database/sql

	"github.com/rollcallhq/rollcall/internal/embedded"
)

func TestClickHouseKeepsWhatItAnsweredForThroughSIGKILL(t *testing.T) {
	needLibrary(t)
	dir := filepath.Join(t.TempDir(), `it's <a> & "dir"`)
	first := startClickHouse(t, dir)
	execute(t, first.Addr(), "CREATE DATABASE kept")
	execute(t, first.Addr(), "CREATE TABLE kept.rows (n UInt64) ENGINE = MergeTree ORDER BY n")
	execute(t, first.Addr(), "INSERT INTO kept.rows SELECT number FROM numbers(100000)")
	killed(t, first.PID(), first.Done())
	if err := first.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err() after SIGKILL = %v, want how it ended", err)
	}

	second := startClickHouse(t, dir)
	if got := count(t, second.Addr(), "SELECT count() FROM kept.rows"); got != 100000 {
		t.Errorf("%d rows after the restart, want 100000", got)
	}
	if first.Addr() != second.Addr() {
		t.Errorf("restarted on %s, was on %s", second.Addr(), first.Addr())
	}
}

func TestClickHouseStopsInOrderAndKeepsItsRows(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	first := startClickHouse(t, dir)
	execute(t, first.Addr(), "CREATE TABLE default.rows (n UInt64) ENGINE = MergeTree ORDER BY n")
	execute(t, first.Addr(), "INSERT INTO default.rows VALUES (1), (2)")
	fatal(t, first.Stop(deadline(t)))
	if err := first.Err(); err == nil || strings.Contains(err.Error(), "exit status") {
		t.Errorf("Err() after Stop = %v, want an end without a failure", err)
	}
	fatal(t, first.Stop(deadline(t)))

	second := startClickHouse(t, dir)
	if got := count(t, second.Addr(), "SELECT count() FROM default.rows"); got != 2 {
		t.Errorf("%d rows after the restart, want 2", got)
	}
}

func TestClickHouseAppliesItsGuards(t *testing.T) {
	needLibrary(t)
	c, err := embedded.StartClickHouse(deadline(t), embedded.ClickHouseConfig{Dir: t.TempDir(), MemoryBytes: 1 << 30})
	fatal(t, err)
	t.Cleanup(func() { check(t, c.Stop(stopTime(t))) })
	for query, want := range map[string]uint64{
		"SELECT toUInt64(value) FROM system.server_settings WHERE name = 'max_server_memory_usage'":   1 << 30,
		"SELECT toUInt64(value) FROM system.settings WHERE name = 'max_memory_usage'":                 3 << 28,
		"SELECT toUInt64(value) FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'":    1,
		"SELECT toUInt64(value) FROM system.merge_tree_settings WHERE name = 'fsync_part_directory'":  1,
		"SELECT count() FROM system.tables WHERE database = 'system' AND endsWith(name, '_log')":      0,
		"SELECT toUInt64(serverTimeZone() = 'UTC')":                                                   1,
		"SELECT toUInt64(value) FROM system.server_settings WHERE name = 'background_pool_size'":      4,
		"SELECT countIf(interface = 6) FROM system.processes WHERE query_id = 'rollcall-embedded'":    1,
		"SELECT toUInt64(value = 'fatal') FROM system.settings WHERE name = 'send_logs_level'":        1,
		"SELECT toUInt64(count() = 0) FROM system.users WHERE name != 'default'":                      1,
		"SELECT toUInt64(length(getMacro('instance')) > 20)":                                          1,
		"SELECT toUInt64(value) FROM system.server_settings WHERE name = 'background_move_pool_size'": 1,
	} {
		if got := count(t, c.Addr(), query); got != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
}

func TestASecondClickHouseInTheDirectoryIsRefused(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	startClickHouse(t, dir)
	_, err := embedded.StartClickHouse(deadline(t), embedded.ClickHouseConfig{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), embedded.ErrInUse.Error()) || !strings.Contains(err.Error(), dir) {
		t.Errorf("err = %v, want one that says %s is in use", err, dir)
	}
	if !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("err = %v, want ErrInUse", err)
	}
}

func TestClickHouseMovesWhenItsPortIsTaken(t *testing.T) {
	needLibrary(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer taken.Close()
	dir := t.TempDir()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(dir, "port"), []byte(port), 0o600))
	c := startClickHouse(t, dir)
	if c.Addr() == taken.Addr().String() {
		t.Errorf("serves on %s, which another process has", c.Addr())
	}
	if got := count(t, c.Addr(), "SELECT toUInt64(1)"); got != 1 {
		t.Errorf("SELECT 1 = %d", got)
	}
}

func TestAStartThatIsCalledOffLeavesNoProcess(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("called off"))
	_, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "called off") {
		t.Errorf("err = %v, want the cause", err)
	}
	startClickHouse(t, dir)
}

func open(t *testing.T, addr string) *sql.DB {
	t.Helper()
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/default")
	fatal(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return db
}

func execute(t *testing.T, addr, query string) {
	t.Helper()
	_, err := open(t, addr).ExecContext(deadline(t), query)
	fatal(t, err)
}

func count(t *testing.T, addr, query string) uint64 {
	t.Helper()
	var n uint64
	fatal(t, open(t, addr).QueryRowContext(deadline(t), query).Scan(&n))
	return n
}
