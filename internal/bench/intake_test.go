package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// BenchmarkIngestMinuteFromApacheKafka takes in the reports of one minute at 2 million events a second, all of which wait in a real
// Apache Kafka: the consumer, its intake and ClickHouse, from the start of the consumer until the last report is stored.
func BenchmarkIngestMinuteFromApacheKafka(b *testing.B) {
	p := plan{Seconds: 60, After: 35, Sources: 64, Emitters: 8, Hops: 4, PerSecond: scaled(b, 2_000_000)}
	brokers := testenv.OwnApacheKafka(b, apachekafka.Config{}).Brokers() // gone when the other benchmarks count their children
	for n := 0; b.Loop(); n++ {
		p.Start = windowStart()
		topic := fmt.Sprintf("%s-%d", ingest.Topic, n)
		if err := ingest.EnsureTopic(b.Context(), brokers, ingest.TopicConfig{Name: topic}); err != nil {
			b.Fatal(err)
		}
		reports, bytes := produceReports(b, brokers, topic, p)
		d := openDatabase(b)
		took := takeIn(b, d, ingest.ConsumerConfig{Brokers: brokers, Topic: topic, Group: topic}, reports)
		if stored := d.reportsOf(b); stored != reports {
			b.Fatalf("%d reports are stored without a gap, %d were produced", stored, reports)
		}
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(float64(reports)/took.Seconds(), "reports/s")
		b.ReportMetric(float64(reports), "reports")
		b.ReportMetric(float64(bytes)/(1<<20)/took.Seconds(), "MB/s")
		b.ReportMetric(float64(p.events())/took.Seconds()/1e6, "Mevents/s")
	}
}

// produceReports plays the plan into the topic of reports, as a Reporter sends them, and returns how many reports there are and
// their bytes.
func produceReports(b *testing.B, brokers []string, topic string, p plan) (reports uint64, bytes int) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(8<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	e, err := startEmitters(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	for {
		bodies, err := e.second()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		records := make([]*kgo.Record, len(bodies))
		for i, body := range bodies {
			batch, err := wire.DecodeProto(body, wire.DefaultLimits())
			if err != nil {
				b.Fatal(err)
			}
			reports, bytes = reports+uint64(len(batch.Reports)), bytes+len(body)
			records[i] = &kgo.Record{Key: []byte(stream), Value: body}
		}
		if err := client.ProduceSync(b.Context(), records...).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := e.wait(); err != nil {
		b.Fatal(err)
	}
	return reports, bytes
}

// takeIn runs the consumer until so many reports are stored, and returns how long that took.
func takeIn(b *testing.B, d database, config ingest.ConsumerConfig, reports uint64) time.Duration {
	b.Helper()
	log := slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	in, err := ingest.New(ingest.Deps{Store: d.Store, Registry: prometheus.NewRegistry(), Log: log}, ingest.Config{})
	if err != nil {
		b.Fatal(err)
	}
	in.Start()
	consumer, err := ingest.NewConsumer(in, config)
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	if err := consumer.Start(); err != nil {
		b.Fatal(err)
	}
	tick, late := time.NewTicker(5*time.Millisecond), time.NewTimer(30*time.Minute)
	defer tick.Stop()
	defer late.Stop()
	for in.Accepted() < reports && in.Quarantined() == 0 {
		select {
		case <-tick.C:
		case <-late.C:
			b.Fatalf("%d of %d reports are stored", in.Accepted(), reports)
		}
	}
	took := time.Since(begun)
	if err := errors.Join(consumer.Stop(context.Background()), in.Stop(context.Background())); err != nil {
		b.Fatal(err)
	}
	if n := in.Quarantined(); n > 0 || in.Accepted() != reports {
		b.Fatalf("%d records are in quarantine, %d reports stored of %d", n, in.Accepted(), reports)
	}
	return took
}

// reportsOf is the number of reports that are stored without a gap, of all emitters of the stream.
func (d database) reportsOf(b *testing.B) (n uint64) {
	b.Helper()
	emitters, err := d.Emitters(b.Context(), stream)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range emitters {
		n += e.Counted
	}
	return n
}
