package kgoaudit

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// polled is the records of one partition that were polled and are not known to be
// processed: what is needed to observe them, for the records themselves may be recycled
// meanwhile. While a partition is paused franz-go says of records that they were
// polled, and then returns them only after it has said so again; after a rebalance
// some come a second time. So a record that comes again takes the place of itself, and
// of all that came after it.
type polled struct {
	runs  []polledRun // by offset
	sizes []uint32    // lengths of the payloads of the runs, in their order
	next  int64       // the offset after the last record polled
	told  int64       // the offset after the last record observed
	later map[int64][]func()
}

// polledRun is records whose offsets and numbers follow one another, produced in one
// millisecond and intact; or one record for which that does not hold.
type polledRun struct {
	first  audit.Header
	offset int64
	count  int
	other  *kgo.Record       // a copy of the one record
	tally  audit.SchemaTally // of each of them; its outcome is empty where they were not checked
}

// add takes in one record and returns how many it takes the place of.
func (p *polled) add(r *kgo.Record, h audit.Header, plain bool, t audit.SchemaTally) (replaced int) {
	if r.Offset < p.next {
		replaced = p.cut(r.Offset)
	}
	p.next = r.Offset + 1
	if n := len(p.runs); plain && n > 0 && p.runs[n-1].extend(r, &h, t) {
		p.sizes = append(p.sizes, uint32(len(r.Value)))
		return replaced
	}
	run := polledRun{first: h, offset: r.Offset, count: 1, tally: t}
	if !plain {
		run.other = copyRecord(r)
	}
	p.runs = append(p.runs, run)
	p.sizes = append(p.sizes, uint32(len(r.Value)))
	return replaced
}

func (run *polledRun) end() int64 { return run.offset + int64(run.count) }

func (run *polledRun) extend(r *kgo.Record, h *audit.Header, t audit.SchemaTally) bool {
	if run.other != nil || run.tally != t || r.Offset != run.end() || !h.ProducedAt.Equal(run.first.ProducedAt) || h.Flags != run.first.Flags ||
		h.UID != run.first.UID.WithSequence(run.first.UID.Sequence()+uint32(run.count)) {
		return false
	}
	run.count++
	return true
}

// copyRecord copies what Observe looks at.
func copyRecord(r *kgo.Record) *kgo.Record {
	out := &kgo.Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Attrs: r.Attrs,
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: slices.Clone(r.Headers),
	}
	for i := range out.Headers {
		out.Headers[i].Value = bytes.Clone(out.Headers[i].Value)
	}
	return out
}

// cut forgets what was polled from an offset on and returns how many records that was.
func (p *polled) cut(from int64) (n int) {
	for i := len(p.runs); i > 0 && p.runs[i-1].end() > from; i-- {
		run := &p.runs[i-1]
		keep := int(max(0, from-run.offset))
		n += run.count - keep
		if run.count = keep; keep == 0 {
			p.runs = p.runs[:i-1]
		}
	}
	p.sizes = p.sizes[:len(p.sizes)-n]
	for offset := range p.later {
		if offset >= from {
			delete(p.later, offset)
		}
	}
	p.next = from
	return n
}

// observe observes what lies below an offset.
func (p *polled) observe(c *Consumer, next int64, at time.Time) {
	for len(p.runs) > 0 && p.runs[0].offset < next {
		run := &p.runs[0]
		n := int(min(int64(run.count), next-run.offset))
		p.observeRun(c, run, n, at)
		p.sizes = p.sizes[n:]
		p.told = max(p.told, run.offset+int64(n))
		if run.count -= n; run.count == 0 {
			p.runs = p.runs[1:]
			continue
		}
		run.offset += int64(n)
		run.first.UID = run.first.UID.WithSequence(run.first.UID.Sequence() + uint32(n))
	}
	if len(p.runs) == 0 {
		p.runs, p.sizes = nil, nil
	}
}

func (p *polled) observeRun(c *Consumer, run *polledRun, n int, at time.Time) {
	if run.other != nil {
		c.Observe(run.other, at)
	} else {
		c.hop.ObserveRun(run.first, p.sizes[:n], at)
	}
	if run.tally.Outcome != "" {
		c.hop.SchemaRun(run.first, n, run.tally)
	}
	for offset := run.offset; len(p.later) > 0 && offset < run.offset+int64(n); offset++ {
		for _, do := range p.later[offset] {
			do()
		}
		delete(p.later, offset)
	}
}

// OnFetchRecordUnbuffered implements kgo.HookFetchRecordUnbuffered: it takes note of
// what was polled, and observes nothing.
func (c *Consumer) OnFetchRecordUnbuffered(r *kgo.Record, isPolled bool) {
	if !isPolled || r.Attrs.IsControl() || !slices.Contains(c.topics, r.Topic) {
		return
	}
	h, err := ReadHeader(r)
	plain := err == nil && h.Numbered() && h.Checksum == wire.Checksum(r.Value)
	var t audit.SchemaTally
	if err == nil && c.schemas != nil {
		t = c.schemas.Check(c.hop, h, r.Value, schemaID(r))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.laneOf(r).polled
	c.stats.Polled++
	if err != nil && c.schemas != nil {
		c.stats.Unchecked++
	}
	if r.Offset < p.told {
		c.stats.Redelivered++
	}
	c.stats.Again += uint64(p.add(r, h, plain, t))
}

// laneOf returns the lane of a record, under the lock. Most records are of the same one
// as the record before.
func (c *Consumer) laneOf(r *kgo.Record) *lane {
	if c.recent == nil || c.recentAt.id != r.Partition || c.recentAt.topic != r.Topic {
		c.recentAt = partition{r.Topic, r.Partition}
		c.recent = c.lane(c.recentAt)
	}
	return c.recent
}

// observe observes what was polled below the offsets: it is processed and durable.
func (c *Consumer) observe(offsets map[string]map[int32]kgo.EpochOffset) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, partitions := range offsets {
		for id, o := range partitions {
			c.lane(partition{topic, id}).polled.observe(c, o.Offset, now)
		}
	}
}

// Filter says that a record that was polled is dropped on purpose, for good. Like all
// that is said of a record it counts once the record is processed: when its offset is
// committed, or Done was called.
func (c *Consumer) Filter(r *kgo.Record, reason string) {
	c.later(r, func(h audit.Header) { c.hop.Filter(h, reason) })
}

// Reject says that a record went to the dead-letter path, for good; see Filter.
func (c *Consumer) Reject(r *kgo.Record, reason string) {
	c.later(r, func(h audit.Header) { c.hop.Reject(h, reason) })
}

// Schema says what came of checking a record against its schema; see Filter.
func (c *Consumer) Schema(r *kgo.Record, t audit.SchemaTally) {
	c.later(r, func(h audit.Header) { c.hop.Schema(h, t) })
}

// later calls f once the record is observed. Of one without a header that can be read
// nothing can be said; observing it counts it.
func (c *Consumer) later(r *kgo.Record, f func(audit.Header)) {
	h, ok := Header(r)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.laneOf(r).polled
	if r.Offset < p.told && (len(p.runs) == 0 || r.Offset < p.runs[0].offset) {
		f(h)
		return
	}
	if p.later == nil {
		p.later = make(map[int64][]func())
	}
	p.later[r.Offset] = append(p.later[r.Offset], func() { f(h) })
}
