package kgoaudit_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// The traps of franz-go and Kafka that have cost somebody events. Each test tells its
// plot first.

// gate is a server that answers once it is opened, and then well.
type gate struct {
	books
	opened chan struct{}
	asked  chan struct{} // closed when the first report has come
	once   sync.Once
}

func newGate() *gate { return &gate{opened: make(chan struct{}), asked: make(chan struct{})} }

func (g *gate) Send(ctx context.Context, b wire.Batch) error {
	g.once.Do(func() { close(g.asked) })
	select {
	case <-g.opened:
		return g.books.Send(ctx, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newGated(t *testing.T, g *gate, helloWait time.Duration) *kgoaudit.Producer {
	t.Helper()
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app", Transport: g}, Topics: []string{"orders"}, HelloWait: helloWait,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The plot:
//
//   - an application starts, produces one record at once, and dies: nothing it numbered
//     was ever delivered
//   - the server must know by then that somebody was there, or the window is called complete
//
// So the first record waits for the hello, before the broker can see it.
func TestHelloComesBeforeTheFirstAcknowledgement(t *testing.T) {
	g := newGate()
	p := newGated(t, g, time.Minute)
	c := cluster(t, 1)
	var tooEarly atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		select {
		case <-g.opened:
		default:
			tooEarly.Store(true)
		}
		return nil, nil, false
	})
	cl := client(t, c, kgo.WithHooks(p))
	done := make(chan error)
	go func() { done <- cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr() }()
	<-g.asked
	select {
	case err := <-done:
		t.Fatalf("produced before the server has the hello: %v", err)
	default:
	}
	close(g.opened)
	if err := errors.Join(<-done, p.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if tooEarly.Load() || p.Stats().Unheard != 0 {
		t.Fatalf("the broker had the record before the server had the hello; %+v", p.Stats())
	}
}

func TestServerThatIsAwayDoesNotKeepTheFirstRecordForLong(t *testing.T) {
	g := newGate()
	p := newGated(t, g, 20*time.Millisecond)
	cl := client(t, cluster(t, 1), kgo.WithHooks(p))
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Unheard; n != 1 {
		t.Fatalf("%d records went out unheard, want 1", n)
	}
	close(g.opened)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.want(t, "{0}", "{}")
}

// The plot:
//
//   - franz-go calls all promises, and the hook before them, on one goroutine
//   - the server does not answer; the transport waits
//   - thousands of records are produced, some of which fail: every promise must be kept
//     or broken meanwhile
func TestPromisesDoNotWaitForTheServer(t *testing.T) {
	g := newGate()
	p := newGated(t, g, -1)
	c := cluster(t, 2)
	cl := client(t, c, kgo.WithHooks(p), kgo.MaxBufferedRecords(500))
	<-g.asked
	const n = 5000
	var failed atomic.Int64
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		if i%10 == 0 {
			cancel() // may be sent or not
		}
		cl.Produce(ctx, &kgo.Record{Topic: "orders"}, func(_ *kgo.Record, err error) {
			cancel()
			if err != nil {
				failed.Add(1)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Hop().Stats(); s.Accepted != 0 || s.Held != 0 {
		t.Fatalf("%d reports were accepted, %d records have not left", s.Accepted, s.Held)
	}
	close(g.opened)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen, rejected := g.roll(wire.Seen), g.roll(wire.Rejected); !seen.Equals(wantTo(n)) || rejected.GetCardinality() != uint64(failed.Load()) {
		t.Fatalf("%d seen, %d rejected; want %d and %d", seen.GetCardinality(), rejected.GetCardinality(), n, failed.Load())
	}
}

// The plot:
//
//   - an application gives all its records the same headers, a slice with room at its end
//   - a header appended there for one record is overwritten by that of the next
func TestRecordsThatShareTheirHeadersAreNumberedApart(t *testing.T) {
	p := newProducer(t, &books{})
	c := cluster(t, 1)
	cl := client(t, c, kgo.WithHooks(p))
	shared := append(make([]kgo.RecordHeader, 0, 4), kgo.RecordHeader{Key: "tenant", Value: []byte("7")})
	var records []*kgo.Record
	for range 4 {
		records = append(records, &kgo.Record{Topic: "orders", Headers: shared})
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if h, ok := kgoaudit.Header(r); !ok || h.UID.Sequence() != uint32(i) || r.Headers[0].Key != "tenant" {
			t.Fatalf("record %d has the headers %v", i, r.Headers)
		}
	}
	set := &kgo.Record{Headers: shared}
	kgoaudit.SetHeader(set, audit.Header{})
	if room := shared[:2]; room[1].Key != "" {
		t.Fatalf("the room behind shared headers was written to: %v", room[1])
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := delivered(t, c, 4); !got.Equals(wantTo(4)) {
		t.Fatalf("the topic has %v", got)
	}
}

// The plot:
//
//   - records are stamped by their source: the first five an hour ago, the others now
//   - they are read, and then the brokers lose data: the position is out of range
//   - franz-go by itself goes on one minute before the last record that it read: what lies
//     before is not read again, whatever it is now
func TestOptionsSkipNothingWhereThePositionIsLost(t *testing.T) {
	for _, one := range []struct {
		name   string
		client func(*testing.T, *kfake.Cluster) *kgo.Client
		want   int64
	}{
		{"by itself", func(t *testing.T, c *kfake.Cluster) *kgo.Client { return client(t, c, kgo.ConsumeTopics("orders")) }, 5},
		{"with our options", func(t *testing.T, c *kfake.Cluster) *kgo.Client { return follow(t, c).client }, 0},
	} {
		t.Run(one.name, func(t *testing.T) {
			c := cluster(t, 1)
			produceStamped(t, c)
			in := one.client(t, c)
			for last := int64(0); last < 9; {
				got := pollPlain(t, in)
				last = got[len(got)-1].Offset
			}
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.OffsetOutOfRange, Count: 1})
			if got := pollPlain(t, in)[0].Offset; got != one.want {
				t.Errorf("it goes on at offset %d, want %d", got, one.want)
			}
		})
	}
}

// produceStamped produces ten records, of which the first five are stamped an hour ago.
func produceStamped(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	out := client(t, c)
	for i := range 10 {
		r := &kgo.Record{Topic: "orders", Timestamp: time.Now()}
		if i < 5 {
			r.Timestamp = r.Timestamp.Add(-time.Hour)
		}
		if err := out.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// pollPlain polls until something comes.
func pollPlain(t *testing.T, cl *kgo.Client) (got []*kgo.Record) {
	t.Helper()
	until(t, "records", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got = cl.PollFetches(ctx).Records()
		cl.AllowRebalance()
		return len(got) > 0
	})
	return got
}

// The plot:
//
//   - a client commits by itself, every few milliseconds, what earlier polls returned
//   - the application has polled and not processed; it is killed
//   - whoever comes next begins behind those records: they are lost
//
// A consumer refuses such a client, and states nothing of it. With its options the
// records come again.
func TestClientThatCommitsByItselfIsRefused(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 6, 1)
	b := &books{}
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "sink", Transport: b}, Topics: []string{"orders"}, Group: "sink",
	})
	if err != nil {
		t.Fatal(err)
	}
	killed := client(t, c, kgo.WithHooks(f), kgo.ConsumerGroup("sink"), kgo.ConsumeTopics("orders"),
		kgo.AutoCommitInterval(100*time.Millisecond), kgo.InstanceID("one"), kgo.SessionTimeout(6*time.Second))
	one := &follower{Consumer: f, client: killed, books: b}
	t.Cleanup(one.end)
	one.pollSome(t, 4)
	until(t, "a commit of what is not processed", func() bool {
		one.poll(t, 1)
		offsets, err := kadm.NewClient(killed).FetchOffsets(t.Context(), "sink")
		at, _ := offsets.Lookup("orders", 0)
		return err == nil && at.At >= 4
	})
	process := func(context.Context, kgo.Fetches) error { return nil }
	for what, err := range map[string]error{
		"Commit": f.Commit(t.Context()), "Mark": f.Mark(t.Context()), "Round": f.Round(t.Context(), process), "CommitRecords": f.CommitRecords(t.Context()),
	} {
		if !errors.Is(err, kgoaudit.ErrAutoCommit) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := f.Hop().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.last().Lanes) != 0 || !b.roll(wire.Seen).IsEmpty() {
		t.Fatalf("lanes %v, seen %v", b.last().Lanes, b.roll(wire.Seen))
	}
}

// The plot:
//
//   - a consumer with our options polls, processes nothing, and is killed without leaving the group
//   - its successor is given the same records, and only it has seen them
func TestRecordsOfAConsumerThatIsKilledComeAgain(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 6, 1)
	member := []kgo.Opt{kgo.InstanceID("one"), kgo.SessionTimeout(6 * time.Second)} // so that closing the client does not leave
	killed := follow(t, c, member...)
	if n := len(killed.pollSome(t, 4)); n != 4 {
		t.Fatalf("%d records", n)
	}
	killed.end()
	killed.client.Close()
	next := follow(t, c, member...)
	until(t, "6 records", func() bool { next.poll(t, 0); return next.Stats().Polled == 6 })
	next.commit(t)
	next.flush(t).want(t, "{0,1,2,3,4,5}", "{}")
	if seen := killed.books.roll(wire.Seen); !seen.IsEmpty() {
		t.Fatalf("the one that was killed has seen %v", seen)
	}
}

// The plot:
//
//   - BlockRebalanceOnPoll holds every rebalance back until AllowRebalance is called
//   - one member polls by Round, and processing fails: a new member must get its partitions
//     all the same, for the one that failed goes on with nothing
func TestRoundLetsARebalanceGoOnAlsoWhenProcessingFails(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 5, 1)
	first := follow(t, c)
	sick := errors.New("the disk is full")
	until(t, "a round with records", func() bool {
		err := first.Round(t.Context(), func(_ context.Context, fetches kgo.Fetches) error {
			if fetches.Empty() {
				return nil
			}
			return sick
		})
		return errors.Is(err, sick) && errors.Is(err, kgoaudit.ErrNotProcessed)
	})
	for range 2 { // what was polled must not be committed by a later round, or commit
		err := first.Round(t.Context(), func(context.Context, kgo.Fetches) error { return nil })
		if !errors.Is(err, kgoaudit.ErrNotProcessed) || !errors.Is(first.Commit(t.Context()), kgoaudit.ErrNotProcessed) {
			t.Fatalf("it goes on: %v", err)
		}
	}
	first.client.Close() // which waits for the rebalance
	second := follow(t, c)
	until(t, "5 records", func() bool {
		if err := second.Round(t.Context(), func(context.Context, kgo.Fetches) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return second.flush(t).roll(wire.Seen).GetCardinality() == 5
	})
	if !first.books.roll(wire.Seen).IsEmpty() {
		t.Fatalf("the one that failed has seen %v", first.books.roll(wire.Seen))
	}
}

func TestRoundSaysWhatAPollCouldNotRead(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 1, 1)
	f := follow(t, c, kgo.KeepRetryableFetchErrors())
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.TopicAuthorizationFailed, Count: 1})
	until(t, "the error", func() bool {
		return errors.Is(f.Round(t.Context(), func(context.Context, kgo.Fetches) error { return nil }), kerr.TopicAuthorizationFailed)
	})
	until(t, "the record", func() bool {
		if err := f.Round(t.Context(), func(context.Context, kgo.Fetches) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return !f.flush(t).roll(wire.Seen).IsEmpty()
	})
}
