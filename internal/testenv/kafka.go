package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/apachekafka"
	"github.com/rollcallhq/rollcall/internal/embedded"
)

const emptyPoll = 100 * time.Millisecond

// sharedKafka is the Apache Kafka of this test binary.
var sharedKafka apacheServer

// apacheServer is a broker that is started by the first test that needs it, and lent to one test at a time.
type apacheServer struct {
	once   sync.Once
	lent   sync.Mutex
	dir    string
	broker *apachekafka.Broker
	err    error
}

// Kafka starts an embedded broker of the test's own, empty, and returns its address in the form clients take. It is
// stopped when the test ends.
func Kafka(t testing.TB) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	kafka, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: t.TempDir(), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if err := kafka.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return kafka.Brokers()
}

// ApacheKafka returns the address of a real Apache Kafka that the tests of a package use one after the other: each
// finds it without topics and groups, and must have closed its clients when it ends. Where there is none the test
// ends: skipped, or failed in CI. It is not for parallel tests, nor for one that asks for a broker's death.
func ApacheKafka(t testing.TB) []string {
	t.Helper()
	if !sharedKafka.lent.TryLock() {
		t.Fatal("testenv: the shared Apache Kafka is another test's until that ends; ask OwnApacheKafka")
	}
	t.Cleanup(sharedKafka.lent.Unlock)
	sharedKafka.once.Do(sharedKafka.start)
	if errors.Is(sharedKafka.err, apachekafka.ErrMissing) {
		absent(t, sharedKafka.err)
	}
	if sharedKafka.err != nil {
		t.Fatal(sharedKafka.err)
	}
	if err := empty(t.Context(), sharedKafka.broker.Brokers()); err != nil {
		t.Fatalf("empty the shared Apache Kafka: %v", err)
	}
	return sharedKafka.broker.Brokers()
}

// OwnApacheKafka starts a real Apache Kafka of the test's own, which the test may kill and restart, in a directory
// of its own unless config names one. It is killed when the test ends. Where there is none the test ends as for
// ApacheKafka.
func OwnApacheKafka(t testing.TB, config apachekafka.Config) *apachekafka.Broker {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	broker, err := apachekafka.Start(ctx, config)
	if errors.Is(err, apachekafka.ErrMissing) {
		absent(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Kill(); err != nil {
			t.Error(err)
		}
	})
	return broker
}

// EachKafka runs a test on an embedded broker and on a real Apache Kafka, each empty. With -short it leaves the second
// out.
func EachKafka(t *testing.T, test func(t *testing.T, brokers []string)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Kafka(t)) })
	t.Run("apache", func(t *testing.T) {
		if testing.Short() {
			t.Skip("a real Apache Kafka is not for -short")
		}
		test(t, ApacheKafka(t))
	})
}

func (s *apacheServer) start() {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if s.dir, s.err = os.MkdirTemp("", "rollcall-test-kafka-"); s.err != nil {
		return
	}
	s.broker, s.err = apachekafka.Start(ctx, apachekafka.Config{Dir: s.dir})
}

// stop kills the broker: nothing of it is to be kept.
func (s *apacheServer) stop() error {
	var killed error
	if s.broker != nil {
		killed = s.broker.Kill()
	}
	if s.dir == "" {
		return killed
	}
	return errors.Join(killed, os.RemoveAll(s.dir))
}

// empty deletes all topics and groups.
func empty(ctx context.Context, brokers []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(emptyPoll/2))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	admin := kadm.NewClient(client)
	if err := deleteTopics(ctx, admin); err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	for _, group := range groups.Groups() {
		if err := deleteGroup(ctx, admin, group); err != nil {
			return fmt.Errorf("delete group %s: %w", group, err)
		}
	}
	return nil
}

// deleteTopics returns when the broker knows of no topic any more: it hears of it after the controller has answered, and
// a client that was told of a topic which is then made anew would be lost.
func deleteTopics(ctx context.Context, admin *kadm.Client) error {
	return eventually(ctx, func() (bool, error) {
		topics, err := admin.ListTopics(ctx)
		if err != nil || len(topics) == 0 {
			return true, err
		}
		deleted, err := admin.DeleteTopics(ctx, topics.Names()...)
		if err = errors.Join(err, deleted.Error()); errors.Is(err, kerr.UnknownTopicOrPartition) {
			err = nil // it is on its way
		}
		return false, err
	})
}

// deleteGroup deletes a group, once members that died without leaving it are given up.
func deleteGroup(ctx context.Context, admin *kadm.Client, group string) error {
	return eventually(ctx, func() (bool, error) {
		_, err := admin.DeleteGroup(ctx, group)
		if errors.Is(err, kerr.NonEmptyGroup) {
			return false, nil
		}
		return true, err
	})
}

// eventually tries until it is done, fails, or ctx ends.
func eventually(ctx context.Context, try func() (done bool, err error)) error {
	tick := time.NewTicker(emptyPoll)
	defer tick.Stop()
	for {
		if done, err := try(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
