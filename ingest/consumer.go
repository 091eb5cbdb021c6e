package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Group is the consumer group that shares the topic's partitions.
const Group = "rollcall.ingest"

// sessionTimeout is how long the partitions of a reader that was killed wait for another: as short as a broker takes by default, for until
// then no verdict follows. A reader that waits for the store still tells the group that it lives.
const sessionTimeout = 6 * time.Second

// rebalanceTimeout is how long the group waits for each member when one comes or goes. A reader that waits for the store for longer loses its
// partitions: whoever has them then reads the same again, which changes nothing.
const rebalanceTimeout = 10 * time.Second

// ConsumerConfig says where records are read from; zero values take the defaults.
type ConsumerConfig struct {
	Brokers     []string
	Topic       string        // default Topic
	Group       string        // default Group
	PollRecords int           // records stored between two commits; default 500
	Attempts    int           // how often a record is tried that the store refuses, before it is put aside; default 3
	BatchBytes  int           // bytes that a batch of the topic may unpack to; default 64 MiB
	RetryFrom   time.Duration // first pause while the store is away; default 100 ms
	RetryTo     time.Duration // longest pause; default 5 s
	LagEvery    time.Duration // how often the metric of the lag is read anew; default 10 s
	Opts        []kgo.Opt     // more options of the client, as for TLS
}

func (c ConsumerConfig) withDefaults() ConsumerConfig {
	if c.Topic == "" {
		c.Topic = Topic
	}
	if c.Group == "" {
		c.Group = Group
	}
	setDefault(&c.PollRecords, 500)
	setDefault(&c.Attempts, 3)
	setDefault(&c.BatchBytes, 64<<20)
	setDefault(&c.RetryFrom, 100*time.Millisecond)
	setDefault(&c.RetryTo, 5*time.Second)
	setDefault(&c.LagEvery, 10*time.Second)
	return c
}

// Taker stores what records of Kafka hold: an *Intake reports, a *Samples samples.
type Taker interface {
	// takeRecord reads a record and queues what it holds when there is room for it, and returns how to wait for the answer.
	takeRecord(ctx context.Context, record *kgo.Record) func() error
	common() *base
}

// Consumer reads a topic of Kafka, at least once: what was polled is stored or put aside before its
// offsets are committed, so that a crash at any point reads it again, which changes nothing.
type Consumer struct {
	taker  Taker
	base   *base
	config ConsumerConfig

	mu     sync.Mutex
	client *kgo.Client // nil until Start
	polls  context.CancelFunc
	gives  context.CancelFunc
	done   chan struct{}
}

// NewConsumer builds a consumer that connects to nothing until Start. The error tells of wrong options.
func NewConsumer(taker Taker, config ConsumerConfig) (*Consumer, error) {
	c := &Consumer{taker: taker, base: taker.common(), config: config.withDefaults()}
	if err := kgo.ValidateOpts(c.options()...); err != nil {
		return nil, fmt.Errorf("ingest: options for Kafka %v: %w", config.Brokers, err)
	}
	return c, nil
}

func (c *Consumer) options() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(c.config.Brokers...),
		kgo.ConsumerGroup(c.config.Group), kgo.ConsumeTopics(c.config.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // the default begins near the end and would skip reports
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),      // a transactional hop's reports count with its output
		kgo.KeepControlRecords(),                          // else the last marker of a transaction is never committed, and lags for ever
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(sessionTimeout / 4), kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.MaxDecompressBatchBytes(c.config.BatchBytes), kgo.FetchMaxBytes(32 << 20), kgo.FetchMaxPartitionBytes(8 << 20),
	}, c.config.Opts...)
}

func (c *Consumer) kafka() *kgo.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client
}

