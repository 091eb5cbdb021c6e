package kgoaudit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// committedReports reads what the server would: every report on the topic, committed only.
func committedReports(t *testing.T, c *kfake.Cluster) *books {
	t.Helper()
	b := &books{}
	in := client(t, c, kgo.ConsumeTopics(kgoaudit.ReportsTopic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	info := c.PartitionInfo(kgoaudit.ReportsTopic, 0)
	end := client(t, c, kgo.TransactionalID("end"))
	// The last record says where to stop.
	if err := end.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	last := &kgo.Record{Topic: kgoaudit.ReportsTopic, Value: []byte("end")}
	if err := errors.Join(end.ProduceSync(t.Context(), last).FirstErr(), end.EndTransaction(t.Context(), kgo.TryCommit)); err != nil {
		t.Fatal(err)
	}
	for at := info.HighWatermark - 1; at < last.Offset; {
		in.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			if at = r.Offset; string(r.Value) == "end" {
				return
			}
			batch, err := wire.DecodeProto(r.Value, wire.DefaultLimits())
			if err == nil {
				err = b.Send(t.Context(), batch)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	b.checkNumbers(t)
	return b
}

// checkNumbers holds that no report is missing, used twice, or out of order.
func (b *books) checkNumbers(t *testing.T) {
	t.Helper()
	next := make(map[audit.UID]uint64)
	for _, r := range b.reports {
		if next[r.Emitter]++; r.Number != next[r.Emitter] {
			t.Fatalf("report %d of emitter %s came where %d was due", r.Number, r.Emitter, next[r.Emitter])
		}
	}
}

// emitters returns the states of the emitters in their last report.
func (b *books) emitters() map[audit.UID]wire.State {
	states := make(map[audit.UID]wire.State)
	for _, r := range b.reports {
		states[r.Emitter] = r.State
	}
	return states
}

// relay reads orders and passes them on to relayed, in transactions.
type relay struct {
	*kgoaudit.Consumer
	session *kgo.GroupTransactSession
}

func newRelay(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *relay {
	t.Helper()
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "relay", After: []string{"app"}},
		Topics: []string{"orders"}, Group: "relay", InTransaction: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	opts = append(f.Options(), opts...)
	s, err := kgo.NewGroupTransactSession(append(opts, kgo.TransactionalID("relay"), kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.FetchMaxWait(250*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r := &relay{f, s}
	t.Cleanup(func() { stop(f.Hop()) })
	return r
}

// pass begins a transaction and passes on what comes, n records at least.
func (r *relay) pass(t *testing.T, n int) {
	t.Helper()
	if err := r.session.Begin(); err != nil {
		t.Fatal(err)
	}
	until(t, fmt.Sprintf("%d records", n), func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		for _, in := range r.session.PollRecords(ctx, n).Records() {
			out := &kgo.Record{Topic: "relayed", Value: in.Value, Headers: in.Headers}
			if err := r.session.ProduceSync(t.Context(), out).FirstErr(); err != nil {
				t.Fatal(err)
			}
			n--
		}
		return n <= 0
	})
}

func (r *relay) end(t *testing.T, commit kgo.TransactionEndTry) bool {
	t.Helper()
	done, err := kgoaudit.EndSession(t.Context(), r.session, commit, r)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func relayCluster(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders", "relayed", kgoaudit.ReportsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The plot:
//
//   - a relay passes records on in a transaction that is aborted, and again in one that is committed
//   - then it passes on more, and the commit is refused at the last moment, for the group has changed
//   - those come again, and are committed
//
// Output, offsets and reports have one fate, so the server has heard of every record
// once, and of no record before it was passed on.
func TestReportOfARelayIsCommittedWithWhatItPassedOn(t *testing.T) {
	c := relayCluster(t)
	fill(t, c, 10, 1)
	r := newRelay(t, c)
	r.pass(t, 4)
	if r.end(t, kgo.TryAbort) {
		t.Fatal("committed")
	}
	r.pass(t, 4)
	if b := committedReports(t, c); len(b.reports) != 0 {
		t.Fatalf("%d reports of open and aborted transactions are to be read", len(b.reports))
	}
	if !r.end(t, kgo.TryCommit) {
		t.Fatal("aborted")
	}
	committedReports(t, c).want(t, "{0,1,2,3}", "{}")

	r.pass(t, 3)
	refuse := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: 1})
	if r.end(t, kgo.TryCommit) || refuse.Hits() != 1 {
		t.Fatal("committed without its offsets")
	}
	committedReports(t, c).want(t, "{0,1,2,3}", "{}")
	r.pass(t, 6)
	if !r.end(t, kgo.TryCommit) {
		t.Fatal("aborted")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := committedReports(t, c)
	b.want(t, "{0,1,2,3,4,5,6,7,8,9}", "{}")
	if at := b.last().Lanes["orders/0"]; at.IsZero() || b.last().LaneCount != 1 {
		t.Fatalf("the lane is at %v of %d", at, b.last().LaneCount)
	}
	for id, state := range b.emitters() {
		if state != wire.Closed {
			t.Fatalf("emitter %s is left %v", id, state)
		}
	}
	if s := r.Stats(); s.Waiting != 0 {
		t.Fatalf("%+v", s)
	}
}

// The plot:
//
//   - a relay has passed records on, and put its report into the transaction; it is killed
//     before the commit
//   - its successor has the same transactional id; it reads the records again and passes them on
func TestReportOfARelayThatIsKilledDiesWithItsTransaction(t *testing.T) {
	c := relayCluster(t)
	fill(t, c, 5, 1)
	member := []kgo.Opt{kgo.InstanceID("one"), kgo.SessionTimeout(6 * time.Second)}
	killed := newRelay(t, c, member...)
	killed.pass(t, 5)
	ctx, cancel := context.WithCancel(t.Context())
	c.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel() // by now the report is in the transaction
		return nil, errors.New("the process is gone"), true
	})
	if done, err := kgoaudit.EndSession(ctx, killed.session, kgo.TryCommit, killed); done || err == nil {
		t.Fatalf("committed: %v: %v", done, err)
	}
	killed.session.Close()
	next := newRelay(t, c, member...)
	next.pass(t, 5)
	if !next.end(t, kgo.TryCommit) {
		t.Fatal("aborted")
	}
	if err := next.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := committedReports(t, c)
	b.want(t, "{0,1,2,3,4}", "{}")
	if len(b.emitters()) != 1 {
		t.Fatalf("%d emitters were heard of, want the successor", len(b.emitters()))
	}
}

func TestConsumerWhoseReportsGoElsewhereEndsNoSession(t *testing.T) {
	c := relayCluster(t)
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "relay", Transport: &books{}}, Topics: []string{"orders"}, Group: "relay",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Hop().Close(context.Background()) })
	s, err := kgo.NewGroupTransactSession(append(f.Options(), kgo.TransactionalID("relay"), kgo.SeedBrokers(c.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseAllowingRebalance)
	if err := s.Begin(); err != nil {
		t.Fatal(err)
	}
	if done, err := kgoaudit.EndSession(t.Context(), s, kgo.TryCommit, f); done || err == nil {
		t.Fatalf("committed: %v, without a report in it: %v", done, err)
	}
	inside := newRelay(t, c)
	if err := inside.Commit(t.Context()); err == nil {
		t.Fatal("committed outside of a transaction")
	}
}

func newInside(t *testing.T, dir string) *kgoaudit.Producer {
	t.Helper()
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app"}, Topics: []string{"orders"}, JournalDir: dir, InTransaction: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The plot:
//
//   - a producer sends its reports inside its transactions: one is committed, one is
//     aborted, and one is committed again
//   - in a further one it has produced, and is killed before the commit
//   - its successor opens the same journal, and commits a transaction of its own
//
// The server has heard of what was committed and what was aborted. Of the rest it has not
// heard, and the emitter that died is closed.
func TestProducerReportsInsideItsTransactionsAndDiesWithoutATrace(t *testing.T) {
	c, dir := cluster(t, 2), t.TempDir()
	p := newInside(t, dir)
	cl := client(t, c, kgo.TransactionalID("shop"), kgo.WithHooks(p))
	one := &transactional{p, cl, nil}
	var produced []time.Time
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		one.begin(t)
		h, _ := kgoaudit.Header(one.produce(t, 2)[0])
		produced = append(produced, h.ProducedAt)
		one.end(t, commit)
	}
	b := committedReports(t, c)
	b.want(t, "{0,1,2,3,4,5}", "{2,3}")
	if len(b.reports) != 2 {
		t.Fatalf("%d reports of two transactions", len(b.reports))
	}
	if own := b.reports[1].Lanes[""]; own.After(produced[2]) || own.Before(b.reports[0].Lanes[""]) {
		t.Fatalf("the last report states %v, and its own events are of %v", own, produced[2])
	}
	one.begin(t)
	one.produce(t, 3)
	stop(p.Hop()) // which lets go of the journal, as a death does
	cl.Close()

	next := newInside(t, dir)
	two := &transactional{next, client(t, c, kgo.TransactionalID("shop"), kgo.WithHooks(next)), nil}
	two.begin(t)
	two.produce(t, 1)
	two.end(t, kgo.TryCommit)
	if err := next.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = committedReports(t, c)
	b.want(t, "{0,1,2,3,4,5}", "{2,3}") // and {0} of the successor's source
	var ended []wire.Ended
	for _, r := range b.reports {
		ended = append(ended, r.Ended...)
	}
	if len(ended) != 1 || ended[0].Emitter != p.Hop().Emitter() || len(ended[0].Windows) != 0 {
		t.Fatalf("ended %+v, want emitter %s and no number of it", ended, p.Hop().Emitter())
	}
	if b.last().State != wire.Closed || b.last().Emitter != next.Hop().Emitter() {
		t.Fatalf("the last report is %v", b.last().State)
	}
}

// The plot:
//
//   - the reports cannot be produced: the client may not write to their topic
//   - a commit without them would be a commit that nobody audits: it is aborted
func TestTransactionWhoseReportFailsIsNotCommitted(t *testing.T) {
	c := cluster(t, 1)
	p := newInside(t, t.TempDir())
	one := &transactional{p, client(t, c, kgo.TransactionalID("shop"), kgo.WithHooks(p)), nil}
	one.begin(t)
	one.produce(t, 2)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: kgoaudit.ReportsTopic, Err: kerr.TopicAuthorizationFailed, Count: 1})
	if done, err := kgoaudit.EndTransaction(t.Context(), one.client, kgo.TryCommit, p); done || !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Fatalf("committed: %v: %v", done, err)
	}
	one.begin(t)
	one.produce(t, 1)
	one.end(t, kgo.TryCommit)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	committedReports(t, c).want(t, "{0,1,2}", "{0,1}")
	if got := delivered(t, c, 1).String(); got != "{2}" {
		t.Fatalf("the topic has %s", got)
	}
}

// The plot:
//
//   - an application reads commands, and produces an event for each as the first hop of
//     another stream; both ends are audited, in one transaction
//   - the group changes before the commit
func TestSessionSettlesAllWhoTakePart(t *testing.T) {
	c := relayCluster(t)
	fill(t, c, 3, 1)
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "bills", Hop: "billing"}, Topics: []string{"relayed"}, InTransaction: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(t, c, kgo.WithHooks(p))
	for _, commit := range []bool{false, true} {
		if err := r.session.Begin(); err != nil {
			t.Fatal(err)
		}
		until(t, "3 records", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			for _, in := range r.session.PollFetches(ctx).Records() {
				if err := r.session.ProduceSync(t.Context(), &kgo.Record{Topic: "relayed", Value: in.Value}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			return r.Stats().Waiting == 3
		})
		if !commit {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: 1})
		}
		if done, err := kgoaudit.EndSession(t.Context(), r.session, kgo.TryCommit, r, p); err != nil || done != commit {
			t.Fatalf("committed: %v, want %v: %v", done, commit, err)
		}
	}
	if err := errors.Join(r.Close(t.Context()), p.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	orders, bills := &books{}, &books{}
	for _, one := range committedReports(t, c).reports {
		to := orders
		if one.Stream == "bills" {
			to = bills
		}
		to.reports = append(to.reports, one)
	}
	orders.want(t, "{0,1,2}", "{}")
	bills.want(t, "{0,1,2,3,4,5}", "{0,1,2}")
	if orders.last().State != wire.Closed || bills.last().State != wire.Closed {
		t.Fatalf("the last reports are %v and %v", orders.last().State, bills.last().State)
	}
}

