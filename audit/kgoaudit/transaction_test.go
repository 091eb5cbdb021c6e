package kgoaudit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// transactional is an audited producer on a transactional client.
type transactional struct {
	*kgoaudit.Producer
	client *kgo.Client
	books  *books
}

func newTransactional(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *transactional {
	t.Helper()
	b := &books{}
	p := newProducer(t, b)
	return &transactional{p, client(t, c, append(opts, kgo.TransactionalID("shop"), kgo.WithHooks(p))...), b}
}

func (p *transactional) begin(t *testing.T) {
	t.Helper()
	if err := p.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

// produce produces n new records and waits for the broker.
func (p *transactional) produce(t *testing.T, n int) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: "orders", Value: fmt.Appendf(nil, "order %d", i)})
	}
	if err := p.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return records
}

func (p *transactional) end(t *testing.T, commit kgo.TransactionEndTry) {
	t.Helper()
	done, err := kgoaudit.EndTransaction(t.Context(), p.client, commit, p)
	if err != nil || done != bool(commit) {
		t.Fatalf("committed: %v, asked for %v: %v", done, commit, err)
	}
}

// flush reports and returns the last report.
func (p *transactional) flush(t *testing.T) wire.Report {
	t.Helper()
	if err := p.Hop().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p.books.last()
}

// delivered reads a topic from its start, committed records only, up to as many as
// are wanted and what comes with them, and returns their numbers.
func delivered(t *testing.T, c *kfake.Cluster, want uint64) *roaring.Bitmap {
	t.Helper()
	in := client(t, c, kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	got := roaring.New()
	for ctx := t.Context(); got.GetCardinality() < want; {
		fetches := in.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", got.GetCardinality(), want, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			h, ok := kgoaudit.Header(r)
			if !ok || !got.CheckedAdd(h.UID.Sequence()) {
				t.Fatalf("%s is there twice, or has no header", r.Value)
			}
		})
	}
	return got
}

func (b *books) want(t *testing.T, seen, rejected string) {
	t.Helper()
	if s, r := b.roll(wire.Seen).String(), b.roll(wire.Rejected).String(); s != seen || r != rejected {
		t.Fatalf("seen %s and rejected %s, want %s and %s", s, r, seen, rejected)
	}
	if !b.roll(wire.Repeated).IsEmpty() {
		t.Fatalf("repeated %v", b.roll(wire.Repeated))
	}
}

// reasons returns the reasons told, with how many events each has by the last report of its window.
func (b *books) reasons() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest := make(map[time.Time]map[string]uint64)
	for _, r := range b.reports {
		for _, w := range r.Windows {
			latest[w.Start] = make(map[string]uint64)
			for _, tally := range w.Reasons {
				latest[w.Start][tally.Reason] = tally.Count
			}
		}
	}
	sum := make(map[string]uint64)
	for _, window := range latest {
		for reason, n := range window {
			sum[reason] += n
		}
	}
	return sum
}

// The plot:
//
//   - a transaction is begun, and records are produced and acknowledged
//   - reports are sent meanwhile: no watermark may pass the first of the records, and
//     Close may not say that all has left
//   - the transaction is committed, and both may
func TestRecordsOfAnOpenTransactionAreHeldThoughTheyAreAcknowledged(t *testing.T) {
	p := newTransactional(t, cluster(t, 2))
	p.begin(t)
	first, _ := kgoaudit.Header(p.produce(t, 10)[0])
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
		if r := p.flush(t); r.Lanes[""].After(first.ProducedAt) {
			t.Fatalf("the watermark is at %v, and a record of %v is not committed", r.Lanes[""], first.ProducedAt)
		}
	}
	if held := p.Hop().Stats().Held; held != 10 {
		t.Fatalf("%d records are held, want 10", held)
	}
	p.end(t, kgo.TryCommit)
	if r := p.flush(t); !r.Lanes[""].After(first.ProducedAt) {
		t.Fatalf("the watermark stays at %v after the commit", r.Lanes[""])
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.books.want(t, "{0,1,2,3,4,5,6,7,8,9}", "{}")
}

