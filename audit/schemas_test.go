package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// sealed is the only window of what the hop reports next.
func sealed(t *testing.T, h *Hop) wire.Window {
	t.Helper()
	for _, windows := range h.gather() {
		if len(windows) == 1 {
			return windows[0]
		}
	}
	t.Fatal("the hop does not report one window")
	return wire.Window{}
}

func TestEachSchemaOutcomeIsCountedAndOnlyBadOnesMakeAnEventInvalid(t *testing.T) {
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	src := newID(now)
	good := SchemaTally{ID: "orders", Version: "3", Outcome: "OK"}
	old := SchemaTally{ID: "orders", Version: "2", Outcome: "DEPRECATED"}
	bad := SchemaTally{ID: "orders", Version: "3", Outcome: "INVALID", Reason: "/amount: expected number, got string"}
	h.ObserveRun(event(src, 0, now), make([]uint32, 10), now)
	for n, tally := range []SchemaTally{good, bad, good, old, good} {
		h.Schema(event(src, uint32(n), now), tally)
	}
	h.SchemaRun(event(src, 5, now), 2, good)
	h.Schema(event(src, 7, now), SchemaTally{ID: "orders", Outcome: "UNKNOWN_SCHEMA", Reason: "registry away"}) // which breaks no event
	h.SchemaRun(event(src, 8, now), 2, bad)

	w := sealed(t, h)
	got := make(map[string]uint64)
	for _, s := range w.Schemas {
		got[s.Version+s.Outcome+s.Reason] = s.Count
	}
	want := map[string]uint64{"3OK": 5, "2DEPRECATED": 1, "UNKNOWN_SCHEMAregistry away": 1, "3INVALID" + bad.Reason: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint32{1, 8, 9}, w.Sources[0].Rolls[wire.Invalid].ToArray()); diff != "" {
		t.Error("the invalid events:", diff)
	}
}

func TestSchemaOutcomesOfASecondReportIncludeThoseOfTheFirst(t *testing.T) {
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	src := newID(now)
	for n := range uint32(2) {
		h.Observe(event(src, n, now), 7, 10, now)
		h.Schema(event(src, n, now), SchemaTally{ID: "orders", Outcome: "OK"})
		if got := sealed(t, h).Schemas[0].Count; got != uint64(n+1) {
			t.Fatalf("report %d counts %d events", n+1, got)
		}
	}
}

func TestASampleSaysWhatTheHopKnowsOfTheEvent(t *testing.T) {
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Host: "web-17", Transport: discard{}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 5, 10, 7, 0, time.UTC)
	e := event(newID(at), 4, at.Add(-50*time.Second))
	want := wire.Sample{
		Stream: "orders", Hop: "sink", Emitter: h.Emitter(), Host: "web-17",
		Window: time.Date(2026, 11, 22, 5, 9, 0, 0, time.UTC), Seconds: 60, At: at, UID: e.UID.String(),
	}
	if diff := cmp.Diff(want, h.Sample(e, at)); diff != "" {
		t.Error(diff)
	}
}

func TestSamplesAreSentAsJSONWithTheTokenAndARefusalIsTold(t *testing.T) {
	var got wire.SampleBatch
	status, says := http.StatusOK, `{"accepted":1}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/samples" || r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.URL.Path, r.Header)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, says)
	}))
	defer server.Close()
	transport, err := NewHTTPTransport(HTTPConfig{URL: server.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Sample{Stream: "orders", Outcome: "INVALID", Payload: `{"amount":"string(3)"}`}
	if err := transport.SendSamples(context.Background(), []wire.Sample{want}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]wire.Sample{want}, got.Samples); diff != "" {
		t.Error(diff)
	}
	says = "welcome"
	if err := transport.SendSamples(context.Background(), []wire.Sample{want}); err == nil {
		t.Error("a proxy's page is taken for an answer")
	}
	status = http.StatusForbidden
	if err := sendError(transport.SendSamples(context.Background(), nil)); !err.Permanent {
		t.Errorf("an answer 403 is told as %v", err)
	}
}

// BenchmarkSchemaOutcome observes events, without and with the outcome of a check.
func BenchmarkSchemaOutcome(b *testing.B) {
	for _, name := range []string{"observe", "observe and outcome"} {
		b.Run(name, func(b *testing.B) {
			h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
			if err != nil {
				b.Fatal(err)
			}
			now := time.Now()
			e := event(newID(now), 0, now)
			tally := SchemaTally{ID: "orders-value", Version: "3", Outcome: "OK"}
			var n uint32
			for b.Loop() {
				binary.BigEndian.PutUint32(e.UID[12:], n)
				n++
				h.Observe(e, 7, 100, now)
				if name != "observe" {
					h.Schema(e, tally)
				}
			}
		})
	}
}
