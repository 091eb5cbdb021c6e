package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is where reports are sent through Kafka; the key of a record is its stream.
const Topic = "rollcall.reports"

// TopicConfig says how the topic is made where it is missing; zero values take the defaults.
type TopicConfig struct {
	Name           string
	Partitions     int32 // default 6. Never change it without draining: a stream's reports must stay in order
	Replication    int16 // default: the broker's
	RetentionBytes int64 // of a partition; default 1 GiB. Time does not expire reports
	SegmentBytes   int64 // default 16 MiB
	Opts           []kgo.Opt
}

func (c TopicConfig) withDefaults() TopicConfig {
	if c.Name == "" {
		c.Name = Topic
	}
	if c.Partitions <= 0 {
		c.Partitions = 6
	}
	if c.Replication == 0 {
		c.Replication = -1
	}
	if c.RetentionBytes == 0 {
		c.RetentionBytes = 1 << 30
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 16 << 20
	}
	return c
}

// EnsureTopic makes the topic where it is missing, and leaves one that exists as it is.
func EnsureTopic(ctx context.Context, brokers []string, c TopicConfig) error {
	c = c.withDefaults()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, c.Opts...)...)
	if err != nil {
		return fmt.Errorf("ingest: connect to Kafka %v: %w", brokers, err)
	}
	defer client.Close()
	value := func(n int64) *string { s := strconv.FormatInt(n, 10); return &s }
	_, err = kadm.NewClient(client).CreateTopic(ctx, c.Partitions, c.Replication, map[string]*string{
		"retention.ms": value(-1), "retention.bytes": value(c.RetentionBytes), "segment.bytes": value(c.SegmentBytes),
		"max.message.bytes": value(8 << 20),
	}, c.Name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("ingest: make topic %s on Kafka %v: %w", c.Name, brokers, err)
	}
	return nil
}

const lagTimeout = 5 * time.Second

// Lag is the number of records of the topic that are not yet stored; an error says that Kafka could not be asked.
func (c *Consumer) Lag(ctx context.Context) (int64, error) {
	client := c.kafka()
	if client == nil {
		return 0, errors.New("ingest: the consumer does not run")
	}
	lag, err := Lag(ctx, client, c.config.Topic, c.config.Group)
	if err != nil {
		return 0, err
	}
	c.base.lag.Set(float64(lag))
	return lag, nil
}

// watchLag keeps the metric of the lag fresh: nobody asks a process for its status that only takes reports.
func (c *Consumer) watchLag(ctx context.Context) {
	tick := time.NewTicker(c.config.LagEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := c.Lag(ctx); err != nil && ctx.Err() == nil {
			c.base.log.Debug("the lag could not be read; its metric stays as it was", "error", err)
		}
	}
}

// Lag is the number of records of a topic that the group has not yet stored; an error says that Kafka could not be asked.
func Lag(ctx context.Context, client *kgo.Client, topic, group string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	lag, err := askLag(ctx, kadm.NewClient(client), topic, group)
	if err != nil {
		return 0, fmt.Errorf("ingest: ask Kafka for the lag of group %s: %w", group, err)
	}
	return lag, nil
}

// askLag takes a group that is not known yet, or has committed nothing, as one that has everything before it.
func askLag(ctx context.Context, admin *kadm.Client, topic, group string) (int64, error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return 0, err
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return 0, err
	}
	done, err := admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, err
	}
	sum := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		from := int64(0)
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			from = start.Offset
		}
		if at, ok := done.Lookup(end.Topic, end.Partition); ok {
			from = max(from, at.At)
		}
		sum += max(0, end.Offset-from)
	})
	return sum, nil
}
