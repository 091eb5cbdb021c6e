package kgoaudit_test

import (
	"fmt"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// TestRollsAreWhatTheTopicHasAfterAnyHistory tells random stories of an application that
// produces, fails, aborts, commits, loses its client, and produces again what it produced
// before, and then holds three things against one another: what the producer has
// reported, what a model in plain Go says, and what a reader of the topic finds.
func TestRollsAreWhatTheTopicHasAfterAnyHistory(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, kgoaudit.ReportsTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	stories := 0
	rapid.Check(t, func(rt *rapid.T) {
		stories++
		h := newHistory(t, rt, c, fmt.Sprintf("orders-%d", stories))
		defer h.stop()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			h.step(rt)
		}
		h.finish(rt)
	})
}

// fate is what the model knows of a number.
type fate int

const (
	isOpen      fate = iota // acknowledged in a transaction that is not over
	isInDoubt               // of a transaction that was left open
	isDelivered             // acknowledged and, in a transaction, committed
	isRejected
)

// history is the application, and the model of it.
type history struct {
	t        *testing.T
	cluster  *kfake.Cluster
	topic    string
	txn      bool
	books    *books
	producer *kgoaudit.Producer
	client   *kgo.Client

	records []*kgo.Record
	number  map[*kgo.Record]int // the number it has; none when its promise failed
	fates   []fate              // by number
	began   bool
	copies  map[int]int // by number, how often the topic has it, or will have with the transaction under way
	under   map[int]int // of these, under way
}

func newHistory(t *testing.T, rt *rapid.T, c *kfake.Cluster, topic string) *history {
	h := &history{
		t: t, cluster: c, topic: topic, txn: rapid.Bool().Draw(rt, "transactional"), books: &books{},
		number: make(map[*kgo.Record]int), copies: make(map[int]int), under: make(map[int]int),
	}
	cfg := kgoaudit.ProducerConfig{Hop: audit.HopConfig{Stream: topic, Hop: "app"}, Topics: []string{topic}}
	if h.txn && rapid.Bool().Draw(rt, "reports inside") {
		cfg.InTransaction = true
	} else {
		cfg.Hop.Transport = h.books
	}
	var err error
	if h.producer, err = kgoaudit.NewProducer(cfg); err != nil {
		rt.Fatal(err)
	}
	h.connect(rt)
	if _, err := kadm.NewClient(h.client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		rt.Fatal(err)
	}
	return h
}

func (h *history) connect(rt *rapid.T) {
	opts := []kgo.Opt{kgo.SeedBrokers(h.cluster.ListenAddrs()...), kgo.WithHooks(h.producer)}
	if h.txn {
		opts = append(opts, kgo.TransactionalID(h.topic))
	}
	var err error
	if h.client, err = kgo.NewClient(opts...); err != nil {
		rt.Fatal(err)
	}
}

func (h *history) stop() {
	h.client.Close()
	stop(h.producer.Hop())
}

func (h *history) step(rt *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(rt, "step") {
	case 0, 1, 2:
		for range rapid.IntRange(1, 5).Draw(rt, "records") {
			r := &kgo.Record{Topic: h.topic, Value: []byte("order")}
			h.records = append(h.records, r)
			h.produce(rt, r, false)
		}
	case 3:
		r := &kgo.Record{Topic: h.topic}
		h.records = append(h.records, r)
		h.produce(rt, r, true)
	case 4, 5:
		h.again(rt)
	case 6, 7:
		h.begin(rt)
	case 8:
		h.end(rt, rapid.Bool().Draw(rt, "commit"))
	case 9:
		h.swap(rt)
	}
}

// again produces a record, or a copy of one, that was produced before.
func (h *history) again(rt *rapid.T) {
	if len(h.records) == 0 {
		return
	}
	r := rapid.SampledFrom(h.records).Draw(rt, "which")
	if rapid.Bool().Draw(rt, "copy") {
		twin := *r
		if n, ok := h.number[r]; ok {
			h.number[&twin] = n
		}
		h.records = append(h.records, &twin)
		r = &twin
	}
	h.produce(rt, r, rapid.IntRange(0, 4).Draw(rt, "refused") == 0)
}

