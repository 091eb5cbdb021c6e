package kgoaudit_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// follower is an audited consumer that observes nothing by hand.
type follower struct {
	*kgoaudit.Consumer
	client *kgo.Client
	books  *books
	closed bool
}

func follow(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *follower {
	t.Helper()
	b := &books{}
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: b, Heartbeat: time.Second},
		Topics: []string{"orders"}, Group: "sink",
	})
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, c, append(f.Options(), opts...)...)
	out := &follower{Consumer: f, client: cl, books: b}
	t.Cleanup(out.end)
	return out
}

// end stops it as a process that dies does, unless it is closed.
func (f *follower) end() {
	f.client.AllowRebalance()
	if !f.closed {
		stop(f.Hop())
	}
	f.closed = true
}

// stop stops a hop as the death of its process does.
func stop(hop *audit.Hop) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = hop.Close(ctx) // it says that ctx has ended
}

// until calls step until it returns true, for half a minute.
func until(t *testing.T, what string, step func() bool) {
	t.Helper()
	for began := time.Now(); !step(); {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// poll polls once, up to n records, and returns them unprocessed.
func (f *follower) poll(t *testing.T, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return f.client.PollRecords(ctx, n).Records()
}

// pollSome polls until something comes.
func (f *follower) pollSome(t *testing.T, n int) []*kgo.Record {
	t.Helper()
	var got []*kgo.Record
	until(t, "a record", func() bool {
		if got = f.poll(t, n); len(got) == 0 {
			f.client.AllowRebalance()
		}
		return len(got) > 0
	})
	return got
}

func (f *follower) commit(t *testing.T) {
	t.Helper()
	if err := f.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.client.AllowRebalance()
}

func (f *follower) flush(t *testing.T) *books {
	t.Helper()
	if err := f.Hop().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f.books
}

// fill produces n audited records to each of the partitions; numbers 0 to n-1 are in the first.
func fill(t *testing.T, c *kfake.Cluster, n, partitions int) {
	t.Helper()
	p := newProducer(t, &books{})
	out := client(t, c, kgo.WithHooks(p), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for id := range partitions {
		for range n {
			out.Produce(t.Context(), &kgo.Record{Topic: "orders", Partition: int32(id), Value: []byte("order")}, nil)
		}
	}
	if err := errors.Join(out.Flush(t.Context()), p.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestRecordThatWasPolledIsSeenOnceItIsProcessed(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 10, 1)
	f := follow(t, c)
	polled := f.pollSome(t, 4)
	if seen := f.flush(t).roll(wire.Seen); !seen.IsEmpty() {
		t.Fatalf("%v is seen before it is processed", seen)
	}
	if err := f.CommitRecords(t.Context(), polled[:3]...); err != nil { // the fourth is under way
		t.Fatal(err)
	}
	f.flush(t).want(t, "{0,1,2}", "{}")
	f.commit(t)
	f.flush(t).want(t, "{0,1,2,3}", "{}")
	if s := f.Stats(); s.Polled != 4 || s.Waiting != 0 || s.Again != 0 || s.Redelivered != 0 {
		t.Fatalf("%+v", s)
	}
}

// The plot:
//
//   - records of two partitions are fetched and wait in the client
//   - the second partition is paused; the next poll returns the first alone, but
//     franz-go's hook calls the records of both polled
//   - what was polled is processed and committed
//   - the second partition is resumed: its records are polled, as the hook says, once more
func TestRecordsOfAPausedPartitionAreNotSeenBeforeTheyAreReturned(t *testing.T) {
	c := cluster(t, 2)
	fill(t, c, 5, 2)
	f := follow(t, c)
	until(t, "10 records in the client", func() bool {
		runtime.Gosched()
		return f.client.BufferedFetchRecords() == 10
	})
	second := map[string][]int32{"orders": {1}}
	f.client.PauseFetchPartitions(second)
	if got := f.pollSome(t, 0); len(got) != 5 {
		t.Fatalf("%d records came, want those of one partition", len(got))
	}
	if s := f.Stats(); s.Polled != 10 {
		t.Fatalf("%d records are called polled: the trap has gone, and with it the need for this test", s.Polled)
	}
	f.commit(t)
	f.flush(t).want(t, "{0,1,2,3,4}", "{}")

	f.client.ResumeFetchPartitions(second)
	if got := f.pollSome(t, 0); len(got) != 5 || got[0].Partition != 1 {
		t.Fatalf("%d records came, want the 5 of the partition that was paused", len(got))
	}
	f.commit(t)
	f.flush(t).want(t, "{0,1,2,3,4,5,6,7,8,9}", "{}")
	if s := f.Stats(); s.Again != 5 || s.Waiting != 0 {
		t.Fatalf("%+v", s)
	}
}

// The plot:
//
//   - one member has both partitions and polls everything; the records are not processed
//   - another member joins and gets one of the partitions
//   - each processes what it is given now
//
// Every record is seen once, by the one who processed it, and the lanes of both pass.
func TestWhatWasPolledAndNotProcessedIsNotSeenAfterARebalance(t *testing.T) {
	c := cluster(t, 2)
	fill(t, c, 5, 2)
	first := follow(t, c)
	for n := 0; n < 10; {
		n += len(first.pollSome(t, 0))
	}
	second := follow(t, c)
	first.client.AllowRebalance() // and processes nothing
	until(t, "the rebalance", func() bool {
		for _, f := range []*follower{first, second} {
			f.poll(t, 0)
			f.client.AllowRebalance()
		}
		return first.Stats().Dropped > 0
	})
	until(t, "all records", func() bool {
		for _, f := range []*follower{first, second} {
			f.poll(t, 0)
			f.commit(t)
		}
		return first.roll(t).GetCardinality()+second.roll(t).GetCardinality() >= 10
	})
	a, b := first.roll(t), second.roll(t)
	if a.Intersects(b) || a.GetCardinality()+b.GetCardinality() != 10 {
		t.Fatalf("one has seen %v, the other %v", a, b)
	}
	if !first.books.roll(wire.Repeated).IsEmpty() || !second.books.roll(wire.Repeated).IsEmpty() {
		t.Fatalf("repeated %v and %v", first.books.roll(wire.Repeated), second.books.roll(wire.Repeated))
	}
}

// The plot:
//
//   - one member has both partitions, and states how far it is with them
//   - another joins and takes one of them
//
// What was stated stays stated, and the lanes of both partitions go on, whoever has them.
func TestWatermarksSurviveARebalance(t *testing.T) {
	c := cluster(t, 2)
	fill(t, c, 5, 2)
	first := follow(t, c)
	lanes := func(f *follower) map[string]time.Time { return f.flush(t).last().Lanes }
	until(t, "both lanes", func() bool {
		first.poll(t, 0)
		first.commit(t)
		return len(lanes(first)) == 2
	})
	before, joined := lanes(first), time.Now()
	second := follow(t, c)
	for _, lane := range []string{"orders/0", "orders/1"} {
		until(t, lane, func() bool {
			for _, f := range []*follower{first, second} {
				f.poll(t, 0)
				f.commit(t)
			}
			if at := lanes(first)[lane]; at.Before(before[lane]) {
				t.Fatalf("%s went back from %v to %v", lane, before[lane], at)
			}
			return lanes(first)[lane].After(joined) || lanes(second)[lane].After(joined)
		})
	}
	if both := first.roll(t); !both.Equals(wantTo(10)) || !second.roll(t).IsEmpty() {
		t.Fatalf("one has seen %v, the other %v", both, second.roll(t))
	}
}

func (f *follower) roll(t *testing.T) *roaring.Bitmap {
	t.Helper()
	return f.flush(t).roll(wire.Seen)
}

// The plot:
//
//   - records are polled, processed, and reported
//   - the commit is refused, for the group changes; the consumer is given them again and
//     processes them again
func TestRecordsProcessedAgainAfterARebalanceAreRepeated(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 5, 1)
	f := follow(t, c, kgo.Balancers(kgo.RangeBalancer())) // which gives back everything
	f.pollSome(t, 3)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration, Count: 1})
	if err := f.Commit(t.Context()); !errors.Is(err, kerr.IllegalGeneration) || fault.Hits() != 1 {
		t.Fatalf("the commit was taken: %v", err)
	}
	f.client.ForceRebalance()
	f.client.AllowRebalance()
	until(t, "the records again", func() bool {
		f.poll(t, 0)
		f.client.AllowRebalance()
		return f.Stats().Redelivered == 3 && f.Stats().Waiting == 5
	})
	f.commit(t)
	b := f.flush(t)
	if seen, repeated := b.roll(wire.Seen).String(), b.roll(wire.Repeated).String(); seen != "{0,1,2,3,4}" || repeated != "{0,1,2}" {
		t.Fatalf("seen %s, repeated %s; want the first three twice", seen, repeated)
	}
}

// The plot:
//
//   - a topic of one partition is read to its end
//   - a partition is added, and gets an event; the client's memory of the topic is older
//   - the next mark must speak of two partitions, or the window closes without the event
func TestMarkKnowsOfAPartitionThatWasJustAdded(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 1, 1)
	f := follow(t, c, kgo.MetadataMinAge(time.Minute), kgo.MetadataMaxAge(time.Minute))
	f.pollSome(t, 0)
	f.commit(t)
	if err := f.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.flush(t).last().LaneCount; n != 1 {
		t.Fatalf("%d lanes", n)
	}
	if _, err := kadm.NewClient(client(t, c)).CreatePartitions(t.Context(), 1, "orders"); err != nil {
		t.Fatal(err)
	}
	if err := f.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.flush(t).last().LaneCount; n != 2 {
		t.Fatalf("%d lanes are stated, and the topic has 2 partitions", n)
	}
}

