package inspector

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// hanging is an auditor over a store that hangs: it answers when its gate opens, or when it is given up.
type hanging struct {
	*auditor
	gate chan struct{}
}

func (h *hanging) Streams(ctx context.Context, now time.Time) ([]store.StreamInfo, error) {
	select {
	case <-h.gate:
		return h.auditor.Streams(ctx, now)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hangingStore hangs on what settings are read from.
type hangingStore struct {
	*memory
	gate, entered chan struct{}
}

func (h *hangingStore) Settings(ctx context.Context, streams []string) (map[string]store.Settings, error) {
	h.entered <- struct{}{}
	select {
	case <-h.gate:
		return h.memory.Settings(ctx, streams)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestACallIsGivenUpSoonWhereTheStoreDoesNotEvenAnswerAPing(t *testing.T) {
	hung := &hanging{gate: make(chan struct{})}
	f := newFixture(t, func(d *Deps, c *Config) {
		hung.auditor = d.Auditor.(*auditor)
		d.Auditor = hung
		c.Patience, c.QueryTimeout = 50*time.Millisecond, time.Minute
	})
	f.store.err = store.ErrAway
	for _, path := range []string{"/api/v1/streams", "/api/v1/stream"} {
		begin := time.Now()
		w := f.ask("GET", path, "")
		wantProblem(t, w, http.StatusServiceUnavailable, "cannot be reached")
		if took := time.Since(begin); took > 20*time.Second || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: answered after %s, Retry-After %q", path, took, w.Header().Get("Retry-After"))
		}
	}
}

func TestACallThatOnlyTakesLongIsAnsweredWhereTheStoreIsThere(t *testing.T) {
	hung := &hanging{gate: make(chan struct{})}
	pinged := make(chan struct{}, 1)
	f := newFixture(t, func(d *Deps, c *Config) {
		hung.auditor = d.Auditor.(*auditor)
		d.Auditor = hung
		d.Store = &pinging{d.Store.(*memory), pinged}
		c.Patience, c.QueryTimeout = time.Millisecond, time.Minute
	})
	go func() {
		<-pinged
		close(hung.gate)
	}()
	if page := read[api.Page[api.Stream]](f, "/api/v1/streams"); len(page.Items) != 1 {
		t.Errorf("%+v", page)
	}
}

// pinging tells when it was asked whether it is there.
type pinging struct {
	*memory
	pinged chan struct{}
}

func (p *pinging) Ping(ctx context.Context) error {
	p.pinged <- struct{}{}
	return p.memory.Ping(ctx)
}

func TestACallThatTakesTooLongSaysSo(t *testing.T) {
	hung := &hanging{gate: make(chan struct{})}
	f := newFixture(t, func(d *Deps, c *Config) {
		hung.auditor = d.Auditor.(*auditor)
		d.Auditor = hung
		c.QueryTimeout = 50 * time.Millisecond
	})
	wantProblem(t, f.ask("GET", "/api/v1/streams", ""), http.StatusGatewayTimeout, "50ms")
}

// Changes of settings wait for each other, and no longer than a call may take.
func TestAChangeOfSettingsDoesNotWaitForEverForOneThatHangs(t *testing.T) {
	hung := &hangingStore{gate: make(chan struct{}), entered: make(chan struct{}, 10)}
	f := newFixture(t, func(d *Deps, c *Config) {
		hung.memory = d.Store.(*memory)
		d.Store = hung
		c.QueryTimeout = time.Minute
	})
	put := func() *httptest.ResponseRecorder {
		return f.ask("PUT", "/api/v1/streams/orders", `{}`, "Content-Type", "application/json")
	}
	first := make(chan *httptest.ResponseRecorder, 1)
	go func() { first <- put() }()
	<-hung.entered // and has its minute
	f.config.QueryTimeout = 200 * time.Millisecond
	wantProblem(t, put(), http.StatusGatewayTimeout, "did not answer")
	close(hung.gate)
	if w := <-first; w.Code != http.StatusOK {
		t.Fatalf("the first change: %d %s", w.Code, w.Body)
	}
	if w := put(); w.Code != http.StatusOK {
		t.Fatalf("a change after it: %d %s", w.Code, w.Body)
	}
}