// produce produces one record. It fails where the broker refuses it, and outside of a transaction.
func (h *history) produce(rt *rapid.T, r *kgo.Record, refuse bool) {
	outside := h.txn && !h.began
	if refuse && !outside {
		refuseOnce(h.cluster)
	}
	err := h.client.ProduceSync(h.t.Context(), r).FirstErr()
	if (err != nil) != (refuse || outside) {
		rt.Fatalf("produced, though refused is %v and outside of a transaction is %v: %v", refuse, outside, err)
	}
	n, has := h.number[r]
	fresh := !has || h.fates[n] == isRejected || h.fates[n] == isInDoubt
	if fresh {
		n = len(h.fates)
		h.fates = append(h.fates, isDelivered)
		h.number[r] = n
	}
	switch {
	case err != nil:
		if fresh {
			h.fates[n] = isRejected
			delete(h.number, r)
		}
	case h.txn:
		if fresh {
			h.fates[n] = isOpen
		}
		h.under[n]++
	default:
		h.copies[n]++
	}
}

func (h *history) begin(rt *rapid.T) {
	if !h.txn || h.began {
		return
	}
	if err := h.client.BeginTransaction(); err != nil {
		rt.Fatal(err)
	}
	h.began = true
}

func (h *history) end(rt *rapid.T, commit bool) {
	if !h.began {
		return
	}
	done, err := kgoaudit.EndTransaction(h.t.Context(), h.client, kgo.TransactionEndTry(commit), h.producer)
	if err != nil || done != commit && len(h.under) > 0 {
		rt.Fatalf("committed: %v, asked for %v: %v", done, commit, err)
	}
	h.began = false
	for n, f := range h.fates {
		switch {
		case f == isOpen && commit:
			h.fates[n] = isDelivered
		case f == isOpen, f == isInDoubt:
			h.fates[n] = isRejected
		}
	}
	if commit {
		for n, k := range h.under {
			h.copies[n] += k
		}
	}
	clear(h.under)
}

// swap goes on with another client; what is under way is aborted by it.
func (h *history) swap(rt *rapid.T) {
	h.client.Close()
	h.connect(rt)
	for n, f := range h.fates {
		if f == isOpen {
			h.fates[n] = isInDoubt
		}
	}
	h.began = false
	clear(h.under)
}

func (h *history) finish(rt *rapid.T) {
	if h.txn { // a transaction ends what the client before left
		h.begin(rt)
		h.produce(rt, &kgo.Record{Topic: h.topic}, false)
		h.end(rt, true)
	}
	if err := h.producer.Close(h.t.Context()); err != nil {
		rt.Fatal(err)
	}
	b := h.books
	if len(b.reports) == 0 {
		b = committedReports(h.t, h.cluster).of(h.topic)
	}
	seen, refused, want, spent := b.roll(wire.Seen), b.roll(wire.Rejected), roaring.New(), roaring.New()
	for n, f := range h.fates {
		if f == isDelivered {
			want.Add(uint32(n))
		} else {
			spent.Add(uint32(n))
		}
	}
	if !seen.Equals(roaring.Or(want, spent)) || !refused.Equals(spent) || !b.roll(wire.Repeated).IsEmpty() {
		rt.Fatalf("seen %v and rejected %v, the model has %v delivered and %v rejected", seen, refused, want, spent)
	}
	h.compareTopic(rt)
	if s := h.producer.Hop().Stats(); s.Held != 0 || s.Strays != 0 || b.last().State != wire.Closed {
		rt.Fatalf("%d are held, %d strays, the last report is %v", s.Held, s.Strays, b.last().State)
	}
}

// compareTopic holds the model against what a reader finds, copies and all.
func (h *history) compareTopic(rt *rapid.T) {
	total := 0
	for _, n := range h.copies {
		total += n
	}
	in, err := kgo.NewClient(kgo.SeedBrokers(h.cluster.ListenAddrs()...), kgo.ConsumeTopics(h.topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		rt.Fatal(err)
	}
	defer in.Close()
	found := make(map[int]int)
	for got := 0; got < total; {
		in.PollFetches(h.t.Context()).EachRecord(func(r *kgo.Record) {
			header, _ := kgoaudit.Header(r)
			found[int(header.UID.Sequence())]++
			got++
		})
	}
	for n := range h.fates {
		if found[n] != h.copies[n] || (h.fates[n] == isDelivered) != (found[n] > 0) {
			rt.Fatalf("number %d is in the topic %d times, the model says %d, and fate %v", n, found[n], h.copies[n], h.fates[n])
		}
	}
}

// of returns the reports of one stream.
func (b *books) of(stream string) *books {
	out := &books{}
	for _, r := range b.reports {
		if r.Stream == stream {
			out.reports = append(out.reports, r)
		}
	}
	return out
}
