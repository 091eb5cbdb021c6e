package chain

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const stream = "orders"

var firstHour = certificate.HourOf(time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC))

// field is a broker with the topic, and a store.
type field struct {
	t       *testing.T
	brokers []string
	store   *store.Store
	key     *certificate.Key
	client  *kgo.Client // of somebody who may write to the topic
}

func newField(t *testing.T, brokers []string) *field {
	t.Helper()
	if err := EnsureTopic(t.Context(), brokers, Topic); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &field{t, brokers, newStore(t), makeKey(t), client}
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s
}

func makeKey(t *testing.T) *certificate.Key {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := certificate.NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	k.Private = private
	return &k
}

func keysOf(keys ...*certificate.Key) *certificate.Keys {
	k := &certificate.Keys{Distrusted: map[certificate.Hash]bool{}}
	for _, one := range keys {
		k.All = append(k.All, *one)
	}
	return k
}

// server is a chain that runs on the field.
func (f *field) server(s Store, opts ...kgo.Opt) *Chain {
	f.t.Helper()
	return f.start(s, func() *certificate.Keys { return keysOf(f.key) }, opts...)
}

func (f *field) start(s Store, keys func() *certificate.Keys, opts ...kgo.Opt) *Chain {
	f.t.Helper()
	config := Config{Brokers: f.brokers, Opts: append(opts, kgo.FetchMaxWait(250*time.Millisecond)), Pause: 50 * time.Millisecond, Patience: time.Minute}
	c, err := New(s, keys, config, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.stop(c) })
	return c
}

func (f *field) stop(c *Chain) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		f.t.Error(err)
	}
}

// content is what is certified of the nth hour.
func content(hour int, by string) certificate.Content {
	return certificate.Content{
		Stream: stream, Hour: certificate.Hour{Time: firstHour.Add(time.Duration(hour) * time.Hour)}, Action: certificate.Certify,
		IssuedAt: time.Now(), IssuedBy: by, Hops: []certificate.Hop{{Hop: "app", Events: 1}},
	}
}

// sign makes the entry after a head.
func (f *field) sign(head certificate.Head, hour int, by string) []byte {
	f.t.Helper()
	text, err := certificate.Sign(head.Next(content(hour, by)), f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// issue appends the certificate of an hour.
func (f *field) issue(c *Chain, hour int, by string) (*certificate.Entry, error) {
	return c.Append(f.t.Context(), stream, func(head certificate.Head) ([]byte, error) {
		return certificate.Sign(head.Next(content(hour, by)), f.key)
	})
}

// put writes a record as anybody could who may write to the topic.
func (f *field) put(partition int32, key string, value []byte) {
	f.t.Helper()
	err := f.client.ProduceSync(f.t.Context(), &kgo.Record{Topic: Topic, Partition: partition, Key: []byte(key), Value: value}).FirstErr()
	if err != nil {
		f.t.Fatal(err)
	}
}

// topic reads all records of the stream by a server, page by page, and returns the entries that count.
func (f *field) topic(c *Chain, limit int) []*certificate.Entry {
	f.t.Helper()
	var head certificate.Head
	var entries []*certificate.Entry
	for from := int64(0); from >= 0; {
		records, next, err := c.Read(f.t.Context(), stream, from, limit)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range records {
			e, after, refused := head.Accept(stream, r.Value, keysOf(f.key))
			if refused == nil {
				entries, head = append(entries, e), after
			}
		}
		from = next
	}
	return entries
}

// copied is the chain of the stream in a store.
func copied(t *testing.T, s *store.Store) []store.Certificate {
	t.Helper()
	all, err := s.CertificateChain(t.Context(), stream, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same holds that the store has exactly the entries that count in the topic, and that they are one chain of so many.
func (f *field) same(c *Chain, s *store.Store, want int) {
	f.t.Helper()
	entries, rows := f.topic(c, 7), copied(f.t, s)
	if len(entries) != want || len(rows) != want {
		f.t.Fatalf("%d entries count in the topic and %d are in the store; want %d", len(entries), len(rows), want)
	}
	for i, e := range entries {
		if rows[i].Number != e.Number || rows[i].Hash != e.Hash || string(rows[i].Envelope) != string(e.Envelope) || e.Number != uint64(i+1) {
			f.t.Errorf("entry %d: number %d in the store, %d in the topic, hash %x and %s", i, rows[i].Number, e.Number, rows[i].Hash, e.Hash)
		}
	}
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(20*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited too long: %s", what)
		}
	}
}

func valueOf(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	if d.Counter != nil {
		return d.Counter.GetValue()
	}
	return d.Gauge.GetValue()
}
