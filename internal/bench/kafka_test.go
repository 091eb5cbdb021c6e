package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// BenchmarkKafkaAudit says what auditing costs a franz-go producer and consumer of records of 100 bytes, in CPU time
// of the client's process; the broker is another one. Each round produces and consumes the same number of records
// three times, in turn: without audit, without audit but with a header of the audit's size in each record, which
// tells what franz-go takes for carrying it, and audited. Only the ratios are to be trusted on a machine that is shared.
func BenchmarkKafkaAudit(b *testing.B) {
	k := &kafkaClients{b: b, brokers: testenv.Kafka(b), records: scaled(b, 300_000), values: payloads(4096, 100)}
	kinds := []kafkaKind{{"off", k.plainProducer, k.plainConsumer}, {"header", k.headerProducer, k.plainConsumer}, {"on", k.auditedProducer, k.auditedConsumer}}
	produced, consumed := make(map[string]spent), make(map[string]spent)
	for round := 0; b.Loop(); round++ {
		for _, kind := range kinds {
			topic := fmt.Sprintf("%s-%d", kind.name, round)
			k.create(topic)
			produced[kind.name] = produced[kind.name].plus(k.measure(func() { kind.produce(topic) }))
			consumed[kind.name] = consumed[kind.name].plus(k.measure(func() { kind.consume(topic) }))
			k.remove(topic)
		}
	}
	n := float64(b.N * k.records)
	for _, kind := range kinds {
		p, c := produced[kind.name], consumed[kind.name]
		b.ReportMetric(float64(p.cpu)/n, "produce-"+kind.name+"-ns/record")
		b.ReportMetric(float64(c.cpu)/n, "consume-"+kind.name+"-ns/record")
		b.ReportMetric(float64(p.mallocs)/n, "produce-"+kind.name+"-allocs/record")
		b.ReportMetric(float64(c.mallocs)/n, "consume-"+kind.name+"-allocs/record")
	}
	for _, over := range []string{"off", "header"} {
		b.ReportMetric(float64(produced["on"].cpu)/float64(produced[over].cpu), "produce-ratio-over-"+over)
		b.ReportMetric(float64(consumed["on"].cpu)/float64(consumed[over].cpu), "consume-ratio-over-"+over)
		on, off := produced["on"].plus(consumed["on"]), produced[over].plus(consumed[over])
		b.ReportMetric(float64(on.cpu)/float64(off.cpu), "ratio-over-"+over)
	}
}

// kafkaKind is one way to produce and consume a topic.
type kafkaKind struct {
	name             string
	produce, consume func(topic string)
}

// spent is what this process used.
type spent struct {
	cpu     time.Duration
	mallocs uint64
}

func (s spent) plus(o spent) spent { return spent{s.cpu + o.cpu, s.mallocs + o.mallocs} }

// kafkaClients are the clients, one after the other.
type kafkaClients struct {
	b       *testing.B
	brokers []string
	records int
	values  [][]byte
}

// payloads returns JSON of one size, as events have it: the names are always the same, the values mostly not.
func payloads(n, size int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		text := fmt.Sprintf(`{"order":%d,"customer":"c-%06d","item":"sku-%05d","amount":%d.%02d,"currency":"EUR","at":"`,
			rand.N(1_000_000_000), rand.N(1_000_000), rand.N(50_000), rand.N(1000), rand.N(100))
		out[i] = append(fmt.Appendf(nil, "%-*s", size-2, text), `"}`...)[:size]
	}
	return out
}

func (k *kafkaClients) check(err error) {
	k.b.Helper()
	if err != nil {
		k.b.Fatal(err)
	}
}

func (k *kafkaClients) client(opts ...kgo.Opt) *kgo.Client {
	k.b.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.brokers...), kgo.MaxBufferedRecords(50_000), kgo.ProducerLinger(5*time.Millisecond))...)
	k.check(err)
	return cl
}

func (k *kafkaClients) create(topic string) {
	cl := k.client()
	defer cl.Close()
	_, err := kadm.NewClient(cl).CreateTopic(k.b.Context(), 6, 1, nil, topic)
	k.check(err)
}

func (k *kafkaClients) remove(topic string) {
	cl := k.client()
	defer cl.Close()
	_, err := kadm.NewClient(cl).DeleteTopics(k.b.Context(), topic)
	k.check(err)
}

