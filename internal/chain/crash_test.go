package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// failing is a store that refuses what a test says.
type failing struct {
	*store.Store
	refuse atomic.Bool
	held   atomic.Int32
}

var errRefused = fmt.Errorf("%w: the test says so", store.ErrAway)

func (s *failing) AddCertificates(ctx context.Context, entries []store.Certificate) error {
	if len(entries) > 0 && s.refuse.Load() {
		s.held.Add(1)
		return errRefused
	}
	return s.Store.AddCertificates(ctx, entries)
}

// The server dies after the entry is in the topic and before it is in the store: nobody was told that it is issued, and the next one copies it.
func TestAnEntryWhoseServerDiedBeforeItsCopyIsCopiedByTheNext(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	s := &failing{Store: f.store}
	dying := f.server(s)
	if _, err := f.issue(dying, 0, "anna"); err != nil {
		t.Fatal(err)
	}
	s.refuse.Store(true)
	ctx, kill := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := dying.Append(ctx, stream, func(head certificate.Head) ([]byte, error) { return f.sign(head, 1, "anna"), nil })
		ended <- err
	}()
	until(t, "the copy fails", func() bool { return s.held.Load() > 1 })
	if n := valueOf(t, dying.metrics.waiting); n != 1 {
		t.Errorf("%v partitions are told to wait", n)
	}
	kill()
	f.stop(dying)
	if err := <-ended; !errors.Is(err, ErrUncertain) {
		t.Errorf("it was acknowledged, or as if nothing had been written: %v", err)
	}
	if n := len(copied(t, f.store)); n != 1 {
		t.Fatalf("%d entries are copied", n)
	}
	next := f.server(f.store)
	until(t, "it is copied", func() bool { return len(copied(t, f.store)) == 2 })
	if e, err := f.issue(next, 2, "bert"); err != nil || e.Number != 3 {
		t.Errorf("%v, %v", e, err)
	}
	f.same(next, f.store, 3)
}

// The store comes back while the server runs.
func TestCopyingGoesOnWhenTheStoreIsBack(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	s := &failing{Store: f.store}
	c := f.server(s)
	s.refuse.Store(true)
	issued := make(chan error, 1)
	go func() { _, err := f.issue(c, 0, "anna"); issued <- err }()
	until(t, "the copy fails", func() bool { return s.held.Load() > 1 })
	select {
	case err := <-issued:
		t.Fatalf("acknowledged, or given up, before it is copied: %v", err)
	default:
	}
	s.refuse.Store(false)
	if err := <-issued; err != nil {
		t.Fatal(err)
	}
	f.same(c, f.store, 1)
	if n := valueOf(t, c.metrics.waiting); n != 0 {
		t.Errorf("%v partitions are told to wait", n)
	}
}

// cut is a connection that breaks as soon as it has sent a record, once, so that the answer is lost.
type cut struct {
	net.Conn
	armed *atomic.Bool
}

func (c cut) Write(b []byte) (int, error) {
	const produce = 0 // the API key, after four bytes of size
	if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == produce && c.armed.CompareAndSwap(true, false) {
		n, err := c.Conn.Write(b)
		return n, errors.Join(err, c.Conn.(*net.TCPConn).CloseRead())
	}
	return c.Conn.Write(b)
}

func TestAnEntryOfWhichTheAnswerWasLostIsIssuedOnce(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	var armed atomic.Bool
	c := f.server(f.store, kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return cut{conn, &armed}, err
	}))
	for hour := range 3 {
		armed.Store(true)
		if e, err := f.issue(c, hour, "anna"); err != nil || e.Number != uint64(hour+1) {
			t.Fatalf("%v, %v", e, err)
		}
		if armed.Load() {
			t.Fatal("no connection was cut")
		}
	}
	records, _, err := c.Read(t.Context(), stream, 0, 100)
	if err != nil || len(records) != 3 {
		t.Errorf("%d records, %v", len(records), err)
	}
	f.same(c, f.store, 3)
}