// The plot:
//
//   - the last thing in a partition is an aborted transaction: its records, and the marker
//     that ends it. No poll returns either
//   - the lane has to pass them, or the windows before it stay open for good
func TestLanePassesWhatNoPollReturns(t *testing.T) {
	for _, level := range []kgo.IsolationLevel{kgo.ReadCommitted(), kgo.ReadUncommitted()} {
		c := cluster(t, 1)
		p := newTransactional(t, c)
		p.begin(t)
		p.produce(t, 3)
		p.end(t, kgo.TryCommit)
		p.begin(t)
		p.produce(t, 2)
		p.end(t, kgo.TryAbort)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended := time.Now()
		f := follow(t, c, kgo.FetchIsolationLevel(level))
		until(t, "the lane", func() bool {
			f.poll(t, 0)
			f.commit(t)
			return f.flush(t).last().Lanes["orders/0"].After(ended)
		})
		want := "{0,1,2}"
		if level == kgo.ReadUncommitted() {
			want = "{0,1,2,3,4}"
		}
		f.books.want(t, want, "{}")
	}
}

// The plot:
//
//   - a transaction is open, and behind it nothing is
//   - marks are made: the lane must stay where its records begin
//   - it is committed, and the records come
func TestLaneStaysBeforeAnOpenTransaction(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 1, 1)
	f := follow(t, c)
	f.pollSome(t, 0)
	f.commit(t)
	p := newTransactional(t, c)
	p.begin(t)
	p.produce(t, 1)
	began := time.Now()
	for range 3 {
		if err := f.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if at := f.flush(t).last().Lanes["orders/0"]; at.After(began) {
		t.Fatalf("the lane is at %v, past a transaction open since before %v", at, began)
	}
	p.end(t, kgo.TryCommit)
	f.pollSome(t, 0)
	f.commit(t)
	if at := f.flush(t).last().Lanes["orders/0"]; at.Before(began) {
		t.Fatalf("the lane stays at %v", at)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pool recycles what the client decodes into.
type pool struct{ records, bytes sync.Pool }

func (p *pool) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:n]
	}
	return make([]kgo.Record, n)
}
func (p *pool) PutRecords(s []kgo.Record) { p.records.Put(&s) }
func (p *pool) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	if s, ok := p.bytes.Get().(*[]byte); ok {
		return (*s)[:0]
	}
	return nil
}
func (p *pool) PutDecompressBytes(s []byte) { p.bytes.Put(&s) }

