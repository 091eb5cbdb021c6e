package kgoaudit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// books keeps every report, as a server that is always well.
type books struct {
	mu      sync.Mutex
	reports []wire.Report
}

func (b *books) Send(_ context.Context, batch wire.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports = append(b.reports, batch.Reports...)
	return nil
}

// roll unites one kind over all reports.
func (b *books) roll(k wire.Kind) *roaring.Bitmap {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := roaring.New()
	for _, r := range b.reports {
		for _, w := range r.Windows {
			for _, s := range w.Sources {
				if s.Rolls[k] != nil {
					out.Or(s.Rolls[k])
				}
			}
		}
	}
	return out
}

// counts are those of the foreign UIDs, and of the events without a window; the highest told of each.
func (b *books) counts() (map[string]uint64, wire.Unplaced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	foreign, unplaced := map[string]uint64{}, wire.Unplaced{}
	for _, r := range b.reports {
		for _, w := range r.Windows {
			for _, f := range w.Foreign {
				foreign[f.UID] = max(foreign[f.UID], f.Count)
			}
			unplaced.Unreadable, unplaced.NoUID = max(unplaced.Unreadable, w.Unplaced.Unreadable), max(unplaced.NoUID, w.Unplaced.NoUID)
		}
	}
	return foreign, unplaced
}

func (b *books) last() wire.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reports[len(b.reports)-1]
}

func cluster(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"), kfake.SeedTopics(1, kgoaudit.ReportsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func client(t *testing.T, c kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(c.ListenAddrs()...), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.FetchMaxWait(250*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func newProducer(t *testing.T, b *books) *kgoaudit.Producer {
	t.Helper()
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "app", Transport: b},
		Topics: []string{"orders"}, JournalDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProducerNumbersBeforeTheBufferAndClosesWhenAllHasLeft(t *testing.T) {
	onEach(t, producerNumbersBeforeTheBufferAndClosesWhenAllHasLeft)
}

func producerNumbersBeforeTheBufferAndClosesWhenAllHasLeft(t *testing.T, cluster newKafka) {
	b := &books{}
	p := newProducer(t, b)
	cl := client(t, cluster(t, 3), kgo.WithHooks(p))
	const n = 100
	for i := range n {
		cl.Produce(t.Context(), &kgo.Record{Topic: "orders", Value: fmt.Appendf(nil, "order %d", i)}, nil)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen := b.roll(wire.Seen); seen.GetCardinality() != n || seen.Maximum() != n-1 {
		t.Fatalf("seen %v, want 0 to %d", seen, n-1)
	}
	if b.last().State != wire.Closed || !b.roll(wire.Rejected).IsEmpty() {
		t.Fatalf("the last report is %v; rejected %v", b.last().State, b.roll(wire.Rejected))
	}
}

func TestRecordIsNumberedOnceUnlessItsPromiseFailed(t *testing.T) {
	b := &books{}
	p := newProducer(t, b)
	c := cluster(t, 1)
	cl := client(t, c, kgo.WithHooks(p))
	refuseOnce(c)
	r := &kgo.Record{Topic: "orders", Value: []byte("x")}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); !errors.Is(err, kerr.InvalidRecord) {
		t.Fatalf("the broker took it: %v", err)
	}
	if _, err := kgoaudit.ReadHeader(r); !errors.Is(err, kgoaudit.ErrNoHeader) {
		t.Fatalf("after the failure the record still has the number that was rejected: %v", err)
	}
	for range 2 { // the second time it has a header, as a forwarded record has
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	h, ok := kgoaudit.Header(r)
	if !ok || h.UID.Sequence() != 1 || len(r.Headers) != 1 {
		t.Fatalf("header %+v of %d", h, len(r.Headers))
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen, rejected := b.roll(wire.Seen), b.roll(wire.Rejected); seen.String() != "{0,1}" || rejected.String() != "{0}" {
		t.Fatalf("seen %v, rejected %v", seen, rejected)
	}
	if s := p.Hop().Stats(); s.Strays != 0 || s.Held != 0 {
		t.Fatalf("%+v", s)
	}
}

// refuseOnce has the broker answer one produce request with INVALID_RECORD.
func refuseOnce(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		in := req.(*kmsg.ProduceRequest)
		out := in.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range in.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.InvalidRecord.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
		return out, nil, true
	})
}

// consumer is a hop that consumes as the package says, one round at a time.
type consumer struct {
	client *kgo.Client
	hop    *audit.Hop
	*kgoaudit.Consumer
}