// The plot:
//
//   - records are produced, acknowledged, and then aborted
//   - the same records, and copies of them made before the abort, are produced again in
//     another transaction, which is committed: they are new events
//   - a committed record is produced once more: it keeps its number, and nothing is counted twice
func TestRecordsOfAnAbortedTransactionAreRejectedAndGetNewNumbers(t *testing.T) {
	c := cluster(t, 1)
	p := newTransactional(t, c)
	p.begin(t)
	records := p.produce(t, 3)
	again := *records[2]
	p.end(t, kgo.TryAbort)
	if reasons := p.flushed(t).reasons(); reasons["aborted"] != 3 {
		t.Fatalf("the reasons are %v, want 3 aborted", reasons)
	}

	p.begin(t)
	records[2] = &again
	if err := p.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.end(t, kgo.TryCommit)
	if got := delivered(t, c, 3).String(); got != "{3,4,5}" {
		t.Fatalf("the topic has %s, want the new numbers", got)
	}

	p.begin(t)
	if err := p.client.ProduceSync(t.Context(), records[0]).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if h, _ := kgoaudit.Header(records[0]); h.UID.Sequence() != 3 {
		t.Fatalf("a committed record was given number %d", h.UID.Sequence())
	}
	p.end(t, kgo.TryCommit)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.books.want(t, "{0,1,2,3,4,5}", "{0,1,2}")
	if s := p.Stats(); s.Uncommitted != 3 || s.Renumbered != 3 || s.Repeated != 1 || s.InDoubt != 0 {
		t.Fatalf("%+v", s)
	}
	if s := p.Hop().Stats(); s.Held != 0 || s.Strays != 0 {
		t.Fatalf("%+v", s)
	}
}

func (p *transactional) flushed(t *testing.T) *books { p.flush(t); return p.books }

// The plot:
//
//   - of the records of a transaction some are acknowledged, and some are still in the
//     client's buffer when it is aborted: those break their promises
func TestRecordsAbortedInTheBufferAreRejectedForTheSameReason(t *testing.T) {
	p := newTransactional(t, cluster(t, 1), kgo.ManualFlushing())
	p.begin(t)
	for i := range 5 {
		if i == 2 {
			if err := p.client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p.client.Produce(t.Context(), &kgo.Record{Topic: "orders"}, nil)
	}
	p.end(t, kgo.TryAbort)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.books.want(t, "{0,1,2,3,4}", "{0,1,2,3,4}")
	if reasons := p.books.reasons(); len(reasons) != 1 || reasons["aborted"] != 5 {
		t.Fatalf("the reasons are %v, want 5 aborted", reasons)
	}
}

// The plot:
//
//   - of the records of a transaction the broker refuses one
//   - the application commits the others all the same, as franz-go lets it
func TestRecordThatFailedInATransactionIsRejectedAloneWhenTheRestIsCommitted(t *testing.T) {
	c := cluster(t, 1)
	p := newTransactional(t, c)
	p.begin(t)
	p.produce(t, 2)
	refuseOnce(c)
	if err := p.client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr(); err == nil {
		t.Fatal("the broker took it")
	}
	p.produce(t, 1)
	p.end(t, kgo.TryCommit)
	if got := delivered(t, c, 3).String(); got != "{0,1,3}" {
		t.Fatalf("the topic has %s", got)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.books.want(t, "{0,1,2,3}", "{2}")
	if s := p.Hop().Stats(); s.Strays != 0 || s.Held != 0 {
		t.Fatalf("%+v", s)
	}
}

// scissors cut the connections of a client once an answer to a request of the armed
// kind comes, or before the request goes out, as long as they are armed.
type scissors struct {
	key    atomic.Int32 // of the request; -1: none
	before atomic.Bool  // the request does not go out
}

func (s *scissors) arm(key kmsg.Key, before bool) { s.before.Store(before); s.key.Store(int32(key)) }
func (s *scissors) disarm()                       { s.key.Store(-1) }

func (s *scissors) option() kgo.Opt {
	s.disarm()
	return kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &cutConn{Conn: conn, scissors: s}, err
	})
}

