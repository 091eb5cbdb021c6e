package inspector

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// feed is a source of changes that a test publishes.
type feed struct {
	mu         sync.Mutex
	changes    chan store.Changes
	subscribed chan struct{} // one value for each subscription
}

func newFeed() *feed { return &feed{subscribed: make(chan struct{}, 10)} }

func (f *feed) Subscribe() (<-chan store.Changes, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = make(chan store.Changes)
	f.subscribed <- struct{}{}
	return f.changes, func() {}
}

func (f *feed) publish(lost uint64) {
	v := store.Verdict{Stream: "orders", Start: testStart, Edge: appAgent, State: store.Incomplete}
	v.Lost = lost
	f.tell(store.Changes{Verdicts: []store.Verdict{v}})
}

func (f *feed) tell(changed store.Changes) {
	f.mu.Lock()
	changes := f.changes
	f.mu.Unlock()
	changes <- changed
}

func (f *feed) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changes)
}

// reading is one live stream as its reader sees it.
type reading struct {
	t      *testing.T
	lines  *bufio.Scanner
	answer *http.Response
	stop   context.CancelFunc
}

func listen(t *testing.T, url, last string, header ...string) *reading {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return follow(t, &http.Client{}, r, stop) // the context bounds it: a stream outlives any timeout
}

func follow(t *testing.T, client *http.Client, r *http.Request, stop context.CancelFunc) *reading {
	t.Helper()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &reading{t, lines, answer, stop}
}

// next returns the next event; ok is false at the end of the stream.
func (r *reading) next() (e api.Event, ok bool) {
	for r.lines.Scan() {
		key, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch {
		case key == "event":
			e.Type = value
		case key == "id":
			e.ID = value
		case key == "data":
			e.Data = json.RawMessage(value)
		case key == "" && e.Type != "":
			return e, true
		}
	}
	return e, false
}

// want returns the next event that is no heartbeat and holds that it is of the type.
func (r *reading) want(kind string) api.Event {
	r.t.Helper()
	for {
		e, ok := r.next()
		if !ok {
			r.t.Fatalf("the stream ended before %s: %v", kind, r.lines.Err())
		}
		if e.Type == "heartbeat" && kind != "heartbeat" {
			continue
		}
		if e.Type != kind {
			r.t.Fatalf("event %s %s; want %s", e.Type, e.Data, kind)
		}
		return e
	}
}

func lostIn(t *testing.T, e api.Event) []uint64 {
	t.Helper()
	var p api.Page[api.Window]
	if err := json.Unmarshal(e.Data, &p); err != nil {
		t.Fatal(err)
	}
	return rows(p.Items, func(w api.Window) uint64 { return w.Lost })
}

func serve(t *testing.T, changes *feed, change ...func(*Deps, *Config)) (*fixture, string) {
	t.Helper()
	f := newFixture(t, append(change, func(d *Deps, _ *Config) { d.Feed = changes })...)
	server := httptest.NewUnstartedServer(f.Handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = 150*time.Millisecond, 150*time.Millisecond // shorter than any stream here lives
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = f.Stop(context.Background()) })
	<-changes.subscribed
	return f, server.URL
}

func TestALiveStreamBeginsWithASnapshotAndTellsChanges(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes)
	r := listen(t, url, "")
	if got := r.answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	var snapshot api.Snapshot
	if err := json.Unmarshal(r.want("snapshot").Data, &snapshot); err != nil || len(snapshot.Streams) != 1 || snapshot.Streams[0].Stream != "orders" {
		t.Fatalf("%v %+v", err, snapshot)
	}
	changes.publish(7)
	if d := cmp.Diff([]uint64{7}, lostIn(t, r.want("verdicts"))); d != "" {
		t.Error(d)
	}
}

func TestALiveStreamOutlivesTheServersTimeouts(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes, func(_ *Deps, c *Config) { c.Heartbeat = 50 * time.Millisecond })
	r := listen(t, url, "")
	r.want("snapshot")
	for begin := time.Now(); time.Since(begin) < 500*time.Millisecond; {
		r.want("heartbeat")
	}
}

func TestALiveStreamOutlivesTheServersTimeoutsOverHTTP2Too(t *testing.T) {
	f := newFixture(t, func(d *Deps, c *Config) { d.Feed, c.Heartbeat = newFeed(), 50*time.Millisecond })
	server := httptest.NewUnstartedServer(f.Handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = 150*time.Millisecond, 150*time.Millisecond
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = f.Stop(context.Background()) })
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	live := follow(t, server.Client(), r, stop)
	if live.answer.ProtoMajor != 2 {
		t.Fatalf("it is read over %s", live.answer.Proto)
	}
	live.want("snapshot")
	for begin := time.Now(); time.Since(begin) < 500*time.Millisecond; {
		live.want("heartbeat")
	}
}

func TestAReaderThatComesBackMissesNothingAndHearsNothingTwice(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes)
	r := listen(t, url, "")
	last := r.want("snapshot").ID
	changes.publish(1)
	changes.publish(2)
	id := r.want("verdicts").ID
	r.want("verdicts")
	r.stop()
	again := listen(t, url, id)
	if d := cmp.Diff([]uint64{2}, lostIn(t, again.want("verdicts"))); d != "" {
		t.Error(d)
	}
	all := listen(t, url, last)
	if d := cmp.Diff([]uint64{1}, lostIn(t, all.want("verdicts"))); d != "" {
		t.Error(d)
	}
	listen(t, url, "otherrun-1").want("snapshot")
	listen(t, url, "nonsense").want("snapshot")
}