// Start joins the group and begins to read. It does not wait for Kafka.
func (c *Consumer) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return errors.New("ingest: the consumer was started before")
	}
	client, err := kgo.NewClient(c.options()...)
	if err != nil {
		return fmt.Errorf("ingest: connect to Kafka %v: %w", c.config.Brokers, err)
	}
	poll, stopPolling := context.WithCancel(context.Background())
	work, giveUp := context.WithCancel(context.Background())
	c.client, c.polls, c.gives, c.done = client, stopPolling, giveUp, make(chan struct{})
	go c.run(poll, work)
	go c.watchLag(poll)
	return nil
}

// Stop polls no more, stores and commits what was polled, and leaves the group. When ctx ends first what is not
// stored is left uncommitted, to be read again by whoever comes next, and an error says so.
func (c *Consumer) Stop(ctx context.Context) error {
	client := c.kafka()
	if client == nil {
		return nil
	}
	c.polls()
	defer client.CloseAllowingRebalance()
	defer c.gives()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		c.gives()
		<-c.done
		return fmt.Errorf("ingest: stop reading %s: what was polled last is left for the next reader: %w", c.config.Topic, ctx.Err())
	}
}

// run polls until poll ends; work ends what is done with records already polled.
func (c *Consumer) run(poll, work context.Context) {
	defer close(c.done)
	for {
		fetches := c.client.PollRecords(poll, c.config.PollRecords)
		if fetches.IsClientClosed() || work.Err() != nil {
			return
		}
		if c.handle(work, fetches) {
			c.commit(work)
		}
		c.skipBombs(work, fetches)
		c.client.AllowRebalance()
		if poll.Err() != nil {
			return
		}
	}
}

// handle stores all records of a poll and says whether it did.
func (c *Consumer) handle(ctx context.Context, fetches kgo.Fetches) bool {
	failed := false
	fetches.EachError(func(topic string, partition int32, err error) {
		if errors.Is(err, context.Canceled) {
			return
		}
		failed = true
		c.base.kafka.fetchErrors.Inc()
		c.base.log.Warn("reading from Kafka failed; trying again", "topic", topic, "partition", partition, "error", err)
	})
	if failed && fetches.NumRecords() == 0 {
		pause(ctx, c.config.RetryFrom)
	}
	return fetches.NumRecords() > 0 && c.store(ctx, fetches.Records()) == nil
}

// commit is of everything polled so far, all of which is stored or put aside.
func (c *Consumer) commit(ctx context.Context) {
	if err := c.client.CommitUncommittedOffsets(ctx); err != nil {
		c.base.kafka.commitFails.Inc()
		c.base.log.Warn("offsets could not be committed; the records will be read again", "group", c.config.Group, "error", err)
	}
}

// skipBombs puts a batch that unpacks to more than is taken aside, without its bytes, and goes on after it: the
// client has stopped the partition there.
func (c *Consumer) skipBombs(ctx context.Context, fetches kgo.Fetches) {
	fetches.EachError(func(_ string, _ int32, err error) {
		var bomb *kgo.ErrDecompressTooLarge
		if !errors.As(err, &bomb) {
			return
		}
		reason := fmt.Sprintf("the batch of offsets %d to %d unpacks to more than %d bytes", bomb.Offset, bomb.NextOffset-1, c.config.BatchBytes)
		aside := quarantined(bomb.Topic, bomb.Partition, bomb.Offset, c.base.now(), reason, nil)
		if c.putAside(ctx, []setAside{{aside, reasonDecompress}}) != nil {
			return
		}
		next := kgo.EpochOffset{Epoch: bomb.Epoch, Offset: bomb.NextOffset}
		c.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{bomb.Topic: {bomb.Partition: next}})
	})
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

// retry calls try until it succeeds or ctx ends, with longer and longer pauses.
func (c *Consumer) retry(ctx context.Context, try func() error) error {
	wait := c.config.RetryFrom
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		c.base.kafka.retries.Inc()
		if !errors.Is(err, store.ErrAway) {
			c.base.log.Error("what was read from Kafka could not be stored; trying again", "topic", c.config.Topic, "error", err)
		}
		pause(ctx, wait)
		wait = min(2*wait, c.config.RetryTo)
	}
}