type cutConn struct {
	net.Conn
	scissors *scissors
	hit      atomic.Bool
}

// Write sees whole requests: 4 bytes of size, then 2 of the key.
func (c *cutConn) Write(b []byte) (int, error) {
	if len(b) > 6 && int32(b[4])<<8|int32(b[5]) == c.scissors.key.Load() {
		if c.scissors.before.Load() {
			c.Conn.Close()
			return 0, io.ErrClosedPipe
		}
		c.hit.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.hit.Load() {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// The plot:
//
//   - a commit is asked for, and its answer never comes: the broker took it, or it never got there
//   - franz-go asks for an abort, which can no longer say what became of the commit
//   - the log says it
func TestCommitOfUnknownFateIsLookedUpInTheLog(t *testing.T) {
	for _, reached := range []bool{true, false} {
		t.Run(fmt.Sprintf("the broker got it: %v", reached), func(t *testing.T) {
			c := cluster(t, 2)
			var cut scissors
			p := newTransactional(t, c, cut.option(), kgo.RequestRetries(0))
			p.begin(t)
			p.produce(t, 5)
			tries := 0
			c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				tries++
				return nil, nil, false
			})
			cut.arm(kmsg.EndTxn, !reached)
			done, err := kgoaudit.EndTransaction(t.Context(), p.client, kgo.TryCommit, p)
			cut.disarm()
			if done != reached || (err == nil) != reached || errors.Is(err, kgoaudit.ErrInDoubt) {
				t.Fatalf("committed: %v, want %v: %v", done, reached, err)
			}
			if (tries > 0) != reached {
				t.Fatalf("the broker got %d requests to end the transaction", tries)
			}
			p.begin(t) // the client is as good as new
			p.produce(t, 1)
			p.end(t, kgo.TryCommit)
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := wantTo(6)
			if !reached {
				want.RemoveRange(0, 5)
			}
			if got := delivered(t, c, want.GetCardinality()); !got.Equals(want) {
				t.Fatalf("the topic has %v, want %v", got, want)
			}
			if got := roaring.AndNot(p.books.roll(wire.Seen), p.books.roll(wire.Rejected)); !got.Equals(want) {
				t.Fatalf("reported as delivered are %v, the topic has %v", got, want)
			}
		})
	}
}

// The plot:
//
//   - a commit's answer is lost, and the log cannot be asked: nothing is said
//     of the records, and the producer does not close
//   - the application makes a new client with the same transactional id and the same producer
//   - once that has begun a transaction, the log knows what became of the one before
func TestTransactionInDoubtIsSettledWithTheNextClient(t *testing.T) {
	c := cluster(t, 1)
	var cut scissors
	p := newTransactional(t, c, cut.option(), kgo.RequestRetries(0))
	p.begin(t)
	p.produce(t, 4)
	cut.arm(kmsg.EndTxn, true)
	silent := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.NotLeaderForPartition, Count: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if done, err := kgoaudit.EndTransaction(ctx, p.client, kgo.TryCommit, p); done || !errors.Is(err, kgoaudit.ErrInDoubt) {
		t.Fatalf("committed: %v: %v", done, err)
	}
	if s, held := p.Stats(), p.Hop().Stats().Held; s.InDoubt != 1 || held != 4 {
		t.Fatalf("%d transactions in doubt, %d records held", s.InDoubt, held)
	}
	if r := p.flush(t); r.State != wire.Running || !p.books.roll(wire.Rejected).IsEmpty() {
		t.Fatalf("rejected %v before it is known", p.books.roll(wire.Rejected))
	}
	p.client.Close()

	silent.Remove()
	p.client = client(t, c, kgo.TransactionalID("shop"), kgo.WithHooks(p))
	p.begin(t)
	p.produce(t, 1)
	p.end(t, kgo.TryCommit)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.books.want(t, "{0,1,2,3,4}", "{0,1,2,3}")
	if got := delivered(t, c, 1).String(); got != "{4}" {
		t.Fatalf("the topic has %s", got)
	}
}

func TestProducerDoesNotCloseWhileATransactionIsOpen(t *testing.T) {
	p := newTransactional(t, cluster(t, 1))
	p.begin(t)
	p.produce(t, 1)
	if err := p.Close(t.Context()); err == nil {
		t.Fatal("closed with an open transaction")
	}
	for _, r := range p.books.reports {
		if r.State == wire.Closed {
			t.Fatal("CLOSED was said with an open transaction")
		}
	}
}

func TestReporterRefusesATransactionalClient(t *testing.T) {
	cl := client(t, cluster(t, 1), kgo.TransactionalID("shop"))
	if _, err := kgoaudit.NewReporter(cl, ""); err == nil {
		t.Fatal("a report may be aborted after it was taken for accepted")
	}
	_, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app", Transport: &books{}}, Topics: []string{"orders"}, InTransaction: true,
	})
	if err == nil {
		t.Fatal("two ways for the reports were taken")
	}
}

