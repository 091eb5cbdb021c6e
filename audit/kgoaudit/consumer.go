package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// maxMarks bounds the marks a lagging partition keeps; beyond it every other one goes.
const maxMarks = 128

// Consumer states the watermarks of the partitions that a client consumes. At a mark
// it reads the clock and then asks for the number of partitions and their end
// offsets: whatever was produced before the clock was read lies below them, or has
// not been acknowledged. Once everything below the end offset of a partition is
// processed and durable, the clock reading is its lane's watermark.
//
// One from FollowConsumer is a hook as well, and observes what the client polls once it
// is processed. With one from NewConsumer the application calls Observe.
type Consumer struct {
	hop     *audit.Hop
	topics  []string
	fields  Fields
	schemas SchemaChecker
	group   string
	beat    time.Duration
	box     *outbox                              // nil: the reports are not sent inside transactions
	heads   map[string]map[int32]kgo.EpochOffset // what the transaction under way commits
	tried   bool                                 // its commit was asked for
	marked  time.Time                            // when Mark was called last

	mu       sync.Mutex
	client   *kgo.Client // nil until it is made
	admin    *kadm.Client
	fault    error // why it must not go on
	closing  bool
	lanes    map[partition]*lane
	recent   *lane // the lane of the last record polled
	recentAt partition
	stats    ConsumerStats
}

type partition struct {
	topic string
	id    int32
}

// lane is one partition: how far it is processed, and the marks not yet reached.
type lane struct {
	done   int64 // offset of the first record not known to be processed; -1 when unknown
	looked int64 // done, when Mark was called last
	marks  []mark
	polled polled
}

type mark struct {
	at  time.Time
	end int64
}

// NewConsumer returns a consumer of the topics for a hop. It does not ask anything yet.
func NewConsumer(client *kgo.Client, hop *audit.Hop, topics ...string) *Consumer {
	c := newConsumer(hop, topics)
	c.bind(client)
	return c
}

func newConsumer(hop *audit.Hop, topics []string) *Consumer {
	return &Consumer{hop: hop, topics: topics, beat: audit.DefaultHeartbeat, lanes: make(map[partition]*lane)}
}

// UseFields sets where records have their identity that have neither an audit header
// nor the attributes of CloudEvents. Call it before Observe. It returns an error when
// the fields cannot be such.
func (c *Consumer) UseFields(f Fields) error {
	if err := f.check(); err != nil {
		return err
	}
	c.fields = f
	return nil
}

// Observe takes a record over, after the hop answers for it; see Observe and
// UseFields.
func (c *Consumer) Observe(r *kgo.Record, at time.Time) audit.Mark {
	id, err := Identify(r, c.fields)
	return c.hop.TakeAs(id, err, r.Value, at)
}

// Mark reads the clock, then asks for the partitions and their end offsets, and
// states the watermark of every lane that is past its mark already. A consumer that
// uses Commit need not call it.
func (c *Consumer) Mark(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	now := time.Now()
	count, err := c.partitions(ctx)
	if err != nil {
		return err
	}
	ends, err := c.admin.ListEndOffsets(ctx, c.topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("list the end offsets of %v: %w", c.topics, err)
	}
	done, err := c.done(ctx)
	if err != nil {
		return err
	}
	c.marked = now
	c.hop.SetLaneCount(count) // before the lanes: a partition that is new holds back what they say
	return c.markLanes(ctx, now, ends, done)
}

// partitions asks how many partitions the topics have. The client's own memory will not
// do: it is some seconds old, and a partition that was added since has events already.
func (c *Consumer) partitions(ctx context.Context) (n uint32, err error) {
	topics, err := describe(ctx, c.client, c.topics...)
	for _, t := range topics {
		n += uint32(len(t.Partitions))
	}
	return n, err
}

func (c *Consumer) markLanes(ctx context.Context, now time.Time, ends kadm.ListedOffsets, done map[partition]int64) error {
	stuck := make(map[partition]int64)
	c.mu.Lock()
	ends.Each(func(o kadm.ListedOffset) {
		p := partition{o.Topic, o.Partition}
		l := c.lane(p)
		l.add(mark{now, o.Offset})
		l.done = max(l.done, done[p])
		if l.done == l.looked && l.done < o.Offset && len(l.polled.runs) == 0 {
			stuck[p] = l.done
		}
		l.looked = l.done
		c.state(p, l)
	})
	c.mu.Unlock()
	for p, from := range stuck {
		if err := c.skip(ctx, p, from); err != nil {
			return err
		}
	}
	return nil
}

