package ingest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

// outage is the ten minutes, in virtual time.
const outage = 10 * time.Minute

// inABubble starts a broker without a network, for time that is not real, and returns the options of its clients.
func inABubble(t *testing.T) (brokers []string, opts []kgo.Opt) {
	t.Helper()
	var network kfake.VirtualNetwork
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(network.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	opts = append(quick(), kgo.Dialer(network.DialContext))
	config := TopicConfig{Partitions: 1, Replication: 1, Opts: opts}
	if err := EnsureTopic(t.Context(), cluster.ListenAddrs(), config); err != nil {
		t.Fatal(err)
	}
	return cluster.ListenAddrs(), opts
}

// committedBy is the group's offset.
func committedBy(t *testing.T, c *kgo.Client) int64 {
	t.Helper()
	offsets, err := kadm.NewClient(c).FetchOffsets(t.Context(), Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatal(err)
	}
	at, _ := offsets.Lookup(Topic, 0)
	return max(at.At, 0)
}

func TestAStoreAwayForTenMinutesHoldsTheOffsetsIsSaidToSendersAndIsCaughtUpWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brokers, opts := inABubble(t)
		producer := client(t, brokers, opts...)
		m := newMemory()
		m.away = true
		for n := range 5 {
			produce(t, producer, record(t, "orders", uint64(n+1)))
		}
		in := started(t, m, Config{})
		consumer(t, in, brokers, func(c *ConsumerConfig) { c.RetryFrom, c.RetryTo, c.Opts = 0, 0, opts })
		for begin := time.Now(); time.Since(begin) < outage; {
			w := post(in, bodyOf(t, reportOf("orders", 6, "")))
			wantProblem(t, w, http.StatusServiceUnavailable)
			if w.Header().Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
			if at := committedBy(t, producer); at != 0 {
				t.Fatalf("offset %d is committed after %s, though nothing is stored", at, time.Since(begin))
			}
			pause(t.Context(), 10*time.Second)
		}
		if n := value(t, in.metrics.retries); n < 100 {
			t.Errorf("only %v attempts in %s", n, outage)
		}
		if counted(t, in.metrics.refused, viaHTTP, reasonAway) == 0 {
			t.Error("not counted as away")
		}
		m.set(func(m *memory) { m.away = false })
		pause(t.Context(), 10*time.Second) // the longest pause between two attempts, and a little more
		synctest.Wait()
		if d := cmp.Diff(numbers(5), m.stored()); d != "" {
			t.Error(d)
		}
		if at := committedBy(t, producer); at != 5 {
			t.Errorf("offset %d is committed; want 5", at)
		}
		wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 6, ""))), 1)
	})
}

// A server that is killed does not leave the group. Its successor must not wait for the three quarters of a minute after which a group usually
// gives a member up.
func TestAReaderThatVanishedIsFollowedWithinSeconds(t *testing.T) {
	brokers := testenv.Kafka(t)
	ensure(t, brokers, TopicConfig{Partitions: 1, Replication: 1})
	gate := testenv.NewGate(t, brokers[0])
	defer gate.Open()
	throughGate := kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, gate.Addr())
	})
	m := newMemory()
	consumer(t, started(t, m, Config{}), brokers, func(c *ConsumerConfig) { c.Opts = append(c.Opts, throughGate) })
	produce(t, client(t, brokers), record(t, "orders", 1))
	until(t, m, "the first reads", func() bool { return committed(t, brokers) == 1 })
	gate.Shut()
	produce(t, client(t, brokers), record(t, "orders", 2))
	begin := time.Now()
	consumer(t, started(t, newMemory(), Config{}), brokers)
	until(t, m, "the second reads", func() bool { return committed(t, brokers) == 2 })
	if took := time.Since(begin); took > testLimit*2/3 {
		t.Errorf("only after %s", took)
	}
}
