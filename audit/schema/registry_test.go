package schema

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"pgregory.net/rapid"
)

func registry(t *testing.T, cfg RegistryConfig) *Registry {
	t.Helper()
	r, err := NewRegistry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// framed is a payload with an id in front.
func framed(id uint32, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), body...)
}

// examine checks an event until its outcome is not for want of an answer.
func examine(t *testing.T, r *Registry, e Event) Result {
	t.Helper()
	c, err := New(Config{Source: r})
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		out := c.Examine(e)
		if out.Reason != whyAway && out.Reason != whyBusy && out.Reason != whyEarly {
			return out
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(out)
		}
	}
}

func TestSchemasOfARegistryAreFoundInAllFormsAndFormats(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	fake.SeedSchema("lines", 1, 1, sr.Schema{Type: sr.TypeJSON, Schema: lineJSON})
	ref := strings.ReplaceAll(orderJSON, "../lines/1.json", "lines.json")
	fake.SeedSchema("orders-value", 4, 2, sr.Schema{
		Type: sr.TypeJSON, Schema: ref, References: []sr.SchemaReference{{Name: "lines.json", Subject: "lines", Version: 1}},
	})
	fake.SeedSchema("payments-value", 1, 3, sr.Schema{Schema: orderAvro})
	fake.SeedSchema("lines-proto", 1, 4, sr.Schema{Type: sr.TypeProtobuf, Schema: lineProto})
	fake.SeedSchema("proto-value", 1, 5, sr.Schema{
		Type: sr.TypeProtobuf, Schema: orderProto,
		References: []sr.SchemaReference{{Name: "lines/1.proto", Subject: "lines-proto", Version: 1}},
	})
	fake.SeedSchema("bad-value", 1, 6, sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"strange"}`})
	known, _ := fake.GetSchema("payments-value", 1)
	guid, err := hex.DecodeString(strings.ReplaceAll(known.GUID, "-", ""))
	if err != nil || len(guid) != 16 {
		t.Fatalf("the fake gives GUID %q", known.GUID)
	}
	r := registry(t, RegistryConfig{URLs: []string{fake.URL()}})
	order := []byte{14, 0, 0, 0}
	for _, test := range []struct {
		payload, header []byte
		want            string
	}{
		{framed(2, []byte(`{"id":7,"lines":[{"amount":1}]}`)...), nil, "OK orders-value@4"},
		{framed(2, []byte(`{"id":7,"lines":[{"amount":-1}]}`)...), nil, "INVALID orders-value@4 /lines/*/amount breaks minimum"},
		{framed(3, order...), nil, "OK payments-value@1"},
		{append(append([]byte{1}, guid...), order...), nil, "OK payments-value@1"},
		{order, append([]byte{1}, guid...), "OK payments-value@1"},
		{order, framed(3), "OK payments-value@1"},
		{framed(5, 0, 8, 7), nil, "OK proto-value@1"},
		{framed(5, 2, 2, 8, 1), nil, "OK proto-value@1"},
		{framed(5, 4, 0, 0, 10, 1, 'x'), nil, "OK proto-value@1"},
		{[]byte{8, 7}, framed(5, 0), "OK proto-value@1"},
		{framed(5, 2, 8), nil, "UNDECODABLE stream@ the message is not in the schema"},
		{framed(6, '1'), nil, "UNKNOWN_SCHEMA stream@ the schema cannot be used"},
		{framed(77, '1'), nil, "UNKNOWN_SCHEMA stream@ no such schema"},
		{[]byte(`{"id":7}`), nil, "UNKNOWN_SCHEMA stream@ the event does not name a schema"},
	} {
		if got := told(examine(t, r, Event{Stream: "stream", Payload: test.payload, Header: test.header})); got != test.want {
			t.Errorf("%x: %s\nwant %s", test.payload, got, test.want)
		}
	}
	s := r.State()
	if s.Away || s.Unknown != 1 || s.Unfit != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASchemaIsAskedForOnceAndWhatIsNotThereAgainAfterAWhile(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	fake.SeedSchema("orders-value", 1, 1, sr.Schema{Type: sr.TypeJSON, Schema: `{}`})
	var asked atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/versions") {
			fake.Handler().ServeHTTP(w, req)
			return
		}
		asked.Add(1)
		fake.Handler().ServeHTTP(w, req)
	}))
	defer front.Close()
	r := registry(t, RegistryConfig{URLs: []string{front.URL}, Wait: time.Minute, AskAgain: 50 * time.Millisecond})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if f := r.Find(Event{Payload: framed(1, '1')}); f.Schema == nil {
				t.Error(f.Reason)
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	for range 10 {
		if f := r.Find(Event{Payload: framed(2, '1')}); f.Reason != whyUnknown {
			t.Error(f.Reason)
		}
	}
	if n := asked.Load(); n > 3 {
		t.Errorf("asked %d times for what is not there", n)
	}
	fake.SeedSchema("orders-value", 2, 2, sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`})
	deadline := time.NewTimer(5 * time.Second)
	for r.Find(Event{Payload: framed(2, '1')}).Schema == nil {
		select {
		case <-deadline.C:
			t.Fatal("a schema that came later is not found")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestARegistryThatHangsHoldsUpOneEventForAMomentAndNoOther(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	r := registry(t, RegistryConfig{URLs: []string{server.URL}, Wait: 3 * time.Second, Timeout: time.Hour, TryAgain: time.Hour})
	c, err := New(Config{Source: r})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 6*time.Second, func() { // one event waits; two would if each new id did
		for id := range uint32(10_000) {
			if got := c.Examine(Event{Stream: "orders", Payload: framed(id, '1')}); got.Outcome != UnknownSchema || got.Reason != whyAway {
				t.Fatal(got)
			}
		}
	})
	if s := r.State(); !s.Away || s.Missed != 10_000 || s.Lookups != 1 {
		t.Errorf("%+v", s)
	}
}

// answering is a registry that has a schema for every id, and does first what it is told to.
func answering(t *testing.T, first func() (status int)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		status := http.StatusNotFound // it does not say of which subject a schema is
		if !strings.HasSuffix(req.URL.Path, "/versions") {
			status = first()
		}
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		w.WriteHeader(status)
		io.WriteString(w, `{"schema":"{}","schemaType":"JSON"}`)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestARegistryThatIsSlowHoldsUpAllEventsTogetherForAMoment(t *testing.T) {
	server := answering(t, func() int { <-time.After(30 * time.Millisecond); return http.StatusOK })
	r := registry(t, RegistryConfig{URLs: []string{server.URL}, Wait: 300 * time.Millisecond})
	c, err := New(Config{Source: r})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() { // 300 s if each waited for its answer
		for id := range uint32(10_000) {
			switch got := c.Examine(Event{Stream: "orders", Payload: framed(id, '1')}); got.Reason {
			case "", whyEarly, whyBusy, whyAway:
			default:
				t.Fatal(got)
			}
		}
	})
	if s := r.State(); s.Early+s.Busy+s.Missed < 9_000 || s.Early == 0 || s.Busy == 0 {
		t.Errorf("%+v", s)
	}
	if got := examine(t, r, Event{Stream: "orders", Payload: framed(20_000, '1')}); got.Outcome != OK {
		t.Error(got)
	}
}

func TestARegistryThatFailedIsNotAskedBeforeTheNextTryIsDueAndSaysWhenItIsBack(t *testing.T) {
	var asked, broken atomic.Int64
	broken.Store(1)
	server := answering(t, func() int {
		asked.Add(1)
		if broken.Load() == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	told := make(chan RegistryState, 10)
	cfg := RegistryConfig{URLs: []string{server.URL}, Wait: time.Minute, TryAgain: time.Hour, OnChange: func(s RegistryState) { told <- s }}
	r := registry(t, cfg)
	for id := range uint32(10_000) {
		if f := r.Find(Event{Payload: framed(id, '1')}); f.Reason != whyAway {
			t.Fatal(f.Reason)
		}
	}
	if s := r.State(); asked.Load() != 1 || s.Lookups != 1 || s.Missed != 10_000 || !strings.Contains(s.String(), "away since 20") {
		t.Errorf("asked %d times: %v", asked.Load(), s)
	}
	broken.Store(0)
	r.mu.Lock()
	r.probe = time.Now()
	r.mu.Unlock()
	if got := examine(t, r, Event{Stream: "orders", Payload: framed(10_001, '1')}); got.Outcome != OK {
		t.Error(got)
	}
	away, there := <-told, <-told
	if !away.Away || away.Error != "it answered 500" || there.Away || there.Answered.IsZero() || len(told) > 0 {
		t.Errorf("told of %+v, then %+v", away, there)
	}
	c, err := New(Config{Source: r})
	if err != nil {
		t.Fatal(err)
	}
	if s := c.State(); s.Registry == nil || s.Registry.Away || s.Registry.Cached != 2 || !strings.Contains(s.Registry.String(), "there, answered last") {
		t.Errorf("the checker says %+v", s.Registry)
	}
}

func TestAnEventThatMayNotWaitSaysNothingOfTheRegistry(t *testing.T) {
	release := make(chan struct{})
	server := answering(t, func() int { <-release; return http.StatusOK })
	r := registry(t, RegistryConfig{URLs: []string{server.URL}, Wait: -1})
	if f := r.Find(Event{Payload: framed(1, '1')}); f.Reason != whyEarly {
		t.Error(f.Reason)
	}
	if s := r.State(); s.Away || s.Early != 1 {
		t.Errorf("%+v", s)
	}
	close(release)
	if got := examine(t, r, Event{Payload: framed(1, '1')}); got.Outcome != OK {
		t.Error(got)
	}
}

// TestPatienceIsBounded lets events begin and end to wait at any times: what they wait altogether is bounded.
func TestPatienceIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := time.Duration(rapid.IntRange(1, 500).Draw(t, "most")) * time.Millisecond
		p := patience{most: most}
		now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
		begun := now
		var until []time.Time // when those that wait lose their patience
		var waited time.Duration
		pass := func(d time.Duration) {
			if len(until) > 0 {
				waited += d
			}
			now = now.Add(d)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(until) > 0 && rapid.Bool().Draw(t, "answered") {
				pass(rapid.SampledFrom([]time.Duration{0, until[0].Sub(now)}).Draw(t, "when"))
				p.end(now)
				until = until[1:]
				continue
			}
			if len(until) == 0 {
				pass(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
			}
			if left := p.begin(now); left > 0 {
				until = append(until, now.Add(left))
			}
		}
		if bound := most + now.Sub(begun)/refill; waited > bound {
			t.Fatalf("events waited %v, more than %v", waited, bound)
		}
	})
}

func TestARegistryThatLiesIsFoundOutAndItsAnswersAreBounded(t *testing.T) {
	answer := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	const kind = "application/vnd.schemaregistry.v1+json"
	guid := append([]byte{1}, bytes.Repeat([]byte{7}, 16)...)
	for name, test := range map[string]struct {
		serve   http.HandlerFunc
		payload []byte
	}{
		"content type": {answer("text/html", `{"schema":"{}","schemaType":"JSON"}`), framed(1)},
		"garbage":      {answer(kind, "\x00garbage"), framed(1)},
		"empty":        {answer(kind, "{}"), framed(1)},
		"wrong GUID":   {answer(kind, `{"guid":"11111111-2222-4333-8444-555555555555","schema":"{}","schemaType":"JSON"}`), guid},
		"wrong id": {func(w http.ResponseWriter, req *http.Request) {
			switch {
			case strings.HasSuffix(req.URL.Path, "/ids/1"):
				answer(kind, `{"schema":"{}","schemaType":"JSON"}`)(w, req)
			case strings.HasSuffix(req.URL.Path, "/ids/1/versions"):
				answer(kind, `[{"subject":"a","version":1}]`)(w, req)
			default:
				answer(kind, `{"subject":"a","version":1,"id":2,"schema":"{}","schemaType":"JSON"}`)(w, req)
			}
		}, framed(1)},
		"error 500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", 500) }, framed(1)},
		"100 MB": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
			t.Error("all of 100 MB were read")
		}, framed(1)},
	} {
		server := httptest.NewServer(test.serve)
		r := registry(t, RegistryConfig{URLs: []string{server.URL}, Wait: 5 * time.Second})
		if f := r.Find(Event{Payload: test.payload}); f.Schema != nil || f.Reason != whyAway {
			t.Errorf("%s: %+v", name, f)
		}
		if s := r.State(); !s.Away || s.Failed != 1 || s.Error == "" || strings.Contains(s.Error, "secret") {
			t.Errorf("%s: %+v", name, s)
		}
		server.Close()
	}
}

func TestNoPasswordIsInWhatARegistrySays(t *testing.T) {
	r := registry(t, RegistryConfig{URLs: []string{"http://user:passw0rd@127.0.0.1:1"}, User: "user", Password: "passw0rd", Wait: 5 * time.Second})
	if f := r.Find(Event{Payload: framed(1)}); f.Reason != whyAway {
		t.Error(f)
	}
	if s := r.State(); s.Error == "" || strings.Contains(s.Error, "passw0rd") {
		t.Errorf("%+v", s)
	}
	if _, err := NewRegistry(RegistryConfig{URLs: []string{"127.0.0.1:passw0rd"}}); err == nil || strings.Contains(err.Error(), "passw0rd") {
		t.Error(err)
	}
}