// skip moves a lane over offsets that no poll returns: the markers that end
// transactions, and aborted records.
func (c *Consumer) skip(ctx context.Context, p partition, from int64) error {
	level := kgo.ReadUncommitted()
	if n, _ := c.client.OptValue(kgo.FetchIsolationLevel).(int8); n == 1 {
		level = kgo.ReadCommitted()
	}
	for {
		s, err := look(ctx, c.client, place{p, from}, level)
		if err != nil {
			return err
		}
		if s.next <= from {
			return nil
		}
		from = s.next
		c.Done(p.topic, p.id, from)
		if s.first >= 0 {
			return nil
		}
	}
}

// done returns how far each partition is done with, whoever consumed it: what the
// group committed is processed, durable and reported, because Commit commits last;
// and below its start a partition holds nothing any more. So a quiet partition's lane
// moves, also when its consumer has changed.
func (c *Consumer) done(ctx context.Context) (map[partition]int64, error) {
	starts, err := c.admin.ListStartOffsets(ctx, c.topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list the start offsets of %v: %w", c.topics, err)
	}
	done := make(map[partition]int64)
	starts.Each(func(o kadm.ListedOffset) { done[partition{o.Topic, o.Partition}] = o.Offset })
	group, _ := c.client.OptValue(kgo.ConsumerGroup).(string)
	if group == "" {
		return done, nil
	}
	committed, err := c.admin.FetchOffsetsForTopics(ctx, group, c.topics...)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the offsets of group %s: %w", group, err)
	}
	committed.Each(func(o kadm.OffsetResponse) {
		p := partition{o.Topic, o.Partition}
		done[p] = max(done[p], o.At)
	})
	return done, nil
}

// Done says that every record of the partition below next is processed and durable,
// and observed, unless this consumer does that. Commit calls it for what it commits; a
// hop that keeps its positions itself calls it, also at its start, for each partition
// that it reads.
func (c *Consumer) Done(topic string, id int32, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := partition{topic, id}
	l := c.lane(p)
	l.polled.observe(c, next, time.Now())
	l.done = max(l.done, next)
	c.state(p, l)
}

func (c *Consumer) lane(p partition) *lane {
	l := c.lanes[p]
	if l == nil {
		l = &lane{done: -1, looked: -1}
		c.lanes[p] = l
	}
	return l
}

func (l *lane) add(m mark) {
	if len(l.marks) >= maxMarks {
		kept := l.marks[:0]
		for i := 1; i < len(l.marks); i += 2 {
			kept = append(kept, l.marks[i])
		}
		l.marks = kept
	}
	l.marks = append(l.marks, m)
}

// state sets the lane's watermark to the latest mark that is reached.
func (c *Consumer) state(p partition, l *lane) {
	reached := 0
	for reached < len(l.marks) && l.marks[reached].end <= l.done {
		reached++
	}
	if reached > 0 {
		c.hop.SetLane(Lane(p.topic, p.id), l.marks[reached-1].at)
		l.marks = slices.Delete(l.marks, 0, reached)
	}
}

// Commit ends a round of poll, durable write, observe: it waits until the server has
// the reports of all that was observed, commits what was polled, states the
// watermarks reached, and marks anew, at most twice a second. Call it only when every
// polled record is processed and durable; call it also when nothing was polled. A
// failed Commit has committed nothing that is not reported, and may be repeated.
//
// A hop in durable mode uses Mark about once a heartbeat, and Done before each
// Checkpoint for what that checkpoint makes durable. If it commits offsets to the
// group at all, then only after the checkpoint that holds them is stored.
func (c *Consumer) Commit(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	return c.commit(ctx, c.client.UncommittedOffsets(), func() error { return c.client.CommitUncommittedOffsets(ctx) })
}

// commit observes what lies below the offsets, has it reported, and commits it.
func (c *Consumer) commit(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset, commit func() error) error {
	if err := errors.Join(c.ready(), c.refuseInTransaction()); err != nil {
		return err
	}
	if len(offsets) > 0 {
		c.observe(offsets)
		if err := c.hop.Flush(ctx); err != nil {
			return fmt.Errorf("report before the commit: %w", err)
		}
		if err := commit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	c.doneAll(offsets)
	return c.markInTurn(ctx)
}

func (c *Consumer) doneAll(offsets map[string]map[int32]kgo.EpochOffset) {
	for topic, partitions := range offsets {
		for id, o := range partitions {
			c.Done(topic, id, o.Offset)
		}
	}
}

// markInTurn marks anew, unless that was done a moment ago.
func (c *Consumer) markInTurn(ctx context.Context) error {
	if time.Since(c.marked) < markEvery {
		return nil
	}
	return c.Mark(ctx)
}
