// Package testenv gives tests the real services: an embedded ClickHouse shared by the tests of one binary, with a
// database for each test; an embedded Kafka for each test that asks; and a real Apache Kafka, shared by the tests of
// one binary and empty for each, or a test's own. Where the ClickHouse library, or Java or the jars of Kafka are
// missing, a test is skipped, except in CI (CI is set), where it fails: there nothing may pass by not being run.
//
// It is imported by tests only. It owns the services' life and the name of the databases; it must not know what is
// stored in them, so it imports neither the store nor the migrations.
//
// A package that uses it has one TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
package testenv

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/ClickHouse/clickhouse-go/v2" // the driver for database/sql

	"github.com/rollcallhq/rollcall/internal/embedded"
)

const (
	startLimit = 2 * time.Minute
	stopLimit  = 30 * time.Second
)

// shared is the ClickHouse of this test binary: the tests of a package share it, so it belongs to no test.
var shared server

// server is a ClickHouse that is started by the first test that needs it.
type server struct {
	once       sync.Once
	dir        string
	clickHouse *embedded.ClickHouse
	err        error
}

// Main runs the tests of a package and then stops what they started. It returns the exit code, for os.Exit. In a
// process that was started as an embedded service it runs that service instead.
func Main(m *testing.M) int {
	if handled, code := embedded.Child(os.Args); handled {
		return code
	}
	code := m.Run()
	if err := errors.Join(shared.stop(), sharedKafka.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "testenv:", err)
		return max(code, 1)
	}
	return code
}

// ClickHouse returns the address of the shared server, "127.0.0.1:port" of the native protocol, and the name of a
// new, empty database in it, which is dropped when the test ends. The test must have closed its connections by then.
func ClickHouse(t testing.TB) (addr, database string) {
	t.Helper()
	addr = start(t).Addr()
	database = "test_" + strings.ToLower(rand.Text()[:12])
	if err := execute(t.Context(), addr, "CREATE DATABASE "+database); err != nil {
		t.Fatalf("create database %s: %v", database, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if err := execute(ctx, addr, "DROP DATABASE IF EXISTS "+database+" SYNC"); err != nil {
			t.Errorf("drop database %s: %v", database, err)
		}
	})
	return addr, database
}

// Library returns the path of the ClickHouse library for embedded.ClickHouseConfig. Where there is none it ends the
// test: skipped, or failed in CI. It looks where embedded.FindLibrary does, then in bin/lib of this checkout, then
// in the user's cache, which the checkouts share.
func Library(t testing.TB) string {
	t.Helper()
	path, err := findLibrary()
	if err == nil {
		return path
	}
	absent(t, err)
	return ""
}

// absent ends a test for want of a service: skipped, or failed in CI.
func absent(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func findLibrary() (string, error) {
	path, err := embedded.FindLibrary()
	if err == nil || os.Getenv(embedded.LibraryVariable) != "" {
		return path, err
	}
	for _, pattern := range libraryPlaces() {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // a bad pattern finds nothing
			return found[len(found)-1], nil
		}
	}
	return "", err
}

func libraryPlaces() []string {
	var places []string
	if root, err := moduleRoot(); err == nil {
		places = append(places, filepath.Join(root, "bin", "lib", embedded.LibraryName))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "rollcall", "libchdb-*", embedded.LibraryName))
	}
	return places
}

// moduleRoot returns the nearest directory above the tested package that has a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}

func start(t testing.TB) *embedded.ClickHouse {
	t.Helper()
	library := Library(t)
	shared.once.Do(func() { shared.start(library) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.clickHouse
}

func (s *server) start(library string) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if s.dir, s.err = os.MkdirTemp("", "rollcall-test-"); s.err != nil {
		return
	}
	s.clickHouse, s.err = embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{
		Dir: s.dir, Library: library, Unsynced: true,
	})
}

func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	var stopped error
	if s.clickHouse != nil {
		stopped = s.clickHouse.Stop(ctx)
	}
	if s.dir == "" {
		return stopped
	}
	return errors.Join(stopped, os.RemoveAll(s.dir))
}

func execute(ctx context.Context, addr, statement string) (err error) {
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/default")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, statement)
	return err
}
