// Package share decides which streams this process judges. A Kafka consumer group on a control topic says who is to judge which share of the
// streams, so that a dead member's pass to others; a claim in the store says who does, so that a member that was stopped and wakes, or is cut
// off, writes nothing of a share that another has claimed. See docs/adr/004-sharing-streams.md. It owns membership and claims;
// it must not know what is concluded of a stream.
package share

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Topic is the control topic: it holds no records, and has one partition for each share.
const Topic = "rollcall.reconcile"

// Group is the consumer group that shares the streams.
const Group = "rollcall.reconcile"

// Claims is where shares are claimed.
type Claims interface {
	Claim(ctx context.Context, shares []uint32) ([]store.Claim, error)
	Lost(ctx context.Context, claims []store.Claim) ([]store.Claim, error)
	NotePasses(ctx context.Context, passes []store.SharePass) error
}

// Config says where the group is; zero values take the defaults.
type Config struct {
	Brokers []string
	Topic   string        // default Topic
	Group   string        // default Group
	Name    string        // of this member, as told to people
	Session time.Duration // how long a member may be silent before its shares pass on; default 6 s, the least that Kafka takes by default
	Check   time.Duration // how often claims are looked after and passes noted; default 2 s
	Opts    []kgo.Opt     // more options of the client, as for TLS
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = Topic
	}
	if c.Group == "" {
		c.Group = Group
	}
	if c.Session == 0 {
		c.Session = 6 * time.Second
	}
	if c.Check == 0 {
		c.Check = 2 * time.Second
	}
	return c
}

const (
	beats         = 5               // heartbeats in a session: what the group decided is heard with the next one
	handOver      = 5 * time.Second // how long the group waits for a pass under way; what it writes later is left out
	storePatience = 10 * time.Second
)

// Member is this process among those that judge streams.
type Member struct {
	claims  Claims
	config  Config
	log     *slog.Logger
	metrics metrics
	client  *kgo.Client // nil before Start
	end     context.CancelFunc
	done    chan struct{}
	kick    chan struct{} // what is assigned changed

	passing sync.RWMutex // held for reading by a pass

	mu       sync.Mutex
	decided  bool                            // the group has said what is ours, be it nothing
	adrift   bool                            // the group was lost: what is held is kept until somebody else claims it
	assigned map[uint32]time.Time            // shares that are ours, and from when on they may be claimed
	held     map[uint32]store.Claim          // shares that are claimed
	kept     map[store.Claim]*sync.WaitGroup // of those held, what Keep was called for
	noted    time.Time                       // the last pass that was told to the store
	last     store.SharePass                 // the last pass made: only At and Took
}

type metrics struct {
	held prometheus.Gauge
	lost prometheus.Counter
}

// New returns a member that takes no part until Start. The error tells of wrong options or of metrics registered twice.
func New(claims Claims, config Config, registry prometheus.Registerer, log *slog.Logger) (*Member, error) {
	m := &Member{
		claims: claims, config: config.withDefaults(), log: log, done: make(chan struct{}), kick: make(chan struct{}, 1),
		assigned: map[uint32]time.Time{}, held: map[uint32]store.Claim{}, kept: map[store.Claim]*sync.WaitGroup{},
		metrics: metrics{
			held: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_reconcile_shares", Help: "Shares of the streams that this process judges; all processes together have 16."}),
			lost: prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_reconcile_shares_lost_total", Help: "Shares that another process claimed while this one still held them: it was cut off or stopped, and what it then judged was left out."}),
		},
	}
	if err := kgo.ValidateOpts(m.options()...); err != nil {
		return nil, fmt.Errorf("share: options for Kafka %v: %w", config.Brokers, err)
	}
	for _, c := range []prometheus.Collector{m.metrics.held, m.metrics.lost} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("share: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Member) options() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(m.config.Brokers...),
		kgo.ConsumerGroup(m.config.Group), kgo.ConsumeTopics(m.config.Topic), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(m.config.Session), kgo.HeartbeatInterval(m.config.Session / beats),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.assign(p[m.config.Topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.revoke(p[m.config.Topic]) }),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) { m.lose() }),
	}, m.config.Opts...)
}

// Start joins the group. It does not wait for Kafka.
func (m *Member) Start() error {
	client, err := kgo.NewClient(m.options()...)
	if err != nil {
		return fmt.Errorf("share: connect to Kafka %v: %w", m.config.Brokers, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.client, m.end = client, cancel
	go m.run(ctx)
	return nil
}

// Stop leaves the group, so that others have the shares at once. A pass under way is waited for a few seconds.
func (m *Member) Stop(ctx context.Context) error {
	if m.client == nil {
		return nil
	}
	m.end()
	left := make(chan struct{})
	go func() {
		m.client.Close() // gives back what is assigned
		<-m.done
		close(left)
	}()
	select {
	case <-left:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("share: leave group %s: %w", m.config.Group, ctx.Err())
	}
}

// Ready returns nil when the group has said which shares this process judges, be it none, and it has claimed them.
func (m *Member) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing := 0
	for share := range m.assigned {
		if _, there := m.held[share]; !there {
			missing++
		}
	}
	switch {
	case !m.decided && len(m.held) == 0:
		return errors.New("the group of reconcilers has not yet said which streams are to be judged here")
	case missing > 0:
		return fmt.Errorf("%d of the %d shares of the streams to be judged here are not claimed yet", missing, len(m.assigned))
	}
	return nil
}

// Hold returns the claims that this process has now, and keeps them until done is called with the last pass, where there was one. It is for
// one pass at a time.
func (m *Member) Hold() (claims []store.Claim, done func(at time.Time, took time.Duration)) {
	m.passing.RLock()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.held)), func(at time.Time, took time.Duration) {
		m.mu.Lock()
		m.last = store.SharePass{At: at, Took: took, Member: m.config.Name}
		m.mu.Unlock()
		m.passing.RUnlock()
	}
}

// assign takes what the group newly gives.
func (m *Member) assign(partitions []int32) {
	m.mu.Lock()
	for _, p := range partitions {
		if p < store.Shares { // a topic may have more partitions than there are shares
			m.assigned[uint32(p)] = time.Time{}
		}
	}
	if m.adrift { // all that is ours was just named
		for share := range m.held {
			if _, ours := m.assigned[share]; !ours {
				m.drop(share)
			}
		}
	}
	m.decided, m.adrift = true, false
	m.mu.Unlock()
	m.wake()
}

// revoke gives shares back: the group waits for it, and it for the pass under way and for what is kept, so that whoever is next begins where
// that ends.
func (m *Member) revoke(partitions []int32) {
	var kept []*sync.WaitGroup
	m.mu.Lock()
	for _, p := range partitions {
		delete(m.assigned, uint32(p))
		if one := m.drop(uint32(p)); one != nil {
			kept = append(kept, one)
		}
	}
	m.metrics.held.Set(float64(len(m.held)))
	m.mu.Unlock()
	if len(partitions) > 0 {
		m.await(kept)
	}
}

// lose is called when the group has put us out or cannot be reached. What is held is judged on until somebody else claims it: nobody may be
// there to do so.
func (m *Member) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.assigned)
	m.adrift = true
}

// await waits for the pass under way and what is kept, no longer than handOver.
func (m *Member) await(kept []*sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		m.passing.Lock()
		m.passing.Unlock() //nolint:staticcheck // only to have waited
		for _, one := range kept {
			one.Wait()
		}
		close(ended)
	}()
	limit := time.NewTimer(handOver)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
		m.log.Warn("what is under way took too long: the streams are handed over without it", "waited", handOver)
	}
}

func (m *Member) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}
