package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// pulse counts heartbeats.
type pulse struct {
	*httptest.Server
	n atomic.Int64
}

func newPulse(t *testing.T) *pulse {
	p := &pulse{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.n.Add(1) }))
	t.Cleanup(p.Close)
	return p
}

// beats waits until more heartbeats came.
func (p *pulse) beats(t *testing.T) {
	t.Helper()
	before := p.n.Load()
	until(t, "heartbeats", func() bool { return p.n.Load() >= before+3 })
}

// stops waits until no heartbeat came for ten times as long as they are apart.
func (p *pulse) stops(t *testing.T) {
	t.Helper()
	last, since := p.n.Load(), time.Now()
	until(t, "the heartbeats to end", func() bool {
		if now := p.n.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
}

func TestHeartbeatsEndWhenTheServerIsKilled(t *testing.T) {
	s, p := newSite(t), newPulse(t)
	s.place.Beat = p.URL
	server := s.start(All)
	p.beats(t)
	server.kill()
	p.stops(t)
}

// While the store is away nothing is judged: heartbeats end and the receivers are told, by a server that cannot write down that it told them.
func TestHeartbeatsEndAndReceiversAreToldWhileTheStoreIsAway(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	gate, p, told := testenv.NewGate(t, addr), newPulse(t), make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct{ Data struct{ Text string } }
		_ = json.Unmarshal(body, &event)
		told <- event.Data.Text
	}))
	defer hook.Close()
	a, err := Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler),
		ClickHouse: store.Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"}, KafkaBrokers: testenv.Kafka(t),
		Limits: Limits{Quarantined: 1},
		Notify: notify.Config{
			Hold: -1, Every: 50 * time.Millisecond, Look: 100 * time.Millisecond, Beat: 100 * time.Millisecond, Timeout: time.Second,
			Receivers: []notify.Receiver{
				{Name: "beat", Type: notify.Heartbeat, URL: p.URL, AllowPrivate: true}, {Name: "oncall", Type: notify.Webhook, URL: hook.URL, AllowPrivate: true},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p.beats(t)
	gate.Shut()
	p.stops(t)
	if got := nextCall(t, told); !strings.HasPrefix(got, "[ROLLCALL] the store does not answer") {
		t.Errorf("told %q", got)
	}
	gate.Open()
	if got := nextCall(t, told); !strings.HasPrefix(got, "[RESOLVED] rollcall") {
		t.Errorf("told %q", got)
	}
	p.beats(t)
	for range 2 { // over the limit of one
		if err := a.store.Quarantine(t.Context(), []store.Quarantined{{ID: uuid.NewString(), At: time.Now(), Reason: "test"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := nextCall(t, told); got != "[ROLLCALL] 2 records could not be read within 5m0s and were put aside, over the limit of 1" {
		t.Errorf("told %q", got)
	}
	p.stops(t)
}

func TestWhatIsOverALimitIsSaidWithTheFigureAndTheLimit(t *testing.T) {
	if got := spaced(1234567) + " " + spaced(12) + " " + spaced(123) + " " + spaced(1000); got != "1 234 567 12 123 1 000" {
		t.Error(got)
	}
	want := Limits{IngestLag: 100_000, ReconcileAge: time.Minute, Quarantined: 10}
	if got := (Limits{}).withDefaults(); got != want {
		t.Errorf("%+v", got)
	}
}

// An age without any pass counts from the start; a lag is read from Kafka.
func TestReportsThatWaitAndStreamsThatNobodyLooksAtAreFaults(t *testing.T) {
	s := newSite(t)
	a := &App{store: s.store, brokers: s.brokers}
	if err := a.watchKafka(); err != nil {
		t.Fatal(err)
	}
	defer a.kafka.Close()
	now := time.Now()
	if says, err := a.reconcileAged(t.Context(), time.Minute, now); says != "" || err != nil {
		t.Errorf("at the start: %q, %v", says, err)
	}
	if says, err := a.reconcileAged(t.Context(), time.Minute, now.Add(-2*time.Minute)); says != "there are streams that were not looked at for 2m0s, over the limit of 1m0s" || err != nil {
		t.Errorf("%q, %v", says, err)
	}
	var passes []store.SharePass
	for share := range uint32(store.Shares) {
		passes = append(passes, store.SharePass{Share: share, At: now})
	}
	if err := s.store.NotePasses(t.Context(), passes); err != nil {
		t.Fatal(err)
	}
	if says, err := a.reconcileAged(t.Context(), time.Minute, now.Add(-time.Hour)); says != "" || err != nil {
		t.Errorf("after a pass: %q, %v", says, err)
	}
	waiting(t, s.brokers, 3)
	for limit, want := range map[int64]string{3: "", 2: "3 reports wait in Kafka to be stored, over the limit of 2"} {
		if says, err := a.ingestLags(t.Context(), limit); says != want || err != nil {
			t.Errorf("limit %d: %q, %v", limit, says, err)
		}
	}
}

// waiting puts records into the topic of reports that nobody reads.
func waiting(t *testing.T, brokers []string, n int) {
	t.Helper()
	if err := ingest.EnsureTopic(t.Context(), brokers, ingest.TopicConfig{}); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(ingest.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range n {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte("orders"), Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