func newConsumer(t *testing.T, c kafka, b *books) *consumer {
	t.Helper()
	hop, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: b})
	if err != nil {
		t.Fatal(err)
	}
	hop.Start()
	cl := client(t, c, kgo.ConsumerGroup("sink"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	t.Cleanup(func() {
		cl.AllowRebalance()
		if err := hop.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &consumer{cl, hop, kgoaudit.NewConsumer(cl, hop, "orders")}
}

// waitShortly bounds one poll.
func waitShortly(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), 300*time.Millisecond)
}

func (c *consumer) round(t *testing.T) int {
	t.Helper()
	ctx, cancel := waitShortly(t)
	defer cancel()
	fetches := c.client.PollFetches(ctx)
	fetches.EachRecord(func(r *kgo.Record) { kgoaudit.Observe(c.hop, r, time.Now()) })
	if err := c.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.client.AllowRebalance()
	return fetches.NumRecords()
}

// lanes reports and returns what the lanes say.
func (c *consumer) lanes(t *testing.T, b *books) wire.Report {
	t.Helper()
	if err := c.hop.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.last()
}

func TestConsumerStatesTheWatermarksOfAllItsPartitions(t *testing.T) {
	onEach(t, consumerStatesTheWatermarksOfAllItsPartitions)
}

func consumerStatesTheWatermarksOfAllItsPartitions(t *testing.T, cluster newKafka) {
	produced, consumed := &books{}, &books{}
	c := cluster(t, 4)
	p := newProducer(t, produced)
	out := client(t, c, kgo.WithHooks(p), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range 30 { // partition 3 stays empty
		out.Produce(t.Context(), &kgo.Record{Topic: "orders", Partition: int32(i % 3), Value: []byte{byte(i)}}, nil)
	}
	if err := out.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	flushed := time.Now()
	in := newConsumer(t, c, consumed)
	for n := 0; n < 30; {
		n += in.round(t)
	}
	for len(in.lanes(t, consumed).Lanes) < 4 {
		in.round(t)
	}
	r := in.lanes(t, consumed)
	for id := range int32(4) {
		if at := r.Lanes[kgoaudit.Lane("orders", id)]; at.Before(flushed.Truncate(time.Millisecond)) {
			t.Errorf("lane %d is at %v, all was there at %v", id, at, flushed)
		}
	}
	if r.LaneCount != 4 || !consumed.roll(wire.Seen).Equals(wantTo(30)) || !consumed.roll(wire.Repeated).IsEmpty() {
		t.Fatalf("%d lanes, seen %v, repeated %v", r.LaneCount, consumed.roll(wire.Seen), consumed.roll(wire.Repeated))
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantTo(n uint64) *roaring.Bitmap {
	b := roaring.New()
	b.AddRange(0, n)
	return b
}

func TestLaneStaysWhileARecordIsNotProcessed(t *testing.T) {
	onEach(t, laneStaysWhileARecordIsNotProcessed)
}

func laneStaysWhileARecordIsNotProcessed(t *testing.T, cluster newKafka) {
	b := &books{}
	c := cluster(t, 1)
	out := client(t, c)
	in := newConsumer(t, c, b)
	for len(in.lanes(t, b).Lanes) == 0 {
		in.round(t)
	}
	before := in.lanes(t, b).Lanes["orders/0"]
	if err := out.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := in.Mark(t.Context()); err != nil { // the record is there and nobody polled it
		t.Fatal(err)
	}
	if at := in.lanes(t, b).Lanes["orders/0"]; !at.Equal(before) {
		t.Fatalf("the lane passed a record that is not processed: %v, then %v", before, at)
	}
	for in.round(t) == 0 {
		continue
	}
	if at := in.lanes(t, b).Lanes["orders/0"]; !at.After(before) {
		t.Fatalf("the lane stays at %v after the record was processed", at)
	}
	if u := in.hop.Stats().Unplaced; u != 1 {
		t.Fatalf("%d unplaced, want the record without a header", u)
	}
}

func TestReporterKeysReportsByStream(t *testing.T) { onEach(t, reporterKeysReportsByStream) }

func reporterKeysReportsByStream(t *testing.T, cluster newKafka) {
	c := cluster(t, 1)
	cl := client(t, c, kgo.ConsumeTopics(kgoaudit.ReportsTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	tr, err := kgoaudit.NewReporter(cl, "")
	if err != nil {
		t.Fatal(err)
	}
	hop, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "app", Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	hop.Start()
	if err := hop.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := hop.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var states []wire.State
	for !slices.Contains(states, wire.Closed) {
		cl.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			got, err := wire.DecodeProto(r.Value, wire.DefaultLimits())
			if err != nil || string(r.Key) != "orders" {
				t.Errorf("key %q: %v", r.Key, err)
				return
			}
			states = append(states, got.Reports[0].State)
		})
	}
	if len(states) < 2 || states[0] != wire.Running || states[len(states)-1] != wire.Closed {
		t.Fatalf("%v", states)
	}
}

func TestReporterWantsAllAcks(t *testing.T) {
	cl := client(t, cluster(t, 1), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	if _, err := kgoaudit.NewReporter(cl, ""); err == nil {
		t.Fatal("a client with acks=1 was taken")
	}
}