// Where the client gave the write up, and it was done all the same, the entry is looked for before another is made.
func TestAnEntryOfWhichNobodyKnowsIsLookedFor(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	c := f.server(f.store)
	a := &attempt{chain: c, reader: c.readers[partitionOf(stream)], stream: stream, make: func(certificate.Head) ([]byte, error) {
		return nil, errors.New("asked for an entry again, though the first one counts")
	}}
	text := f.sign(certificate.Head{}, 0, "anna")
	e, _, refused := certificate.Head{}.Accept(stream, text, keysOf(f.key))
	if refused != nil {
		t.Fatal(refused)
	}
	a.mine = append(a.mine, e)
	if _, err := a.once(t.Context()); !errors.Is(err, ErrUncertain) {
		t.Errorf("while it may still come: %v", err)
	}
	f.put(partitionOf(stream), stream, text)
	if got, err := a.once(t.Context()); err != nil || got == nil || got.Hash != e.Hash {
		t.Errorf("%v, %v", got, err)
	}
	f.same(c, f.store, 1)
}

// While Kafka hangs nothing is acknowledged, and the error says which partition is not read.
func TestNothingIsAcknowledgedWhileKafkaIsAway(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	c := f.server(f.store)
	if _, err := f.issue(c, 0, "anna"); err != nil {
		t.Fatal(err)
	}
	dead, err := New(f.store, func() *certificate.Keys { return keysOf(f.key) }, Config{Brokers: []string{"127.0.0.1:1"}, Patience: 2 * time.Second},
		prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.stop(dead) })
	_, err = f.issue(dead, 1, "anna")
	if err == nil || errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), "Kafka") {
		t.Errorf("without Kafka: %v", err)
	}
	if n := valueOf(t, dead.metrics.appends.WithLabelValues(failed)); n != 1 {
		t.Errorf("%v failures are counted", n)
	}
}