func TestReadersBeginAnewWhenTheFeedDroppedUs(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes)
	r := listen(t, url, "")
	id := r.want("snapshot").ID
	changes.drop()
	<-changes.subscribed
	if e, ok := r.next(); ok {
		t.Fatalf("the stream went on with %s although changes may have been missed", e.Type)
	}
	listen(t, url, id).want("snapshot")
}

func TestTooManyReadersAreTurnedAway(t *testing.T) {
	changes := newFeed()
	f, url := serve(t, changes, func(_ *Deps, c *Config) { c.Subscribers = 1 })
	listen(t, url, "").want("snapshot")
	w := f.ask("GET", "/api/v1/stream", "")
	wantProblem(t, w, http.StatusServiceUnavailable, "too many live streams")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestStopEndsLiveStreamsAndTakesNoNewOnes(t *testing.T) {
	changes := newFeed()
	f, url := serve(t, changes)
	r := listen(t, url, "")
	r.want("snapshot")
	if err := f.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e, ok := r.next(); ok {
		t.Errorf("the stream went on with %s", e.Type)
	}
	wantProblem(t, f.ask("GET", "/api/v1/stream", ""), http.StatusServiceUnavailable, "stopping")
}

func TestASlowReaderIsDroppedAndNobodyWaitsForIt(t *testing.T) {
	dropped := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
	h := newHub(nil, nil, 10, testNow, dropped)
	r, _, _, _, err := h.join("")
	if err != nil {
		t.Fatal(err)
	}
	for range readerQueue + 1 {
		h.publish([]store.Verdict{{}})
	}
	got := 0
	for range r.events {
		got++
	}
	if got != readerQueue || len(h.readers) != 0 {
		t.Errorf("%d events, %d readers left", got, len(h.readers))
	}
	h.leave(r) // must not close twice
}

func TestTheRingForgetsWhatIsTooLongAgo(t *testing.T) {
	h := newHub(nil, nil, 10, testNow, prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}))
	first := h.id(0)
	for range hubRing {
		h.publish([]store.Verdict{{}})
	}
	if missed, ok := h.since(first); !ok || len(missed) != hubRing {
		t.Errorf("%d events kept, %v", len(missed), ok)
	}
	h.publish([]store.Verdict{{}})
	if _, ok := h.since(first); ok {
		t.Error("an event is gone and the reader is not told")
	}
}

func TestALiveStreamTellsEachEntryOfAChainAndResumesAmongThem(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes)
	r := listen(t, url, "")
	r.want("snapshot")
	entries := rows(certified(), func(c store.HourCertificate) store.Certificate { return c.Certificate })
	entries[1].Reason = "2 came late"
	changes.tell(store.Changes{Certificates: entries[:2]})
	changes.publish(1)
	var got [2]api.CertificateEvent
	first := r.want("certificate")
	for i, e := range []api.Event{first, r.want("certificate")} {
		if err := json.Unmarshal(e.Data, &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	want := [2]api.CertificateEvent{
		{Stream: "orders", Hour: "2026-11-22T04", Number: 1, Action: "certify", By: "anna", IssuedAt: testNow, Standing: "certified"},
		{Stream: "orders", Hour: "2026-11-22T04", Number: 3, Action: "revoke", Reason: "2 came late", By: "anna", IssuedAt: testNow, Standing: "revoked"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.want("verdicts")
	r.stop()
	again := listen(t, url, first.ID)
	if e := again.want("certificate"); !strings.Contains(string(e.Data), `"number":3`) {
		t.Errorf("%s", e.Data)
	}
}

func TestALiveStreamTellsThatAWatermarkSteppedBackAndResumesThere(t *testing.T) {
	changes := newFeed()
	_, url := serve(t, changes)
	r := listen(t, url, "")
	last := r.want("snapshot").ID
	changes.tell(store.Changes{Back: []store.WatermarkMove{{
		Stream: "orders", At: testNow, Watermark: testStart, Previous: testStart.Add(time.Hour), Reason: "late-data",
		Blocked: &store.Blocked{Start: testStart, Edge: appAgent, State: store.Incomplete, Reasons: []store.Reason{{Code: "lost", Text: "3 are lost"}}},
	}}})
	told := r.want("watermark")
	var got api.WatermarkEvent
	if err := json.Unmarshal(told.Data, &got); err != nil {
		t.Fatal(err)
	}
	previous := testStart.Add(time.Hour)
	want := api.WatermarkEvent{Stream: "orders", WatermarkMove: api.WatermarkMove{
		At: testNow, Watermark: testStart, Previous: &previous, Back: true, Reason: "late-data",
		BlockedBy: &api.Blocked{Window: testStart, Edge: "app..agent", State: "incomplete", Reasons: []api.Reason{{Code: "lost", Text: "3 are lost"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	changes.publish(1)
	r.want("verdicts")
	r.stop()
	again := listen(t, url, last)
	if e := again.want("watermark"); e.ID != told.ID {
		t.Errorf("event %s came as %s", told.ID, e.ID)
	}
	again.want("verdicts")
}