// The plot:
//
//   - the answer to a relay's commit is lost, and the log cannot be asked for a while
//   - the relay is made anew with the same consumer, and ends a transaction: before that
//     it finds out what became of the one before
func TestRelayInDoubtFindsOutBeforeItGoesOn(t *testing.T) {
	for _, reached := range []bool{true, false} {
		t.Run(fmt.Sprintf("the broker got it: %v", reached), func(t *testing.T) {
			c := relayCluster(t)
			fill(t, c, 6, 1)
			var cut scissors
			member := []kgo.Opt{kgo.InstanceID("one"), kgo.SessionTimeout(6 * time.Second)}
			r := newRelay(t, c, append(member, cut.option(), kgo.RequestRetries(0))...)
			r.pass(t, 3)
			silent := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: kgoaudit.ReportsTopic, Err: kerr.NotLeaderForPartition, Count: -1})
			cut.arm(kmsg.EndTxn, !reached)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := kgoaudit.EndSession(ctx, r.session, kgo.TryCommit, r); !errors.Is(err, kgoaudit.ErrInDoubt) {
				t.Fatalf("%v, want doubt", err)
			}
			cut.disarm()
			r.session.Close()
			silent.Remove()

			var err error
			r.session, err = kgo.NewGroupTransactSession(append(append(r.Options(), member...), kgo.TransactionalID("relay"),
				kgo.SeedBrokers(c.ListenAddrs()...), kgo.FetchMaxWait(250*time.Millisecond))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.session.Close)
			again := 6
			if reached {
				again = 3
			}
			r.pass(t, again)
			if !r.end(t, kgo.TryCommit) {
				t.Fatal("aborted")
			}
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			committedReports(t, c).want(t, "{0,1,2,3,4,5}", "{}")
		})
	}
}