func (k *kafkaClients) measure(f func()) spent {
	now := func() spent {
		var usage syscall.Rusage
		k.check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return spent{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), memory.Mallocs}
	}
	runtime.GC()
	before := now()
	f()
	after := now()
	return spent{after.cpu - before.cpu, after.mallocs - before.mallocs}
}

func (k *kafkaClients) produce(topic string, hooks ...kgo.Hook) {
	cl := k.client(kgo.WithHooks(hooks...))
	defer cl.Close()
	failed := func(_ *kgo.Record, err error) {
		if err != nil {
			k.b.Error(err)
		}
	}
	for i := range k.records {
		cl.Produce(k.b.Context(), &kgo.Record{Topic: topic, Value: k.values[i%len(k.values)]}, failed)
	}
	k.check(cl.Flush(k.b.Context()))
}

func (k *kafkaClients) plainProducer(topic string) { k.produce(topic) }

func (k *kafkaClients) headerProducer(topic string) { k.produce(topic, &headers{id: rand.Uint64()}) }

func (k *kafkaClients) auditedProducer(topic string) {
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "app", Transport: takesAll{}},
		Topics: []string{topic}, JournalDir: k.b.TempDir(),
	})
	k.check(err)
	k.produce(topic, p)
	k.check(p.Close(k.b.Context()))
}

// consume reads a topic to its end and commits after each poll.
func (k *kafkaClients) consume(topic string, commit func(*kgo.Client) error, opts ...kgo.Opt) {
	cl := k.client(append(opts, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.WithPools(new(recordPool)))...)
	defer cl.CloseAllowingRebalance()
	for n := 0; n < k.records; cl.AllowRebalance() {
		cl.PollRecords(k.b.Context(), 10_000).EachRecord(func(r *kgo.Record) {
			n++
			r.Recycle()
		})
		k.check(commit(cl))
	}
}

func (k *kafkaClients) plainConsumer(topic string) {
	k.consume(topic, func(cl *kgo.Client) error { return cl.CommitUncommittedOffsets(k.b.Context()) })
}

func (k *kafkaClients) auditedConsumer(topic string) {
	c, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: takesAll{}},
		Topics: []string{topic}, Group: topic,
	})
	k.check(err)
	k.consume(topic, func(*kgo.Client) error { return c.Commit(k.b.Context()) }, c.Options()...)
	k.check(c.Hop().Close(k.b.Context()))
	if n := c.Stats().Polled; n != uint64(k.records) {
		k.b.Fatalf("%d of %d records were followed", n, k.records)
	}
}

// takesAll is a server that takes every report.
type takesAll struct{}

func (takesAll) Send(context.Context, wire.Batch) error { return nil }

// headers gives each record a header as long as the audit's, that differs as much from that of the record before.
type headers struct {
	id   uint64
	next uint32
	slab []oneHeader
}

type oneHeader struct {
	header [1]kgo.RecordHeader
	value  [wire.HeaderSize]byte
}

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered.
func (h *headers) OnProduceRecordBuffered(r *kgo.Record) {
	if len(h.slab) == 0 {
		h.slab = make([]oneHeader, 32)
	}
	one := &h.slab[0]
	h.slab, h.next = h.slab[1:], h.next+1
	binary.BigEndian.PutUint64(one.value[2:], h.id)
	binary.BigEndian.PutUint32(one.value[14:], h.next)
	binary.BigEndian.PutUint32(one.value[24:], h.next*0x9e3779b1) // as good as a checksum: it does not compress
	one.header[0] = kgo.RecordHeader{Key: kgoaudit.HeaderKey, Value: one.value[:]}
	r.Headers = one.header[:]
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered: it is there because the audit's is.
func (h *headers) OnProduceRecordUnbuffered(*kgo.Record, error) {}

// recordPool keeps what the client decodes into.
type recordPool struct{ records, bytes sync.Pool }

// GetRecords implements kgo.PoolRecords.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:n]
	}
	return make([]kgo.Record, n)
}

// PutRecords implements kgo.PoolRecords.
func (p *recordPool) PutRecords(s []kgo.Record) { p.records.Put(&s) }

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (p *recordPool) GetDecompressBytes(in []byte, _ kgo.CompressionCodecType) []byte {
	if s, ok := p.bytes.Get().(*[]byte); ok {
		return (*s)[:0]
	}
	return make([]byte, 0, 4*len(in))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *recordPool) PutDecompressBytes(s []byte) { p.bytes.Put(&s) }
