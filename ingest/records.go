package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// setAside is a record that cannot be taken, with the label of its reason.
type setAside struct {
	store.Quarantined
	label string
}

// pending is a record on its way into the store.
type pending struct {
	record  *kgo.Record
	refused int // times the store did not take it although it was there
}

// store stores every record or puts it aside. It returns an error only when ctx ended: then nothing may be committed.
func (c *Consumer) store(ctx context.Context, records []*kgo.Record) error {
	var waiting []*pending
	for _, r := range records {
		if !r.Attrs.IsControl() { // the end of a transaction holds nothing
			waiting = append(waiting, &pending{record: r})
		}
	}
	var aside []setAside
	err := c.retry(ctx, func() error {
		left, bad, err := c.submit(ctx, waiting)
		waiting, aside = left, append(aside, bad...)
		return err
	})
	if err != nil {
		return err
	}
	return c.putAside(ctx, aside)
}

// readRecord decodes and validates a record. Where it returns items, the error is of others in the record.
func (l *line[T]) readRecord(r *kgo.Record) ([]T, int, error) {
	form := l.forms.usual
	for _, h := range r.Headers {
		if h.Key != "content-type" {
			continue
		}
		var ok bool
		if form, ok = l.forms.of(string(h.Value)); !ok {
			return nil, 0, &Refusal{reason: reasonMediaType, Faults: []wire.Fault{{Message: fmt.Sprintf("content-type %q is not taken", clip(h.Value))}}}
		}
	}
	limits := l.config.Limits
	if len(r.Value) > limits.Request {
		return nil, 0, &Refusal{reason: reasonTooLarge, Faults: []wire.Fault{{Message: fmt.Sprintf("%d bytes; at most %d are taken", len(r.Value), limits.Request)}}}
	}
	items, weight, refused := l.decode(form, r.Value, limits)
	if len(items) == 0 {
		return nil, 0, refused
	}
	if err := l.keyed(items, string(r.Key)); err != nil {
		return nil, 0, err
	}
	return items, weight, refused
}

// clip cuts bytes of a stranger for a message. What is cut is told from others of the same beginning by its sum.
func clip(text []byte) string {
	const most = 80
	if len(text) <= most {
		return string(text)
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s… (%d bytes, sha256 %x…)", bytes.ToValidUTF8(text[:most], nil), len(text), sum[:6])
}

// submit offers every record to the intake and waits for all answers. It returns those still to be stored, with
// the last error, and those to be put aside.
func (c *Consumer) submit(ctx context.Context, waiting []*pending) (left []*pending, aside []setAside, failed error) {
	answers := make([]func() error, len(waiting))
	for i, p := range waiting {
		answers[i] = c.taker.takeRecord(ctx, p.record)
	}
	for i, p := range waiting {
		err := answers[i]()
		switch retry := p.again(err, c.config.Attempts); {
		case err == nil:
		case retry:
			left, failed = append(left, p), err
		default:
			aside = append(aside, c.aside(p.record, err))
		}
	}
	return left, aside, failed
}

// takeRecord implements Taker. Records are read one by one, each again for each try: unpacked, all of a poll might not fit into memory.
func (l *line[T]) takeRecord(ctx context.Context, record *kgo.Record) func() error {
	fails := func(err error) func() error { return func() error { return err } }
	items, weight, refused := l.readRecord(record)
	if refused != nil && len(items) == 0 {
		return fails(refused)
	}
	held := l.claim()
	if err := held.wait(ctx, weight); err != nil {
		return fails(err)
	}
	r := l.newRequest(items, held, viaKafka)
	if err := l.put(ctx, r); err != nil {
		r.held.release()
		return fails(err)
	}
	return func() error {
		if err := l.answer(ctx, r); err != nil {
			return err
		}
		return l.partly(refused) // so that the record is put aside for what it also holds
	}
}

// again says whether a record is worth another try. A store that is there and does not take a record must not block the partition.
func (p *pending) again(err error, attempts int) bool {
	var refusal *Refusal
	switch {
	case err == nil, errors.As(err, &refusal):
		return false
	case errors.Is(err, store.ErrAway), errors.Is(err, ErrStopping), errors.Is(err, context.Canceled):
		return true
	}
	p.refused++
	return p.refused < attempts
}

func (c *Consumer) aside(r *kgo.Record, err error) setAside {
	label := reasonStoreRefuse
	var refusal *Refusal
	if errors.As(err, &refusal) {
		label = refusal.reason
	}
	body := r.Value
	if c.base.bare {
		body = nil
	}
	return setAside{quarantined(r.Topic, r.Partition, r.Offset, r.Timestamp, err.Error(), body), label}
}

// quarantined gives a record the same ID and time whenever it is read, so that one read twice is kept once.
func quarantined(topic string, partition int32, offset int64, at time.Time, reason string, body []byte) store.Quarantined {
	name := fmt.Sprintf("%s/%d/%d", topic, partition, offset)
	return store.Quarantined{
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte("rollcall:"+name)).String(), At: at.UTC(),
		Topic: topic, Partition: partition, Offset: offset, Reason: reason, Body: body,
	}
}

// putAside keeps records in quarantine, trying until the store has them or ctx ends.
func (c *Consumer) putAside(ctx context.Context, aside []setAside) error {
	if len(aside) == 0 {
		return nil
	}
	rows := make([]store.Quarantined, len(aside))
	for i, a := range aside {
		rows[i] = a.Quarantined
	}
	if err := c.retry(ctx, func() error { return c.base.quarantine(ctx, rows) }); err != nil {
		return err
	}
	for _, a := range aside {
		c.base.aside.Add(1)
		c.base.kafka.quarantined.WithLabelValues(c.base.what, a.label).Inc()
		c.base.log.Warn("a Kafka record was put into quarantine", "topic", a.Topic, "partition", a.Partition, "offset", a.Offset, "reason", a.Reason)
	}
	return nil
}
