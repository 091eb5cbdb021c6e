package ingest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

// A store that takes connections and never answers is not one that is away: nothing fails, and whoever waits for it waits.

func wantSlow(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	wantProblem(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestASenderIsAnsweredInTimeWhileTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := newMemory(), make(chan struct{})
		m.gate = gate
		in := started(t, m, Config{})
		begin := time.Now()
		wantSlow(t, post(in, bodyOf(t, reportOf("orders", 1, ""))))
		if took := time.Since(begin); took != 8*time.Second {
			t.Errorf("answered after %s", took)
		}
		if counted(t, in.metrics.refused, viaHTTP, reasonStoreSlow) != 1 {
			t.Error("not counted")
		}
		close(gate)
		synctest.Wait()
		if len(m.stored()) != 1 {
			t.Error("what the sender was told nothing of is not stored once the store answers")
		}
		wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
	})
}

func TestWhatWaitsForAStoreThatHangsStaysBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.gate = make(chan struct{})
		in := started(t, m, Config{QueueBytes: 40_000, CommitTimeout: time.Hour})
		var all sync.WaitGroup
		answers := map[int]int{}
		var mu sync.Mutex
		for n := range 200 { // senders that come again and again, for as long as nothing is taken
			all.Go(func() {
				for range 5 {
					w := post(in, bodyOf(t, reportOf("orders", uint64(n+1), "")))
					mu.Lock()
					answers[w.Code]++
					mu.Unlock()
					<-time.After(time.Second)
				}
			})
		}
		all.Wait()
		if answers[http.StatusServiceUnavailable] == 0 || answers[http.StatusTooManyRequests] == 0 || len(answers) != 2 {
			t.Errorf("answers %v; want some told that the store is slow and the rest that too much waits", answers)
		}
		if waiting := answers[http.StatusServiceUnavailable]; waiting > 40_000/firstChunk {
			t.Errorf("%d requests wait in %d bytes of room", waiting, in.config.QueueBytes)
		}
		in.abort() // the insert under way fails, and what waited is let go
		synctest.Wait()
		if !in.room.TryAcquire(in.config.QueueBytes) {
			t.Error("room is still held by requests that ended")
		}
	})
}

// behindAGate is a ClickHouse with our tables that hangs while the gate is shut.
func behindAGate(t *testing.T) (*store.Store, *testenv.Gate) {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	gate := testenv.NewGate(t, addr)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Connect(ctx, store.Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(ctx, migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s, gate
}

func TestAReportIsAnsweredAndThenTakenAlthoughClickHouseHung(t *testing.T) {
	s, gate := behindAGate(t)
	in := started(t, s, Config{AnswerTimeout: time.Second})
	server := serve(t, in)
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
	gate.Shut()
	begin := time.Now()
	answer := send(t, server.URL, bytes.NewReader(bodyOf(t, reportOf("orders", 2, ""))))
	if took := time.Since(begin); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || took > 4*time.Second {
		t.Fatalf("status %d, Retry-After %q, after %s", answer.StatusCode, answer.Header.Get("Retry-After"), took)
	}
	gate.Open()
	watch := newMemory()
	until(t, watch, "it is taken when it is sent again", func() bool {
		return post(in, bodyOf(t, reportOf("orders", 2, ""))).Code == http.StatusOK
	})
	wantHighest(t, s, 2)
}
