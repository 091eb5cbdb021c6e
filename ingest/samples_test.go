package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// sampleOf is a sample of a stream; n tells its event from others.
func sampleOf(stream, reason string, n int) wire.Sample {
	return wire.Sample{
		Stream: stream, Hop: "agent", Emitter: wire.UID{0: 1, 15: 9}, Host: "web-17", Window: testNow.Truncate(time.Minute), Seconds: 60, At: testNow,
		UID: fmt.Sprintf("order-%03d", n), Schema: "orders", Version: "7", Outcome: "INVALID", Reason: reason, Path: "/amount", Payload: `{"amount":"<string 4>"}`,
	}
}

func samplesBody(t testing.TB, samples ...wire.Sample) []byte {
	t.Helper()
	body, err := wire.EncodeSamples(wire.SampleBatch{Samples: samples})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// takesSamples is an intake of samples over kept, beside one of reports.
func takesSamples(t *testing.T, kept SampleStore, c SamplesConfig) (*Samples, *Intake) {
	t.Helper()
	in := started(t, newMemory(), Config{Linger: time.Millisecond})
	c.Keep = 40 * 365 * 24 * time.Hour // from testNow: ClickHouse goes by its own clock
	s := NewSamples(in, kept, c)
	s.Start()
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, in
}

func postSamples(s *Samples, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/samples", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// keptOf are the UIDs of the samples of orders that are stored.
func keptOf(t *testing.T, s *store.Store) []string {
	t.Helper()
	found, _, err := s.Samples(context.Background(), store.SampleQuery{
		Stream: "orders", From: testNow.Add(-time.Hour), To: testNow.Add(time.Hour), Now: testNow, Limit: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range found {
		all = append(all, v.UID)
	}
	slices.Sort(all)
	return all
}

func TestSamplesThatAreAcceptedAreInClickHouse(t *testing.T) {
	kept := realStore(t)
	s, in := takesSamples(t, kept, SamplesConfig{})
	wantAccepted(t, postSamples(s, samplesBody(t, sampleOf("orders", "r", 1), sampleOf("orders", "r", 2))), 2)
	wantAccepted(t, postSamples(s, gzipped(t, samplesBody(t, sampleOf("orders", "r", 3))), "Content-Encoding", "gzip"), 1)
	wantAccepted(t, postSamples(s, zstded(t, samplesBody(t, sampleOf("orders", "r", 4))), "Content-Encoding", "zstd"), 1)
	wantAccepted(t, postSamples(s, samplesBody(t, sampleOf("orders", "r", 4))), 1) // the same again
	if got := keptOf(t, kept); !slices.Equal(got, []string{"order-001", "order-002", "order-003", "order-004"}) {
		t.Errorf("stored are %v", got)
	}
	if n := counted(t, in.metrics.samples, viaHTTP); n != 5 {
		t.Errorf("%v samples counted; want 5", n)
	}
	if in.Accepted() != 0 {
		t.Error("samples are counted as reports")
	}
}

func TestAFloodOfSamplesStoresNoMoreThanIsKeptAndCountsTheRest(t *testing.T) {
	kept := realStore(t)
	s, in := takesSamples(t, kept, SamplesConfig{PerReason: 2, PerWindow: 7})
	for round := range 4 {
		var samples []wire.Sample
		for n := range 20 {
			samples = append(samples, sampleOf("orders", fmt.Sprint("reason ", n%4), 100*round+n))
		}
		wantAccepted(t, postSamples(s, samplesBody(t, samples...)), 20)
	}
	if got := keptOf(t, kept); len(got) != 7 {
		t.Errorf("%d samples of the window are stored: %v; want 7", len(got), got)
	}
	notKept := counted(t, in.metrics.samplesNotKept, fullOfReason) + counted(t, in.metrics.samplesNotKept, fullOfWindow)
	if notKept != 80-7 || counted(t, in.metrics.samplesNotKept, fullOfReason) == 0 || counted(t, in.metrics.samplesNotKept, fullOfWindow) == 0 {
		t.Errorf("%v counted as not kept; want 73", notKept)
	}
	other := sampleOf("clicks", "reason 0", 1)
	wantAccepted(t, postSamples(s, samplesBody(t, other)), 1)
	ids, err := kept.SampleIDs(t.Context(), []store.WindowKey{{Stream: "clicks", Start: other.Window}}, testNow)
	if err != nil || len(ids) != 1 {
		t.Errorf("another stream's sample: %v, %v", ids, err)
	}
}

// hears has reports of streams stored, so that they are known.
func hears(t *testing.T, s *store.Store, streams ...string) {
	t.Helper()
	for _, stream := range streams {
		if err := s.Insert(t.Context(), []store.Received{{Report: reportOf(stream, 1, ""), At: testNow}}); err != nil {
			t.Fatal(err)
		}
	}
}

// one is one sample of a kind of its own, which neither its reason nor its window bounds.
func one(stream string, n int) wire.Sample {
	s := sampleOf(stream, fmt.Sprint("reason ", n), n)
	s.Window = s.Window.Add(-time.Duration(n) * time.Minute)
	return s
}

func TestAStreamAllStreamsAndThoseThatNobodyKnowsHaveBoundsByTheHour(t *testing.T) {
	kept := realStore(t)
	hears(t, kept, "orders", "clicks", "returns")
	s, in := takesSamples(t, kept, SamplesConfig{PerStream: 6, Unknown: 4, PerHour: 15})
	notKept := func(reason string) float64 { return counted(t, in.metrics.samplesNotKept, reason) }
	for _, step := range []struct {
		stream  string
		samples int
		kept    uint64
		reason  string
	}{
		{"made-up-1", 3, 3, ""},
		{"made-up-2", 3, 1, fullOfUnknown},
		{"orders", 4, 4, ""},
		{"orders", 4, 2, fullOfStream},
		{"clicks", 4, 4, ""},
		{"returns", 4, 1, fullOfAll},
	} {
		before, start := notKept(step.reason), uint64(0)
		for round := range step.samples { // one request each: what was stored before counts
			if round == 0 {
				start = storedOf(t, kept, step.stream)
			}
			wantAccepted(t, postSamples(s, samplesBody(t, one(step.stream, 100*int(start)+round))), 1)
		}
		if got := storedOf(t, kept, step.stream) - start; got != step.kept {
			t.Errorf("%s: %d of %d are kept; want %d", step.stream, got, step.samples, step.kept)
		}
		if step.reason != "" && notKept(step.reason)-before != float64(step.samples)-float64(step.kept) {
			t.Errorf("%s: %v counted as %s", step.stream, notKept(step.reason)-before, step.reason)
		}
	}
	s.now = func() time.Time { return testNow.Add(time.Hour) }
	wantAccepted(t, postSamples(s, samplesBody(t, one("orders", 5))), 1)
	if got := storedOf(t, kept, "orders"); got != 7 {
		t.Errorf("an hour later there is no room: %d are stored", got)
	}
}

// storedOf is how many samples of a stream are stored.
func storedOf(t *testing.T, s *store.Store, stream string) uint64 {
	t.Helper()
	found, err := s.SampleCounts(t.Context(), nil, testNow.Add(-time.Hour), testNow)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if c.Stream == stream {
			return c.Samples
		}
	}
	return 0
}

func TestOneSampleThatCannotBeDoesNotCostTheOthersTheirPlace(t *testing.T) {
	kept := realStore(t)
	s, in := takesSamples(t, kept, SamplesConfig{})
	old := sampleOf("orders", "r", 2)
	old.Window = old.Window.AddDate(0, 0, -9)
	w := postSamples(s, samplesBody(t, sampleOf("orders", "r", 1), old, sampleOf("orders", "r", 3)))
	var answer struct {
		Accepted int
		Errors   []fault
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if answer.Accepted != 2 || len(answer.Errors) != 1 || answer.Errors[0].Path != "samples[1].window" {
		t.Errorf("%+v", answer)
	}
	if got := keptOf(t, kept); !slices.Equal(got, []string{"order-001", "order-003"}) {
		t.Errorf("stored are %v", got)
	}
	if n := counted(t, in.metrics.samplesNotKept, reasonInvalid); n != 1 {
		t.Errorf("%v counted", n)
	}
	wantProblem(t, postSamples(s, samplesBody(t, old)), http.StatusBadRequest) // nothing of it was taken
	if n := counted(t, in.metrics.samplesNotKept, reasonInvalid); n != 1 {
		t.Errorf("a request that was refused is counted as taken in part: %v", n)
	}
}

func TestLongKeysThatBeginAlikeAreToldApart(t *testing.T) {
	long := strings.Repeat("é", 60)
	a, b := clip([]byte(long+"a")), clip([]byte(long+"b"))
	if a == b || !strings.HasPrefix(a, long[:80]) || len(a) > 130 {
		t.Errorf("%q and %q", a, b)
	}
	if c := clip([]byte("a" + long)); !utf8.ValidString(c) {
		t.Errorf("%q is cut within a character", c)
	}
	if c := clip([]byte("orders")); c != "orders" {
		t.Errorf("%q", c)
	}
}

func TestSamplesThatAreNotTakenAreRefusedWithTheirReason(t *testing.T) {
	s, in := takesSamples(t, realStore(t), SamplesConfig{})
	good := string(samplesBody(t, sampleOf("orders", "r", 1)))
	for _, c := range []struct {
		name, contentType, encoding, body string
		status                            int
		path, reason                      string
	}{
		{"protobuf", "application/protobuf", "", good, 415, "-", reasonMediaType},
		{"brotli", "application/json", "br", good, 415, "-", reasonEncoding},
		{"bomb", "application/json", "gzip", string(gzipped(t, make([]byte, 8<<20))), 413, "-", reasonTooLarge},
		{"too large", "application/json", "", strings.Repeat(" ", wire.MaxSampleBatch+1), 413, "-", reasonTooLarge},
		{"unknown key", "application/json", "", strings.Replace(good, `"hop"`, `"hopp":1,"hop"`, 1), 400, "samples[0].hopp", reasonUnreadable},
		{"escape of a terminal", "application/json", "", strings.Replace(good, "<string 4>", `\u001b[2J`, 1), 400, "samples[0].payload", reasonInvalid},
		{"OK", "application/json", "", strings.Replace(good, `"INVALID"`, `"OK"`, 1), 400, "samples[0].outcome", reasonInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := counted(t, in.metrics.samplesRefused, viaHTTP, c.reason)
			header := []string{"Content-Type", c.contentType}
			if c.encoding != "" {
				header = append(header, "Content-Encoding", c.encoding)
			}
			p := wantProblem(t, postSamples(s, []byte(c.body), header...), c.status)
			if c.path == "-" && len(p.Errors) > 0 || c.path != "-" && (len(p.Errors) != 1 || p.Errors[0].Path != c.path) {
				t.Errorf("faults %+v; want one at %q", p.Errors, c.path)
			}
			if strings.Contains(p.Detail, "reports") {
				t.Errorf("it speaks of reports: %s", p.Detail)
			}
			if after := counted(t, in.metrics.samplesRefused, viaHTTP, c.reason); after != before+1 {
				t.Errorf("counted %v times as %s", after-before, c.reason)
			}
		})
	}
}

// awayStore is a store of samples that cannot be reached.
type awayStore struct{}

func (awayStore) SampleIDs(context.Context, []store.WindowKey, time.Time) ([]store.SampleID, error) {
	return nil, store.ErrAway
}
func (awayStore) SampleCounts(context.Context, []string, time.Time, time.Time) ([]store.SampleCount, error) {
	return nil, store.ErrAway
}
func (awayStore) AddSamples(context.Context, []wire.Sample, time.Time, time.Time) error {
	return store.ErrAway
}

func TestWhileTheStoreIsAwaySamplesAreAnswered503AndReportsGoOn(t *testing.T) {
	s, in := takesSamples(t, awayStore{}, SamplesConfig{})
	w := postSamples(s, samplesBody(t, sampleOf("orders", "r", 1)))
	wantProblem(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" || counted(t, in.metrics.samplesRefused, viaHTTP, reasonAway) != 1 {
		t.Error("no Retry-After, or not counted")
	}
	if counted(t, in.metrics.samples, viaHTTP) != 0 {
		t.Error("counted as taken in")
	}
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
}

func TestSamplesFromKafkaAreStoredAndWhatCannotBeReadIsPutAsideWithoutItsBytes(t *testing.T) {
	_, brokers := broker(t, 1)
	ensure(t, brokers, TopicConfig{Name: SamplesTopic, Partitions: 1, Replication: 1})
	kept := realStore(t)
	s, in := takesSamples(t, kept, SamplesConfig{PerReason: 9})
	old := sampleOf("orders", "r", 6)
	old.Window = old.Window.AddDate(0, 0, -9)
	sent := func(key string, body []byte) *kgo.Record {
		return &kgo.Record{Topic: SamplesTopic, Key: []byte(key), Value: body}
	}
	produce(t, client(t, brokers),
		sent("orders", []byte("4111111111111111")),
		sent("orders", samplesBody(t, sampleOf("orders", "r", 1))),
		sent("clicks", samplesBody(t, sampleOf("orders", "r", 2))),
		&kgo.Record{Topic: SamplesTopic, Key: []byte("orders"), Value: samplesBody(t, sampleOf("orders", "r", 3)),
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/protobuf")}}},
		sent("orders", samplesBody(t, sampleOf("orders", "r", 4))),
		sent("orders", samplesBody(t, sampleOf("orders", "r", 5), old)),
	)
	m := in.Store.(*memory)
	consumer(t, s, brokers, func(c *ConsumerConfig) {
		c.Topic, c.Group, c.LagEvery = SamplesTopic, SamplesGroup, 20*time.Millisecond
	})
	until(t, m, "four records are aside and three samples stored", func() bool { return len(m.quarantined()) == 4 && len(keptOf(t, kept)) == 3 })
	for i, want := range []string{"", "one stream's samples", "application/protobuf", "samples[1].window"} {
		q := m.quarantined()[i]
		if q.Topic != SamplesTopic || len(q.Body) != 0 || q.Reason == "" || !strings.Contains(q.Reason, want) || strings.Contains(q.Reason, "4111") {
			t.Errorf("quarantine holds %+v; want reason %q", q, want)
		}
	}
	for _, label := range []string{reasonUnreadable, reasonMixed, reasonMediaType, reasonInvalid} {
		if counted(t, in.metrics.quarantined, "samples", label) != 1 {
			t.Errorf("not counted as %s", label)
		}
	}
	if counted(t, in.metrics.samples, viaKafka) != 3 || counted(t, in.metrics.samplesNotKept, reasonInvalid) != 1 {
		t.Error("the samples are not counted")
	}
	if s.Quarantined() != 4 || in.Quarantined() != 0 {
		t.Errorf("%d records of samples and %d of reports are counted as aside", s.Quarantined(), in.Quarantined())
	}
	admin := kadm.NewClient(client(t, brokers))
	until(t, m, "all offsets are committed", func() bool {
		offsets, err := admin.FetchOffsets(t.Context(), SamplesGroup)
		at, there := offsets.Lookup(SamplesTopic, 0)
		return err == nil && there && at.At == 6
	})
	until(t, m, "the lag of samples is none", func() bool { return gauge(t, in.metrics.samplesLag) == 0 })
}
