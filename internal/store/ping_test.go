package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestAPingOfAStoreThatHangsEndsInTimeAndSaysThatItIsAway(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	gate := testenv.NewGate(t, addr)
	s, err := Connect(t.Context(), Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ping := func(limit time.Duration) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		begin := time.Now()
		err := s.Ping(ctx)
		return time.Since(begin), err
	}
	if _, err := ping(time.Minute); err != nil {
		t.Fatal(err)
	}
	gate.Shut()
	for _, how := range []string{"on a connection that was there", "on a new one", "and again"} {
		if took, err := ping(300 * time.Millisecond); !errors.Is(err, ErrAway) || took > 3*time.Second {
			t.Errorf("%s: %v after %s", how, err, took)
		}
	}
	gate.Open()
	if _, err := ping(time.Minute); err != nil {
		t.Errorf("once it answers: %v", err)
	}
}

func TestAPingIsAnsweredWhileEveryConnectionIsBusy(t *testing.T) {
	s := migrated(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy sync.WaitGroup
	defer busy.Wait()
	defer cancel()
	started := make(chan struct{}, 100)
	for range s.conn.Stats().MaxOpenConns {
		busy.Go(func() {
			const slow = "SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1"
			_ = s.query(ctx, "be busy", slow, params{}, func(driver.Rows) error { // it ends with the test
				select {
				case started <- struct{}{}:
				default:
				}
				return nil
			})
		})
	}
	for range s.conn.Stats().MaxOpenConns {
		<-started
	}
	ping, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if err := s.Ping(ping); err != nil {
		t.Fatal(err)
	}
}
