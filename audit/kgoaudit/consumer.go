package kgoaudit

import (
	"context"
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
type Consumer struct {
	client *kgo.Client
	admin  *kadm.Client
	hop    *audit.Hop
	topics []string
	fields Fields

	mu    sync.Mutex
	lanes map[partition]*lane
}

type partition struct {
	topic string
	id    int32
}

// lane is one partition: how far it is processed, and the marks not yet reached.
type lane struct {
	done  int64 // offset of the first record not known to be processed; -1 when unknown
	marks []mark
}

type mark struct {
	at  time.Time
	end int64
}

// NewConsumer returns a consumer of the topics for a hop. It does not ask anything yet.
func NewConsumer(client *kgo.Client, hop *audit.Hop, topics ...string) *Consumer {
	return &Consumer{
		client: client, admin: kadm.NewClient(client), hop: hop, topics: topics,
		lanes: make(map[partition]*lane),
	}
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
	now := time.Now()
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
	c.mu.Lock()
	defer c.mu.Unlock()
	count := uint32(0)
	ends.Each(func(o kadm.ListedOffset) {
		count++
		p := partition{o.Topic, o.Partition}
		l := c.lane(p)
		l.add(mark{now, o.Offset})
		l.done = max(l.done, done[p])
		c.state(p, l)
	})
	c.hop.SetLaneCount(count)
	return nil
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

// Done says that every record of the partition below next is processed, durable and
// observed. Commit calls it for what it commits; a hop that keeps its positions
// itself calls it, also at its start, for each partition that it reads.
func (c *Consumer) Done(topic string, id int32, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := partition{topic, id}
	l := c.lane(p)
	l.done = max(l.done, next)
	c.state(p, l)
}

func (c *Consumer) lane(p partition) *lane {
	l := c.lanes[p]
	if l == nil {
		l = &lane{done: -1}
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
// watermarks reached, and marks anew. Call it only when every polled record is
// processed and durable; call it also when nothing was polled. A failed Commit has
// committed nothing that is not reported, and may be repeated.
//
// A hop in durable mode uses Mark about once a heartbeat, and Done before each
// Checkpoint for what that checkpoint makes durable. If it commits offsets to the
// group at all, then only after the checkpoint that holds them is stored.
func (c *Consumer) Commit(ctx context.Context) error {
	polled := c.client.UncommittedOffsets()
	if len(polled) > 0 {
		if err := c.hop.Flush(ctx); err != nil {
			return fmt.Errorf("report before the commit: %w", err)
		}
		if err := c.client.CommitUncommittedOffsets(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	for topic, partitions := range polled {
		for id, o := range partitions {
			c.Done(topic, id, o.Offset)
		}
	}
	return c.Mark(ctx)
}
