package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// everyShare is held by the one process that there is.
type everyShare struct{}

func (everyShare) Held() []store.Claim {
	all := make([]store.Claim, store.Shares)
	for share := range all {
		all[share].Share = uint32(share)
	}
	return all
}

func (everyShare) Keep(_ context.Context, claims []store.Claim) ([]store.Claim, func(), error) {
	return claims, func() {}, nil
}

var errRefused = errors.New("refused")

// book stands for the network, in a bubble: it writes down what each receiver, known by its host, is sent.
type book struct {
	mu    sync.Mutex
	calls map[string][]call
	fails map[string]bool // it takes nothing
	hangs map[string]bool
}

// call is a request, with the simulated instant.
type call struct {
	at   time.Time
	body []byte
}

func newBook() *book {
	return &book{calls: map[string][]call{}, fails: map[string]bool{}, hangs: map[string]bool{}}
}

func (b *book) RoundTrip(q *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(q.Body)
	b.mu.Lock()
	host := q.URL.Hostname()
	b.calls[host] = append(b.calls[host], call{time.Now(), body})
	fails, hangs := b.fails[host], b.hangs[host]
	b.mu.Unlock()
	if hangs {
		<-q.Context().Done()
		return nil, q.Context().Err()
	}
	if fails {
		return nil, errRefused
	}
	status := http.StatusOK
	if host == "pager" {
		status = http.StatusAccepted
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("ok")), Header: http.Header{}, Request: q}, nil
}

func (b *book) of(host string) []call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]call(nil), b.calls[host]...)
}

func (b *book) set(what map[string]bool, host string, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what[host] = is
}

// texts are the lines that a webhook was sent.
func (b *book) texts(t *testing.T, host string) []string {
	t.Helper()
	var all []string
	for _, c := range b.of(host) {
		all = append(all, eventOf(t, c).Data.Text)
	}
	return all
}

type event struct {
	ID, Type string
	Data     data
}

func eventOf(t *testing.T, c call) (e event) {
	t.Helper()
	if err := json.Unmarshal(c.body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// pages are what PagerDuty was sent, as "action key".
func (b *book) pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, c := range b.of("pager") {
		var e struct {
			Action string `json:"event_action"`
			Key    string `json:"dedup_key"`
		}
		if err := json.Unmarshal(c.body, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Action+" "+e.Key)
	}
	return all
}

var (
	hookReceiver  = Receiver{Name: "hook", Type: Webhook, URL: "https://hook/in"}
	alertReceiver = Receiver{Name: "am", Type: Alertmanager, URL: "https://am"}
)

func pageReceiver(t *testing.T) Receiver {
	return Receiver{Name: "pager", Type: PagerDuty, URL: "https://pager/v2/enqueue", SecretFile: secretFile(t, routing)}
}

// answering starts a notifier in a bubble that calls by the book.
func answering(t *testing.T, m *memory, change func(*Config, *Deps), receivers ...Receiver) (b *book, n *Notifier, stop func()) {
	t.Helper()
	b = newBook()
	c := Config{Receivers: receivers, Page: "https://rollcall.example", Unacked: -1}
	deps := Deps{Store: m, Shares: everyShare{}, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Calls: b}
	if change != nil {
		change(&c, &deps)
	}
	n, err := New(deps, c)
	if err != nil {
		t.Fatal(err)
	}
	n.Start(context.Background())
	return b, n, sync.OnceFunc(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func gaugeOf(t *testing.T, g *prometheus.GaugeVec, labels ...string) float64 {
	t.Helper()
	var m dto.Metric
	if err := g.WithLabelValues(labels...).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetGauge().GetValue()
}

// run is a loss of the windows from minute first to minute last past five, known for a minute.
func run(n byte, first, last int) store.Incident {
	i := loss()
	i.ID, i.First, i.Last = wire.UID{15: n}, five.Add(time.Duration(first)*time.Minute), five.Add(time.Duration(last)*time.Minute)
	i.OpenedAt = time.Now().Add(-time.Minute)
	i.Since = i.OpenedAt
	i.FirstBad, i.Windows, i.Bad = i.First, uint32(last-first+1), uint32(last-first+1)
	i.Events, i.Lost, i.Version = uint64(10*i.Bad), uint64(10*i.Bad), uint64(n)
	i.Text = "[LOSS] run " + i.ID.String()[35:]
	return i
}

// ended is an incident that is over since an instant.
func ended(i store.Incident, since time.Time) store.Incident {
	i.Bad, i.Lost, i.Events, i.Since, i.Version = 0, 0, 0, since, i.Version+100
	i.Text = "[RESOLVED] run " + i.ID.String()[35:]
	return i
}

// merge makes an incident a part of another. Its row does not change by that.
func (m *memory) merge(part, into wire.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.incidents[part]
	i.Into = into
	m.incidents[part] = i
}
