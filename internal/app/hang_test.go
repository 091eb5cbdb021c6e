package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// answered is what a server said, and after how long.
type answered struct {
	status int
	after  time.Duration
	retry  string
	detail string
}

// call asks a server, and gives it less time than a person has.
func call(t *testing.T, method, url, body string) answered {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	begin := time.Now()
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
		return answered{}
	}
	defer answer.Body.Close()
	var p struct{ Detail string }
	_ = json.NewDecoder(answer.Body).Decode(&p) // an answer that is not JSON has no detail
	return answered{answer.StatusCode, time.Since(begin), answer.Header.Get("Retry-After"), p.Detail}
}

func reportBody(number int, at time.Time) string {
	return fmt.Sprintf(`{"reports":[{"stream":"orders","hop":"app","emitter":"0199f0a0-1d2e-4abc-9def-000000000001","number":%d,"sentAt":%q,"state":"RUNNING"}]}`,
		number, at.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// While ClickHouse takes connections and does not answer, whoever asks hears so in time, and afterwards all is as before.
func TestWhileClickHouseHangsEveryCallIsAnsweredInTime(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	gate := testenv.NewGate(t, addr)
	a, err := Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler),
		ClickHouse: store.Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"}, KafkaBrokers: testenv.Kafka(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	report := a.URL() + "/api/v1/reports"
	if got := call(t, "POST", report, reportBody(1, time.Now())); got.status != http.StatusOK {
		t.Fatalf("before: %+v", got)
	}
	second := reportBody(2, time.Now()) // and unchanged whenever it is sent again
	gate.Shut()
	var all sync.WaitGroup
	for _, c := range []struct {
		method, path, body string
		within             time.Duration
	}{
		{"GET", "/readyz", "", 4 * time.Second},
		{"POST", "/api/v1/reports", second, 10 * time.Second},
		{"GET", "/api/v1/streams", "", 10 * time.Second},
		{"GET", "/api/v1/streams/orders/windows", "", 10 * time.Second},
		{"GET", "/api/v1/hours", "", 10 * time.Second},
		{"GET", "/api/v1/uids/order-1", "", 10 * time.Second},
		{"GET", "/api/v1/quarantine", "", 10 * time.Second},
		{"GET", "/api/v1/stream", "", 10 * time.Second},
		{"PUT", "/api/v1/streams/orders", `{"owner":"growth"}`, 10 * time.Second},
		{"PUT", "/api/v1/streams/clicks", `{"owner":"growth"}`, 10 * time.Second},
	} {
		all.Go(func() {
			got := call(t, c.method, a.URL()+c.path, c.body)
			if got.status != http.StatusServiceUnavailable || got.retry == "" || !strings.Contains(got.detail, "store") || got.after > c.within+5*time.Second { // this machine may be busy
				t.Errorf("%s %s: %+v; want 503 within %s", c.method, c.path, got, c.within)
			}
		})
	}
	all.Go(func() {
		if got := call(t, "GET", a.URL()+"/api/v1/status", ""); got.status != http.StatusOK || got.after > 15*time.Second {
			t.Errorf("status: %+v", got)
		}
	})
	all.Wait()
	gate.Open()
	wait(t, "a report is taken again", func() bool { return call(t, "POST", report, second).status == http.StatusOK })
	for _, path := range []string{"/readyz", "/api/v1/streams/orders", "/api/v1/hours"} {
		if got := call(t, "GET", a.URL()+path, ""); got.status != http.StatusOK {
			t.Errorf("afterwards %s: %+v", path, got)
		}
	}
}

// wait looks ten times a second whether something became true.
func wait(t *testing.T, what string, good func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(time.Minute), time.NewTicker(100*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !good() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited a minute in vain until %s", what)
		}
	}
}
