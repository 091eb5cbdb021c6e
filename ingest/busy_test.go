package ingest

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

// serverOf is a ClickHouse with our tables, and a way to tell it what the store would not.
func serverOf(t *testing.T) (*store.Store, func(statement string)) {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Connect(ctx, store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(ctx, migrations.Files); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/"+database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return s, func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// The server answers with an error that says nothing of the record, far more often than a record is tried that the store does not take.
func TestAServerThatIsShortOfSomethingPutsNoRecordAside(t *testing.T) {
	s, tell := serverOf(t)
	_, brokers := broker(t, 1)
	producer, watch := client(t, brokers), newMemory()
	in := started(t, s, Config{Linger: time.Nanosecond})
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
	tell("SYSTEM STOP MERGES lanes")
	tell("ALTER TABLE lanes MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1")
	produce(t, producer, record(t, "orders", 2), record(t, "orders", 3))
	consumer(t, in, brokers, func(c *ConsumerConfig) { c.Attempts = 2 })
	until(t, watch, "it was tried much more often than Attempts", func() bool {
		return value(t, in.metrics.retries) >= 6 || in.Quarantined() > 0
	})
	if n := committed(t, brokers); n != 0 || in.Quarantined() != 0 {
		t.Fatalf("offset %d is committed, %d records are aside", n, in.Quarantined())
	}
	w := post(in, bodyOf(t, reportOf("orders", 2, "")))
	wantProblem(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	tell("ALTER TABLE lanes RESET SETTING parts_to_delay_insert, parts_to_throw_insert")
	until(t, watch, "all offsets are committed", func() bool { return committed(t, brokers) == 2 })
	wantHighest(t, s, 3)
	if aside, err := s.Quarantined(context.Background(), "", 10); err != nil || len(aside) != 0 {
		t.Fatalf("%d records are aside, %v", len(aside), err)
	}
}
