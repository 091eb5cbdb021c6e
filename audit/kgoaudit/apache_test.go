package kgoaudit_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// suite is the tests of this package with the services they start, so that what leaks is looked for after those are stopped.
type suite struct{ *testing.M }

func (s suite) Run() int { return testenv.Main(s.M) }

// kafka is a broker that clients connect to.
type kafka interface{ ListenAddrs() []string }

type apache []string

func (a apache) ListenAddrs() []string { return a }

// newKafka starts a broker with the topics orders, of so many partitions, and kgoaudit.ReportsTopic.
type newKafka func(t *testing.T, partitions int32) kafka

// onEach runs a test on kfake and on a real Apache Kafka.
func onEach(t *testing.T, test func(*testing.T, newKafka)) {
	t.Run("kfake", func(t *testing.T) {
		test(t, func(t *testing.T, partitions int32) kafka { return cluster(t, partitions) })
	})
	t.Run("apache", func(t *testing.T) {
		if testing.Short() {
			t.Skip("a real Apache Kafka is not for -short")
		}
		test(t, apacheCluster)
	})
}

func apacheCluster(t *testing.T, partitions int32) kafka {
	t.Helper()
	brokers := apache(testenv.ApacheKafka(t))
	admin := kadm.NewClient(client(t, brokers))
	topics := map[string]int32{"orders": partitions, kgoaudit.ReportsTopic: 1}
	for topic, n := range topics {
		if _, err := admin.CreateTopic(t.Context(), n, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for { // a broker hears of a topic after the controller has answered
		known, err := admin.ListTopics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(known) == len(topics) {
			return brokers
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test ended before its topics were known")
		}
	}
}