// An entry signed by a key that is not known here may count for others: nothing after it is decided until somebody says what the key is.
func TestAnEntryOfAnUnknownKeyIsWaitedFor(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	stranger := makeKey(t)
	var keys atomic.Pointer[certificate.Keys]
	keys.Store(keysOf(f.key))
	c := f.start(f.store, keys.Load)
	first, err := f.issue(c, 0, "anna")
	if err != nil {
		t.Fatal(err)
	}
	next := certificate.Head{Number: 1, Hash: first.Hash}
	text, err := certificate.Sign(next.Next(content(1, "bert")), stranger)
	if err != nil {
		t.Fatal(err)
	}
	f.put(partitionOf(stream), stream, text)
	until(t, "it waits", func() bool { return valueOf(t, c.metrics.waiting) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = c.Append(ctx, stream, func(head certificate.Head) ([]byte, error) { return f.sign(head, 1, "carl"), nil })
	if err == nil || !strings.Contains(err.Error(), stranger.ID.String()) {
		t.Fatalf("a chain beside that of others, or no word of the key: %v", err)
	}
	keys.Store(keysOf(f.key, stranger))
	e, err := f.issue(c, 2, "carl")
	if err != nil || e.Number != 3 {
		t.Fatalf("%v, %v", e, err)
	}
	if n := valueOf(t, c.metrics.waiting); n != 0 {
		t.Errorf("%v partitions are told to wait", n)
	}

	another := makeKey(t)
	text, err = certificate.Sign(certificate.Head{Number: 3, Hash: e.Hash}.Next(content(3, "dora")), another)
	if err != nil {
		t.Fatal(err)
	}
	f.put(partitionOf(stream), stream, text)
	until(t, "it waits again", func() bool { return valueOf(t, c.metrics.waiting) == 1 })
	distrusting := keysOf(f.key, stranger)
	distrusting.Distrusted[another.ID] = true
	keys.Store(distrusting)
	if e, err := f.issue(c, 3, "carl"); err != nil || e.Number != 4 {
		t.Errorf("%v, %v", e, err)
	}
	if n := valueOf(t, c.metrics.entries.WithLabelValues("key")); n != 1 {
		t.Errorf("%v entries are counted as passed over for their key", n)
	}
}

// Somebody deletes the topic: the store knows that entries are missing, and nothing is issued as if it were the first.
func TestNothingIsIssuedOnATopicThatLacksWhatWasCopied(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	c := f.server(f.store)
	for hour := range 3 {
		if _, err := f.issue(c, hour, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	f.stop(c)
	for refill := range 2 {
		admin := kadm.NewClient(f.client)
		if _, err := admin.DeleteTopics(t.Context(), Topic); err != nil {
			t.Fatal(err)
		}
		until(t, "the topic is made anew", func() bool { return EnsureTopic(t.Context(), f.brokers, Topic) == nil })
		again, err := kgo.NewClient(kgo.SeedBrokers(f.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		f.client.Close()
		f.client = again
		for range refill * 5 { // so that the offset is there, and not what was at it
			f.put(partitionOf(stream), stream, []byte("something"))
		}
		next := f.server(f.store)
		until(t, "it waits", func() bool { return valueOf(t, next.metrics.waiting) == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = next.Append(ctx, stream, func(head certificate.Head) ([]byte, error) { return f.sign(head, 3, "bert"), nil })
		cancel()
		if err == nil || !strings.Contains(err.Error(), "lacks the entry that the store has from offset 2") {
			t.Errorf("issued, or not said why not: %v", err)
		}
		f.stop(next)
	}
	t.Cleanup(f.client.Close)
}

func TestWhatMakesAnEntryMayDecideThatThereIsNothingToIssue(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	c := f.server(f.store)
	stands := errors.New("the hour stands as it is")
	if _, err := c.Append(t.Context(), stream, func(certificate.Head) ([]byte, error) { return nil, stands }); !errors.Is(err, stands) || errors.Is(err, ErrUncertain) {
		t.Error(err)
	}
	wrong := makeKey(t)
	_, err := c.Append(t.Context(), stream, func(head certificate.Head) ([]byte, error) {
		return certificate.Sign(head.Next(content(0, "x")), wrong)
	})
	if err == nil || !strings.Contains(err.Error(), "would not count") {
		t.Errorf("an entry that cannot count was written: %v", err)
	}
	f.same(c, f.store, 0)
}

func TestATopicThatWouldLoseCertificatesIsRefused(t *testing.T) {
	testenv.EachKafka(t, func(t *testing.T, brokers []string) {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		admin := kadm.NewClient(client)
		if err := EnsureTopic(t.Context(), brokers, "fine"); err != nil {
			t.Fatal(err)
		}
		until(t, "the topic that it made itself is taken", func() bool { return EnsureTopic(t.Context(), brokers, "fine") == nil })
		for name, c := range map[string]struct {
			partitions int32
			config     map[string]*string
			says       string
		}{
			"narrow":    {2, nil, "has 2 partitions"},
			"expiring":  {Partitions, map[string]*string{"retention.ms": text("604800000")}, "retention.ms=604800000"},
			"compacted": {Partitions, map[string]*string{"retention.ms": text("-1"), "cleanup.policy": text("compact")}, "cleanup.policy=compact"},
		} {
			if _, err := admin.CreateTopic(t.Context(), c.partitions, 1, c.config, name); err != nil {
				t.Fatal(err)
			}
			var refused error
			until(t, "the broker knows the topic that it made", func() bool {
				refused = EnsureTopic(t.Context(), brokers, name)
				return !errors.Is(refused, kerr.UnknownTopicOrPartition)
			})
			if refused == nil || !strings.Contains(refused.Error(), c.says) {
				t.Errorf("%s: %v", name, refused)
			}
		}
	})
}
