// Package chain keeps the chains of certificates: it owns the topic that decides
// which entries there are, copies those that count into the store, and appends
// entries so that several servers which issue at once make one chain. It must not
// know when an hour may be certified, nor what an entry says beside its place.
package chain

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Store keeps the copy of the entries that count.
type Store interface {
	AddCertificates(ctx context.Context, entries []store.Certificate) error
	CertificateHead(ctx context.Context, stream string, partition int32, before int64) (store.CertificateHead, error)
	CertificatePlaces(ctx context.Context) (map[int32]store.CertificatePlace, error)
	CertificateChain(ctx context.Context, stream string, after uint64, limit int) ([]store.Certificate, error)
}

// Config says where the topic is; zero values take the defaults.
type Config struct {
	Brokers  []string
	Topic    string        // default Topic
	Opts     []kgo.Opt     // more options of the clients, as for TLS
	Patience time.Duration // how long an Append may take; default 20 s
	Pause    time.Duration // before something is tried again; default 250 ms
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = Topic
	}
	if c.Patience <= 0 {
		c.Patience = 20 * time.Second
	}
	if c.Pause <= 0 {
		c.Pause = 250 * time.Millisecond
	}
	return c
}

// Chain reads the topic, and appends to it.
type Chain struct {
	store   Store
	keys    func() *certificate.Keys
	config  Config
	log     *slog.Logger
	metrics metrics
	readers [Partitions]*reader
	client  *kgo.Client // nil until Start
	end     context.CancelFunc
	all     sync.WaitGroup
}

// New builds a chain that connects to nothing until Start; keys are asked for each time anew. The error tells of wrong options, or of metrics
// registered twice.
func New(s Store, keys func() *certificate.Keys, config Config, registry *prometheus.Registry, log *slog.Logger) (*Chain, error) {
	c := &Chain{store: s, keys: keys, config: config.withDefaults(), log: log}
	for p := range c.readers {
		c.readers[p] = newReader(c, int32(p))
	}
	if err := kgo.ValidateOpts(c.options()...); err != nil {
		return nil, fmt.Errorf("chain: options for Kafka %v: %w", config.Brokers, err)
	}
	return c, c.metrics.register(registry)
}

func (c *Chain) options(more ...kgo.Opt) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordDeliveryTimeout(c.config.Patience / 2), kgo.ProducerBatchMaxBytes(largestRecord), kgo.ProducerLinger(0),
		kgo.KeepControlRecords(), // they have offsets too
		kgo.FetchMaxBytes(32 << 20), kgo.FetchMaxPartitionBytes(16 << 20),
	}
	return append(append(opts, more...), c.config.Opts...)
}

// Start begins to copy. It does not wait for Kafka.
func (c *Chain) Start() error {
	client, err := kgo.NewClient(c.options()...)
	if err != nil {
		return fmt.Errorf("chain: connect to Kafka %v: %w", c.config.Brokers, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.client, c.end = client, cancel
	for _, r := range c.readers {
		c.all.Go(func() { r.run(ctx) })
	}
	return nil
}

// Stop ends the copying where it stands: what is not copied then is by whoever reads next.
func (c *Chain) Stop(ctx context.Context) error {
	if c.client == nil {
		return nil
	}
	c.end()
	done := make(chan struct{})
	go func() { c.all.Wait(); c.client.Close(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("chain: stop reading %s: %w", c.config.Topic, ctx.Err())
	}
}

// partitionOf is where the entries of a stream stand, and count.
func partitionOf(stream string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(stream)) // never fails
	return int32(h.Sum32() % Partitions)
}

// bounds are the offsets of the first record of a partition and of the one after its last.
func (c *Chain) bounds(ctx context.Context, partition int32) (first, end int64, err error) {
	admin := kadm.NewClient(c.client)
	starts, err := admin.ListStartOffsets(ctx, c.config.Topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return 0, 0, fmt.Errorf("chain: ask Kafka where topic %s begins: %w", c.config.Topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, c.config.Topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return 0, 0, fmt.Errorf("chain: ask Kafka where topic %s ends: %w", c.config.Topic, err)
	}
	start, ok := starts.Lookup(c.config.Topic, partition)
	last, there := ends.Lookup(c.config.Topic, partition)
	if !ok || !there {
		return 0, 0, fmt.Errorf("chain: topic %s has no partition %d", c.config.Topic, partition)
	}
	return start.Offset, last.Offset, nil
}

// consume makes a client that reads a partition from an offset on. One that is not there is an error of the first poll.
func (c *Chain) consume(partition int32, from int64) (*kgo.Client, error) {
	at := map[string]map[int32]kgo.Offset{c.config.Topic: {partition: kgo.NewOffset().At(from)}}
	client, err := kgo.NewClient(c.options(kgo.ConsumePartitions(at), kgo.ConsumeResetOffset(kgo.NoResetOffset()))...)
	if err != nil {
		return nil, fmt.Errorf("chain: connect to Kafka %v: %w", c.config.Brokers, err)
	}
	return client, nil
}

// pause waits, or less when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
