package share

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/store"
)

// EnsureTopic makes the control topic where it is missing. One with too few partitions is refused: nobody would judge the shares
// that have none.
func EnsureTopic(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)...)
	if err != nil {
		return fmt.Errorf("share: connect to Kafka %v: %w", brokers, err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(ctx, store.Shares, -1, nil, topic)
	if err == nil {
		return nil
	}
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("share: make topic %s on Kafka %v: %w", topic, brokers, err)
	}
	topics, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, topics.Error()); err != nil {
		return fmt.Errorf("share: look at topic %s on Kafka %v: %w", topic, brokers, err)
	}
	if n := len(topics[topic].Partitions); n < store.Shares {
		return fmt.Errorf("share: topic %s has %d partitions, and needs %d: give it more", topic, n, store.Shares)
	}
	return nil
}
