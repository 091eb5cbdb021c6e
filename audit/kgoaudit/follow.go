package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// What a Consumer refuses to go on with.
var (
	// ErrAutoCommit is returned where the client commits by itself: what it commits
	// before it is processed and reported is lost by a crash, and nobody knows. Set
	// kgo.DisableAutoCommit, as Options does.
	ErrAutoCommit = errors.New("the client commits offsets by itself, before records are processed and reported")
	// ErrNotProcessed is returned after records that were polled were not processed: a
	// commit would pass over them. Close the client and begin anew, as after a crash.
	ErrNotProcessed = errors.New("records that were polled were not processed")
)

// ConsumerConfig configures a Consumer that makes its own hop.
type ConsumerConfig struct {
	Hop    audit.HopConfig
	Topics []string // the topics that carry the stream
	Group  string   // the consumer group; empty where the application assigns partitions and keeps positions itself

	// InTransaction is for a hop that reads, passes on and commits in transactions of a
	// kgo.GroupTransactSession: its reports are sent inside them. Hop.Transport must be
	// nil, and transactions are ended by EndSession, at least once a heartbeat.
	InTransaction bool
	ReportsTopic  string // for InTransaction; the constant of that name when empty

	// Schemas checks each record as it is polled; what came of it counts once the record is
	// processed. Nil for not at all. Records without an audit header that can be read are not
	// checked: ConsumerStats.Unchecked counts them.
	Schemas SchemaChecker
}

// ConsumerStats is what a Consumer counts of records; its Hop has the rest.
type ConsumerStats struct {
	Polled      uint64 // records that franz-go said were polled
	Again       uint64 // of these, polled once more before they were processed: paused, or given back by a rebalance
	Redelivered uint64 // of these, polled once more after they were processed
	Dropped     uint64 // records that were polled and not processed when their partition was revoked, or the transaction aborted
	Unchecked   uint64 // records polled that were not checked against a schema, as they have no audit header that can be read
	Waiting     int    // records that were polled and are not processed, now
}

var (
	_ kgo.HookNewClient             = (*Consumer)(nil)
	_ kgo.HookFetchRecordUnbuffered = (*Consumer)(nil)
	_ Participant                   = (*Consumer)(nil)
)

// FollowConsumer returns a consumer that audits what a client consumes and that
// reports already. Make the client with its Options: then every record that is polled
// is observed once it is processed, which is when its offset is committed by Commit,
// CommitRecords or EndSession, or is below what Done says.
func FollowConsumer(cfg ConsumerConfig) (*Consumer, error) {
	if len(cfg.Topics) == 0 {
		return nil, errors.New("kgoaudit consumer: no topics")
	}
	if cfg.InTransaction && cfg.Group == "" {
		return nil, errors.New("kgoaudit consumer: transactions that read are those of a group, and no group is configured")
	}
	box, err := newOutbox(cfg.InTransaction, cfg.ReportsTopic, &cfg.Hop)
	if err != nil {
		return nil, err
	}
	hop, err := audit.NewHop(cfg.Hop)
	if err != nil {
		return nil, err
	}
	hop.Start()
	c := newConsumer(hop, cfg.Topics)
	c.schemas = cfg.Schemas
	c.group, c.box, c.beat = cfg.Group, box.of(hop), cfg.Hop.Heartbeat
	if c.beat == 0 {
		c.beat = audit.DefaultHeartbeat
	}
	return c, nil
}

// Options is what the client is to be made with: this hook, the topics and the group,
// nothing skipped where a position is lost, only what was committed; no commit but ours,
// and no rebalance while records are being processed. Options that come after these
// take their place; who sets OnPartitionsRevoked or OnPartitionsLost calls the method
// of that name.
func (c *Consumer) Options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.WithHooks(c),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}
	if c.group == "" {
		return opts
	}
	opts = append(opts, kgo.ConsumeTopics(c.topics...), kgo.ConsumerGroup(c.group), kgo.DisableAutoCommit(),
		kgo.OnPartitionsRevoked(c.OnPartitionsRevoked), kgo.OnPartitionsLost(c.OnPartitionsLost))
	if c.box == nil { // a transaction is aborted by a rebalance instead
		opts = append(opts, kgo.BlockRebalanceOnPoll())
	}
	return opts
}

// OnNewClient implements kgo.HookNewClient.
func (c *Consumer) OnNewClient(cl *kgo.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bind(cl)
}