func TestRecordMayBeRecycledOrChangedBeforeItIsCommitted(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 20, 1)
	f := follow(t, c, kgo.WithPools(new(pool)))
	for n := 0; n < 20; {
		for _, r := range f.pollSome(t, 7) {
			n++
			clear(r.Value)
			r.Recycle()
		}
	}
	f.commit(t)
	b := f.flush(t)
	if !b.roll(wire.Seen).Equals(wantTo(20)) || !b.roll(wire.Corrupt).IsEmpty() || f.Hop().Stats().Unplaced != 0 {
		t.Fatalf("seen %v, corrupt %v, %d unplaced", b.roll(wire.Seen), b.roll(wire.Corrupt), f.Hop().Stats().Unplaced)
	}
}

func TestWhatIsSaidOfARecordCountsOnceItIsProcessed(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 6, 1)
	f := follow(t, c)
	var polled []*kgo.Record
	for len(polled) < 6 {
		polled = append(polled, f.pollSome(t, 0)...)
	}
	f.Filter(polled[1], "rule-7")
	f.Reject(polled[2], "unreadable")
	f.Schema(polled[3], audit.SchemaTally{ID: "orders", Version: "3", Outcome: "INVALID"})
	f.Filter(polled[5], "rule-7")
	if b := f.flush(t); !b.roll(wire.Seen).IsEmpty() {
		t.Fatalf("%v is seen before it is processed", b.roll(wire.Seen))
	}
	if err := f.CommitRecords(t.Context(), polled[4]); err != nil {
		t.Fatal(err)
	}
	f.Filter(polled[4], "too late to wait")
	b := f.flush(t)
	b.want(t, "{0,1,2,3,4}", "{2}")
	if filtered, invalid := b.roll(wire.Filtered).String(), b.roll(wire.Invalid).String(); filtered != "{1,4}" || invalid != "{3}" {
		t.Fatalf("filtered %s, invalid %s", filtered, invalid)
	}
}