// The plot:
//
//   - a commit's answer is lost, whether the broker took it or not, and the log cannot be asked
//   - the log can be asked again, and the application does what ErrInDoubt says: it calls
//     once more, with TryAbort. franz-go then says "aborted" in both cases
func TestAbortAfterACommitInDoubtSaysWhatBecameOfTheCommit(t *testing.T) {
	for _, reached := range []bool{true, false} {
		c := cluster(t, 1)
		var cut scissors
		p := newTransactional(t, c, cut.option(), kgo.RequestRetries(0))
		p.begin(t)
		p.produce(t, 2)
		silent := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.NotLeaderForPartition, Count: -1})
		cut.arm(kmsg.EndTxn, !reached)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := kgoaudit.EndTransaction(ctx, p.client, kgo.TryCommit, p); !errors.Is(err, kgoaudit.ErrInDoubt) {
			t.Fatalf("%v, want doubt", err)
		}
		cut.disarm()
		silent.Remove()
		if done, err := kgoaudit.EndTransaction(t.Context(), p.client, kgo.TryAbort, p); done != reached || err != nil {
			t.Fatalf("committed: %v, want %v: %v", done, reached, err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := "{}"
		if !reached {
			want = "{0,1}"
		}
		p.books.want(t, "{0,1}", want)
	}
}

// The plot:
//
//   - a client is closed in the middle of a transaction, as after an error that it cannot mend
//   - the producer goes on with a new client, which commits a transaction of its own
func TestTransactionThatIsLeftOpenIsNotTakenForThatOfTheNextClient(t *testing.T) {
	c := cluster(t, 1)
	p := newTransactional(t, c)
	p.begin(t)
	left := p.produce(t, 2)
	p.client.Close()
	p.client = client(t, c, kgo.TransactionalID("shop"), kgo.WithHooks(p))
	p.begin(t)
	p.produce(t, 1)
	p.end(t, kgo.TryCommit)

	if held := p.Hop().Stats().Held; held != 0 {
		t.Fatalf("%d records are held, though it is known what became of them", held)
	}

	p.begin(t) // now that it is known, what was aborted may be produced again
	if err := p.client.ProduceSync(t.Context(), left...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.end(t, kgo.TryCommit)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := delivered(t, c, 3).String(); got != "{2,3,4}" {
		t.Fatalf("the topic has %s", got)
	}
	if rejected := p.books.roll(wire.Rejected).String(); rejected != "{0,1}" {
		t.Fatalf("rejected %s", rejected)
	}
}