// bind takes a client as the one that consumes, under the lock; without one the consumer observes and can state no watermark.
func (c *Consumer) bind(cl *kgo.Client) {
	if cl == nil {
		return
	}
	c.client, c.admin = cl, kadm.NewClient(cl)
	c.fault = nil
	group, _ := cl.OptValue(kgo.ConsumerGroup).(string)
	manual, _ := cl.OptValue(kgo.DisableAutoCommit).(bool)
	transactional, _ := cl.OptValue(kgo.TransactionalID).(string)
	if group != "" && !manual && transactional == "" {
		c.fault = fmt.Errorf("group %s: %w", group, ErrAutoCommit)
	}
	for _, l := range c.lanes {
		c.drop(l)
	}
}

// OnPartitionsRevoked is for the option of that name: what was polled of the
// partitions and is not processed is not seen.
func (c *Consumer) OnPartitionsRevoked(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ids := range revoked {
		for _, id := range ids {
			c.drop(c.lane(partition{topic, id}))
		}
	}
}

// OnPartitionsLost is for the option of that name.
func (c *Consumer) OnPartitionsLost(ctx context.Context, cl *kgo.Client, lost map[string][]int32) {
	c.OnPartitionsRevoked(ctx, cl, lost)
}

// drop counts and forgets what is not processed of a lane, under the lock.
func (c *Consumer) drop(l *lane) {
	c.stats.Dropped += uint64(len(l.polled.sizes))
	l.polled = polled{told: l.polled.told}
}

// Hop returns the hop, to read its Stats.
func (c *Consumer) Hop() *audit.Hop { return c.hop }

// Stats returns the consumer's counters.
func (c *Consumer) Stats() ConsumerStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	for _, l := range c.lanes {
		s.Waiting += len(l.polled.sizes)
	}
	return s
}

// ready returns why the consumer must not go on, nil when it may.
func (c *Consumer) ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		return errors.New("no client was made with the consumer's Options")
	}
	return c.fault
}

// Round polls once, for at most a heartbeat, has process answer for what came, commits,
// and always lets a rebalance go on. When process returns nil, every record it was
// given is durable, or was filtered or rejected; when it returns an error nothing is
// committed any more, and every later call returns ErrNotProcessed.
func (c *Consumer) Round(ctx context.Context, process func(context.Context, kgo.Fetches) error) error {
	if err := c.ready(); err != nil {
		return err
	}
	poll, cancel := context.WithTimeout(ctx, c.beat)
	defer cancel()
	fetches := c.client.PollFetches(poll)
	defer c.client.AllowRebalance()
	if err := process(ctx, fetches); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fault = fmt.Errorf("%w: %w", ErrNotProcessed, err)
		return c.fault
	}
	errs := []error{c.Commit(ctx)}
	for _, fault := range fetches.Errors() {
		if ctx.Err() != nil || !errors.Is(fault.Err, context.DeadlineExceeded) { // the poll's own end is no fault
			errs = append(errs, fmt.Errorf("poll %s/%d: %w", fault.Topic, fault.Partition, fault.Err))
		}
	}
	return errors.Join(errs...)
}

// CommitRecords is Commit for some of the records polled: those, and all of their
// partitions before them, are processed and durable.
func (c *Consumer) CommitRecords(ctx context.Context, records ...*kgo.Record) error {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for _, r := range records {
		if offsets[r.Topic] == nil {
			offsets[r.Topic] = make(map[int32]kgo.EpochOffset)
		}
		if was, ok := offsets[r.Topic][r.Partition]; !ok || was.Offset <= r.Offset {
			offsets[r.Topic][r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
		}
	}
	return c.commit(ctx, offsets, func() error { return c.client.CommitRecords(ctx, records...) })
}

// Close leaves the group, says CLOSED, and stops. What was polled and not committed is not
// seen here. The client stays open until then, and is closed by the caller after it.
func (c *Consumer) Close(ctx context.Context) error {
	if err := c.leave(ctx); err != nil {
		return errors.Join(fmt.Errorf("close the audited consumer: %w", err), stopHop(c.hop))
	}
	if err := c.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the audited consumer: %w", err)
	}
	return nil
}

func (c *Consumer) leave(ctx context.Context) error {
	c.mu.Lock()
	cl := c.client
	c.mu.Unlock()
	if cl == nil {
		return nil
	}
	cl.AllowRebalance()
	if err := cl.LeaveGroupContext(ctx); err != nil {
		return fmt.Errorf("leave the group: %w", err)
	}
	c.mu.Lock()
	for _, l := range c.lanes {
		c.drop(l)
	}
	c.closing = true
	c.mu.Unlock()
	if c.box == nil {
		return nil
	}
	return c.box.close(ctx, cl, c)
}

// markEvery bounds how often a commit asks for end offsets.
const markEvery = time.Second / 2
