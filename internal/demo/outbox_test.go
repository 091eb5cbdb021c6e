package demo

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Kafka that has never had a group makes its topic of offsets when the first one is asked for, and until it has done so answers
// that there is no coordinator: the relay died of that.
func TestRelayWaitsForAKafkaThatMakesItsTopicOfOffsets(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topicState))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	var asked atomic.Int32
	cluster.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		in := req.(*kmsg.FindCoordinatorRequest)
		if in.CoordinatorType != 0 || asked.Add(1) > 3 {
			return nil, nil, false
		}
		out := in.ResponseKind().(*kmsg.FindCoordinatorResponse)
		for _, key := range in.CoordinatorKeys {
			c := kmsg.NewFindCoordinatorResponseCoordinator()
			c.Key, c.ErrorCode = key, kerr.CoordinatorNotAvailable.Code
			out.Coordinators = append(out.Coordinators, c)
		}
		return out, nil, true
	})
	box, err := openOutbox(t.Context(), HopConfig{Hop: hopRel, Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Load() < 4 || box.checkpoint != nil || len(box.offsets) != 0 {
		t.Errorf("asked %d times; found %+v on an empty Kafka", asked.Load(), box)
	}
}
