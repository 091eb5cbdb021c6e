package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is where the entries of all chains stand: the key of a record is its stream, the value the envelope.
const Topic = "rollcall.certificates"

// Partitions is how many partitions of the topic are used. It never changes: the entries of a stream count in one partition alone.
const Partitions = 6

const largestRecord = 8 << 20 // bytes

// kept is what the topic must be told so that it keeps every record for ever.
var kept = map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}

// EnsureTopic makes the topic where it is missing. One that has too few partitions, or that does not keep its records for ever, is refused.
func EnsureTopic(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)...)
	if err != nil {
		return fmt.Errorf("chain: connect to Kafka %v: %w", brokers, err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	config := map[string]*string{"segment.bytes": text(strconv.Itoa(16 << 20)), "max.message.bytes": text(strconv.Itoa(largestRecord))}
	for name, value := range kept {
		config[name] = text(value)
	}
	_, err = admin.CreateTopic(ctx, Partitions, -1, config, topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return check(ctx, admin, topic)
	}
	if err != nil {
		return fmt.Errorf("chain: make topic %s on Kafka %v: %w", topic, brokers, err)
	}
	return nil
}

func text(s string) *string { return &s }

// check holds what a topic that somebody else made must be like. Who may not ask for its settings takes it as it is.
func check(ctx context.Context, admin *kadm.Client, topic string) error {
	topics, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, topics.Error()); err != nil {
		return fmt.Errorf("chain: look at topic %s: %w", topic, err)
	}
	if n := len(topics[topic].Partitions); n < Partitions {
		return fmt.Errorf("chain: topic %s has %d partitions, and needs %d: make it anew, or give it more while nothing is in it", topic, n, Partitions)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return fmt.Errorf("chain: look at the settings of topic %s: %w", topic, err)
	}
	found, err := configs.On(topic, nil)
	if err = errors.Join(err, found.Err); errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil
	} else if err != nil {
		return fmt.Errorf("chain: look at the settings of topic %s: %w", topic, err)
	}
	return checkKept(topic, found.Configs)
}

func checkKept(topic string, configs []kadm.Config) error {
	has := map[string]string{}
	for _, one := range configs {
		if one.Value != nil {
			has[one.Key] = *one.Value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if value, told := has[name]; told && value != kept[name] {
			return fmt.Errorf("chain: topic %s has %s=%s, so that certificates would be removed from it: set it to %s", topic, name, value, kept[name])
		}
	}
	return nil
}
