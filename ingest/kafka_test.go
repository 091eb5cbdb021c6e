package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

const testLimit = 30 * time.Second

// quick makes a client notice things fast.
func quick() []kgo.Opt {
	return []kgo.Opt{
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}
}

// eachBroker runs a test on an embedded Kafka and on a real Apache Kafka, each with the topic of reports only.
func eachBroker(t *testing.T, partitions int32, test func(t *testing.T, brokers []string)) {
	testenv.EachKafka(t, func(t *testing.T, brokers []string) {
		ensure(t, brokers, TopicConfig{Partitions: partitions, Replication: 1})
		admin := kadm.NewClient(client(t, brokers))
		until(t, newMemory(), "the topic is known", func() bool { // a broker hears of it after the controller has answered
			topics, err := admin.ListTopics(t.Context(), Topic)
			return err == nil && len(topics[Topic].Partitions) == int(partitions)
		})
		test(t, brokers)
	})
}

// broker is a Kafka in this process with the topic of reports, whose answers a test may change.
func broker(t *testing.T, partitions int32) (*kfake.Cluster, []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ensure(t, cluster.ListenAddrs(), TopicConfig{Partitions: partitions, Replication: 1})
	return cluster, cluster.ListenAddrs()
}

func ensure(t *testing.T, brokers []string, c TopicConfig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	c.Opts = quick()
	if err := EnsureTopic(ctx, brokers, c); err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(append(quick(), kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(Topic), kgo.RecordPartitioner(kgo.ManualPartitioner())), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func produce(t *testing.T, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// record carries one report.
func record(t *testing.T, stream string, number uint64) *kgo.Record {
	t.Helper()
	return &kgo.Record{Key: []byte(stream), Value: bodyOf(t, reportOf(stream, number, ""))}
}

func consumer(t *testing.T, in Taker, brokers []string, change ...func(*ConsumerConfig)) *Consumer {
	t.Helper()
	config := ConsumerConfig{Brokers: brokers, RetryFrom: 10 * time.Millisecond, RetryTo: 50 * time.Millisecond, Opts: quick()}
	for _, f := range change {
		f(&config)
	}
	c, err := NewConsumer(in, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// kill ends a consumer as a crash does: nothing is stored or committed any more.
func kill(c *Consumer) {
	c.gives()
	c.polls()
	<-c.done
	c.kafka().CloseAllowingRebalance()
}

// until waits for something to become true, looking again after each change of the store and ten times a second.
func until(t *testing.T, m *memory, what string, good func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(testLimit), time.NewTicker(100*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !good() {
		select {
		case <-m.changed:
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited %s in vain until %s", testLimit, what)
		}
	}
}

// committed is the sum of the group's offsets.
func committed(t *testing.T, brokers []string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	offsets, err := kadm.NewClient(client(t, brokers)).FetchOffsets(ctx, Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) && !kerr.IsRetriable(err) { // nobody has joined, or Kafka cannot say yet
		t.Fatal(err)
	}
	sum := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
	return sum
}

func numbers(n int) []uint64 {
	var all []uint64
	for i := range n {
		all = append(all, uint64(i+1))
	}
	return all
}

func TestTheMetricOfTheLagFollowsThoughNobodyAsks(t *testing.T) {
	_, brokers := broker(t, 1)
	m := newMemory()
	m.away = true
	in := started(t, m, Config{})
	produce(t, client(t, brokers), record(t, "orders", 1), record(t, "orders", 2))
	consumer(t, in, brokers, func(c *ConsumerConfig) { c.LagEvery = 20 * time.Millisecond })
	until(t, m, "the metric says two", func() bool { return gauge(t, in.metrics.lag) == 2 })
	m.set(func(m *memory) { m.away = false })
	until(t, m, "the metric says none", func() bool { return gauge(t, in.metrics.lag) == 0 })
}

func gauge(t *testing.T, g prometheus.Gauge) float64 {
	t.Helper()
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetGauge().GetValue()
}
