package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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
	says = `{"accepted":1,"errors":[{"path":"samples[1].window","message":"too old"}]}`
	var partly *PartlyError
	if err := transport.SendSamples(context.Background(), []wire.Sample{want, want}); !errors.As(err, &partly) || partly.Accepted != 1 || !strings.Contains(partly.Detail, "samples[1].window: too old") {
		t.Errorf("of two samples one is taken: %v", err)
	}
	status = http.StatusForbidden
	if err := sendError(transport.SendSamples(context.Background(), nil)); !err.Permanent {
		t.Errorf("an answer 403 is told as %v", err)
	}
}

// An event that comes twice is one event; the one of its outcomes that counts is the first.
func TestARedeliveredEventIsTalliedOnce(t *testing.T) {
	now := time.Now()
	src := newID(now)
	good, bad := SchemaTally{ID: "orders", Outcome: "OK"}, SchemaTally{ID: "orders", Outcome: "INVALID", Reason: "breaks type"}
	foreign := Header{UID: newID(now), ProducedAt: now, Checksum: 7}
	for name, tell := range map[string]func(h *Hop){
		"one call":                   func(h *Hop) { h.ObserveChecked(event(src, 0, now), 7, 10, now, good) },
		"one call, of a foreign UID": func(h *Hop) { h.ObserveChecked(foreign, 7, 10, now, good) },
		"two calls": func(h *Hop) {
			h.Observe(event(src, 0, now), 7, 10, now)
			h.Schema(event(src, 0, now), good)
		},
		"the outcome first": func(h *Hop) {
			h.Schema(foreign, good)
			h.Observe(foreign, 7, 10, now)
		},
		"found invalid later": func(h *Hop) {
			h.ObserveChecked(event(src, 0, now), 7, 10, now, good)
			h.Schema(event(src, 0, now), bad)
		},
	} {
		h := mustHop(t, HopConfig{Transport: discard{}})
		tell(h)
		first := sealed(t, h)
		tell(h)
		second := sealed(t, h)
		for _, w := range []wire.Window{first, second} {
			if len(w.Schemas) != 1 || w.Schemas[0].Count != 1 || w.Schemas[0].Outcome != "OK" {
				t.Errorf("%s: %+v", name, w.Schemas)
			}
		}
	}
}

// TestAsManyOutcomesAreTalliedAsEventsWereChecked tells outcomes in any order, one by one and in runs, observed or not, with reports between.
func TestAsManyOutcomesAreTalliedAsEventsWereChecked(t *testing.T) {
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		h := mustHop(t, HopConfig{Transport: discard{}})
		src := newID(now)
		checked, invalid := map[uint32]bool{}, map[uint32]bool{}
		outcomes := rapid.SampledFrom([]string{"OK", "INVALID", "UNDECODABLE", "DEPRECATED", "UNKNOWN_SCHEMA"})
		var told wire.Window
		rolled := roaring.New()
		report := func() {
			for _, windows := range h.gather() {
				told = windows[0]
				if len(told.Sources) > 0 && told.Sources[0].Rolls[wire.Invalid] != nil {
					rolled.Or(told.Sources[0].Rolls[wire.Invalid])
				}
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			first, count := rapid.Uint32Range(0, 300).Draw(t, "first"), rapid.IntRange(1, 40).Draw(t, "count")
			one := SchemaTally{ID: "orders", Outcome: outcomes.Draw(t, "outcome")}
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				count = 1
				h.ObserveChecked(event(src, first, now), 7, 10, now, one)
			case 1:
				h.SchemaRun(event(src, first, now), count, one)
			case 2:
				count = 1
				h.Schema(event(src, first, now), one)
			case 3:
				report()
				continue
			}
			for n := first; n < first+uint32(count); n++ {
				checked[n] = true
				invalid[n] = invalid[n] || breaks(one.Outcome)
			}
		}
		report()
		var tallied uint64
		for _, s := range told.Schemas {
			tallied += s.Count
		}
		if tallied != uint64(len(checked)) {
			t.Fatalf("%d tallied of %d", tallied, len(checked))
		}
		for n := range checked {
			if rolled.Contains(n) != invalid[n] {
				t.Fatalf("event %d is invalid: %v, and reported so: %v", n, invalid[n], !invalid[n])
			}
		}
	})
}

func TestReasonsOfSchemasTakeNoRoomFromThoseOfFilters(t *testing.T) {
	h := mustHop(t, HopConfig{Transport: discard{}})
	now := time.Now()
	src := newID(now)
	for n := range uint32(150) {
		h.Schema(event(src, n, now), SchemaTally{ID: "orders", Outcome: "INVALID", Reason: fmt.Sprint("/", n)})
	}
	h.Filter(event(src, 200, now), "rule-7")
	h.Reject(event(src, 201, now), "BUFFER_FULL")
	w := sealed(t, h)
	var named []string
	for _, r := range w.Reasons {
		named = append(named, r.Reason)
	}
	slices.Sort(named)
	if !slices.Equal(named, []string{"BUFFER_FULL", "rule-7"}) || len(w.Schemas) != 101 || h.Stats().Others != 50 {
		t.Errorf("%v, %d tallies of schemas, %d others", named, len(w.Schemas), h.Stats().Others)
	}
}

// BenchmarkSchemaOutcome measures what the outcome of a check, and that together with the latency, adds to observing an event. It observes by
// turns, so that all have the same machine, and gives the medians of the turns of one run and their differences.
func BenchmarkSchemaOutcome(b *testing.B) {
	const turn = 1024 // events observed one way before it is the other's turn
	h := mustHop(b, HopConfig{Transport: discard{}})
	now := time.Now()
	tally := SchemaTally{ID: "orders-value", Version: "3", Outcome: "OK"}
	ways := []struct {
		name string
		tell func(Header, time.Time)
	}{
		{"bare", func(e Header, at time.Time) { h.observeUnmeasured(e, 7, 100, at) }},
		{"latency", func(e Header, at time.Time) { h.Observe(e, 7, 100, at) }},
		{"one-call", func(e Header, at time.Time) { h.ObserveChecked(e, 7, 100, at, tally) }},
		{"two-calls", func(e Header, at time.Time) { h.Observe(e, 7, 100, at); h.Schema(e, tally) }},
	}
	took, next := make([][]time.Duration, len(ways)), uint32(0)
	headers := make([]Header, len(ways))
	for w := range ways {
		headers[w] = event(newID(now), 0, now)
	}
	for b.Loop() {
		for w, way := range ways {
			began := time.Now()
			for n := range uint32(turn) {
				binary.BigEndian.PutUint32(headers[w].UID[12:], next+n)
				way.tell(headers[w], now.Add(time.Duration(n)*time.Millisecond))
			}
			took[w] = append(took[w], time.Since(began))
		}
		next += turn
	}
	per := func(w int) float64 { // of the turns the median, for some were interrupted
		slices.Sort(took[w])
		return float64(took[w][len(took[w])/2]) / turn
	}
	for w, way := range ways {
		b.ReportMetric(per(w), way.name+"-ns/event")
	}
	b.ReportMetric(per(2)-per(0), "both-add-ns/event")
	b.ReportMetric(per(2)-per(1), "outcome-adds-ns/event")
}