func TestRecordWithoutAHeaderOrWithABrokenOneIsCountedOnceItIsProcessed(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 1, 1)
	out := client(t, c)
	broken := &kgo.Record{Topic: "orders", Headers: []kgo.RecordHeader{{Key: kgoaudit.HeaderKey, Value: []byte("?")}}}
	if err := out.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}, broken).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f := follow(t, c)
	until(t, "3 records", func() bool { f.poll(t, 0); return f.Stats().Waiting == 3 })
	if n := f.Hop().Stats().Unplaced; n != 0 {
		t.Fatalf("%d are counted before they are processed", n)
	}
	f.commit(t)
	f.flush(t).want(t, "{0}", "{}")
	if n := f.Hop().Stats().Unplaced; n != 2 {
		t.Fatalf("%d unplaced, want 2", n)
	}
}

// The plot:
//
//   - some records are processed, and some were only polled when the consumer closes
//   - CLOSED is said after all that it took over, and of the others nothing is said: the
//     next consumer is given them
func TestClosedIsSaidOfWhatWasProcessedAndOfNothingElse(t *testing.T) {
	c := cluster(t, 1)
	fill(t, c, 6, 1)
	f := follow(t, c)
	f.pollSome(t, 2)
	f.commit(t)
	if got := f.pollSome(t, 3); len(got) != 3 {
		t.Fatalf("%d records", len(got))
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.closed = true
	f.client.Close()
	if f.books.last().State != wire.Closed {
		t.Fatalf("the last report is %v", f.books.last().State)
	}
	f.books.want(t, "{0,1}", "{}")
	if s := f.Stats(); s.Dropped != 3 || s.Waiting != 0 {
		t.Fatalf("%+v", s)
	}
	next := follow(t, c)
	until(t, "4 records", func() bool { next.poll(t, 0); return next.Stats().Polled == 4 })
	next.commit(t)
	next.flush(t).want(t, "{2,3,4,5}", "{}")
}
