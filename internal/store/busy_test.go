package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/RoaringBitmap/roaring/v2"
)

// code is the server's error code in err; 0 when the server said nothing.
func code(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

// run executes a statement as the store does, with settings of its own.
func run(t *testing.T, s *Store, sql string, settings clickhouse.Settings) error {
	t.Helper()
	return wrap("test", s.conn.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(settings)), sql))
}

// A server that is short of something was taken for one that does not take the data, and good reports were put aside for it.
func TestWhatTheServerCannotDoJustNowMayBeTriedAgain(t *testing.T) {
	s := migrated(t)
	for _, c := range []struct {
		name     string
		code     int32
		sql      string
		settings clickhouse.Settings
	}{
		{"out of memory", 241, "SELECT groupArray(number) FROM numbers(10000000)", clickhouse.Settings{"max_memory_usage": 1 << 20}},
		{"out of time", 159, "SELECT count() FROM numbers(1000000000000)", clickhouse.Settings{"max_execution_time": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := run(t, s, c.sql, c.settings)
			if code(err) != c.code {
				t.Fatalf("the server answered %v, want code %d", err, c.code)
			}
			if !errors.Is(err, ErrAway) || !errors.Is(err, ErrBusy) {
				t.Fatalf("%v is taken for a fault of the data", err)
			}
		})
	}
}

// tooManyParts makes the server take one more insert into lanes and no other. The cure takes that back.
func tooManyParts(t *testing.T, s *Store) (cure func()) {
	t.Helper()
	for _, sql := range []string{
		"SYSTEM STOP MERGES lanes", "ALTER TABLE lanes MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1",
	} {
		if err := run(t, s, sql, nil); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if err := run(t, s, "ALTER TABLE lanes RESET SETTING parts_to_delay_insert, parts_to_throw_insert", nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnInsertIntoATableOfTooManyPartsIsAwayAndTakenLater(t *testing.T) {
	s := migrated(t)
	if err := s.Insert(t.Context(), []Received{report("orders", 1, roaring.BitmapOf(1))}); err != nil {
		t.Fatal(err)
	}
	cure := tooManyParts(t, s)
	second := []Received{report("orders", 2, roaring.BitmapOf(2))}
	if err := s.Insert(t.Context(), second); code(err) != 252 || !errors.Is(err, ErrAway) || !errors.Is(err, ErrBusy) {
		t.Fatalf("%v: want too many parts, which may pass", err)
	}
	cure()
	if err := s.Insert(t.Context(), second); err != nil {
		t.Fatal(err)
	}
}

func TestAQueryThatWasKilledMayBeTriedAgain(t *testing.T) {
	s := migrated(t)
	ended := make(chan error, 1)
	ctx := clickhouse.Context(t.Context(), clickhouse.WithQueryID("to-be-killed-"+s.database))
	go func() {
		ended <- wrap("test", s.conn.Exec(ctx, "SELECT sleepEachRow(0.01) FROM numbers(100000) SETTINGS max_block_size = 1"))
	}()
	limit, tick := time.NewTimer(time.Minute), time.NewTicker(50*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if code(err) != 394 || !errors.Is(err, ErrAway) || !errors.Is(err, ErrBusy) {
				t.Fatalf("%v: want a query that was cancelled, which may be tried again", err)
			}
			return
		case <-tick.C:
			if err := run(t, s, "KILL QUERY WHERE query_id = 'to-be-killed-"+s.database+"' ASYNC", nil); err != nil {
				t.Fatal(err)
			}
		case <-limit.C:
			t.Fatal("the query was not killed in time")
		}
	}
}

// What cannot be brought about at will is told here: the codes are those of the server's ErrorCodes.cpp.
func TestOnlyCodesThatTellOfTheDataAreForGood(t *testing.T) {
	for _, c := range []struct {
		name  string
		codes []int32
		away  bool
	}{
		{"disk full, cannot open, read, write", []int32{243, 74, 75, 76}, true},
		{"out of memory, out of time, too many queries, parts, quota", []int32{241, 159, 202, 252, 201}, true},
		{"shutting down, cancelled", []int32{236, 394}, true},
		{"read only, no replica, no keeper, all connections failed", []int32{242, 164, 319, 999, 279, 209, 210, 225}, true},
		{"a table that a migration is about to make, a database that comes later", []int32{60, 81}, true},
		{"syntax, type, text that cannot be read, unknown column, constraint", []int32{62, 53, 6, 27, 47, 407, 349}, false},
	} {
		for _, n := range c.codes {
			err := away(fmt.Errorf("insert: %w", &clickhouse.Exception{Code: n, Message: "as the server says it"}))
			if errors.Is(err, ErrAway) != c.away || errors.Is(err, ErrBusy) != c.away {
				t.Errorf("%s: code %d: %v", c.name, n, err)
			}
			if !strings.Contains(err.Error(), "as the server says it") {
				t.Errorf("code %d: %v does not say what the server said", n, err)
			}
		}
	}
	if err := away(context.Canceled); errors.Is(err, ErrAway) {
		t.Errorf("%v: a call that its caller gave up tells nothing of the store", err)
	}
}
