package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	batch     = 500  // records decided and copied at a time
	mostHeads = 4096 // streams of a partition whose heads are remembered; the store knows them all
)

// reader copies one partition: what it has passed is decided, and what counts of it is in the store. Whatever fails has it begin again where
// the copy ends.
type reader struct {
	chain     *Chain
	partition int32
	heads     map[string]certificate.Head // after what was decided last
	end       int64                       // of the partition when it was last begun with

	mu      sync.Mutex
	next    int64         // offset up to which all is decided and copied
	moved   chan struct{} // closed when next moves, or when waiting changes
	waiting error         // why it does not go on; nil while it does
}

func newReader(c *Chain, partition int32) *reader {
	return &reader{chain: c, partition: partition, moved: make(chan struct{}), next: -1}
}

// run follows the partition until ctx ends.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		r.wait(err)
		pause(ctx, r.chain.config.Pause)
	}
}

// follow copies from where the copy ends until something fails.
func (r *reader) follow(ctx context.Context) error {
	places, err := r.chain.store.CertificatePlaces(ctx)
	if err != nil {
		return err
	}
	from, end, err := r.chain.bounds(ctx, r.partition)
	if err != nil {
		return err
	}
	r.end = end
	place, known := places[r.partition]
	if known {
		if from = place.Offset; end <= from {
			return r.missing(from)
		}
	}
	client, err := r.chain.consume(r.partition, from)
	if err != nil {
		return err
	}
	defer client.Close()
	r.heads = map[string]certificate.Head{}
	if known {
		err = r.resume(ctx, client, place)
	} else {
		r.move(from)
	}
	for err == nil {
		var records []*kgo.Record
		if records, err = poll(ctx, client); err == nil {
			err = r.take(ctx, records)
		}
	}
	return err
}

// resume holds that the topic still has the last entry that was copied, and takes what comes after it.
func (r *reader) resume(ctx context.Context, client *kgo.Client, place store.CertificatePlace) error {
	records, err := poll(ctx, client)
	if err != nil {
		return err
	}
	if records[0].Offset != place.Offset || certificate.HashOf(records[0].Value) != place.Hash {
		return r.missing(place.Offset)
	}
	r.move(place.Offset + 1)
	return r.take(ctx, records[1:])
}

func (r *reader) missing(offset int64) error {
	return fmt.Errorf("chain: topic %s lacks the entry that the store has from offset %d of partition %d: the topic was emptied, or is another one; nothing is issued until it is back",
		r.chain.config.Topic, offset, r.partition)
}

// poll waits for records.
func poll(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
	for {
		fetches := client.PollRecords(ctx, batch)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return nil, fmt.Errorf("chain: read certificates: %w", err)
		}
		if fetches.NumRecords() > 0 {
			return fetches.Records(), nil
		}
	}
}

// take decides records in their order, copies those that count, and passes them. An entry of an unknown key is waited for: what was copied
// after it would be what it is not, once the key is known.
func (r *reader) take(ctx context.Context, records []*kgo.Record) error {
	var rows []store.Certificate
	for i := 0; i < len(records); {
		row, refused, err := r.decide(ctx, records[i])
		switch {
		case err != nil:
			return err
		case refused != nil && refused.Reason == certificate.UnknownKey:
			if err := r.hold(ctx, rows, records[i], refused); err != nil {
				return err
			}
			rows = nil
			continue
		case refused != nil:
			r.passOver(records[i], refused)
		case row != nil:
			r.chain.metrics.entries.WithLabelValues(counted).Inc()
			rows = append(rows, *row)
		}
		i++
	}
	if len(records) == 0 {
		return nil
	}
	return r.copy(ctx, rows, records[len(records)-1].Offset+1)
}

// hold copies what comes before a record that cannot be decided yet, and pauses.
func (r *reader) hold(ctx context.Context, rows []store.Certificate, record *kgo.Record, why error) error {
	if r.next < record.Offset {
		if err := r.copy(ctx, rows, record.Offset); err != nil {
			return err
		}
	}
	r.wait(fmt.Errorf("chain: entry at offset %d of partition %d, stream %s: %w: mount the same keys on all servers, or say by \"rollcall keys distrust\" that it is none of yours",
		record.Offset, r.partition, record.Key, why))
	pause(ctx, r.chain.config.Pause)
	return ctx.Err()
}

func (r *reader) passOver(record *kgo.Record, refused *certificate.Refusal) {
	r.chain.metrics.entries.WithLabelValues(string(refused.Reason)).Inc()
	level := r.chain.log.Warn
	if refused.Reason == certificate.ByNumber {
		level = r.chain.log.Debug // of two servers that issue at once one is late
	}
	level("an entry of the topic of certificates does not count", "stream", string(record.Key), "partition", r.partition, "offset", record.Offset,
		"reason", refused.Reason, "why", refused.Text)
}

// decide says whether a record counts; for one that is no entry at all it returns nothing.
func (r *reader) decide(ctx context.Context, record *kgo.Record) (*store.Certificate, *certificate.Refusal, error) {
	if record.Attrs.IsControl() {
		return nil, nil, nil
	}
	stream := string(record.Key)
	if at := partitionOf(stream); at != r.partition {
		return nil, &certificate.Refusal{Reason: misplaced, Text: fmt.Sprintf("the entries of stream %.200q stand in partition %d", stream, at)}, nil
	}
	head, known := r.heads[stream]
	if !known {
		stored, err := r.chain.store.CertificateHead(ctx, stream, r.partition, record.Offset)
		if err != nil {
			return nil, nil, err
		}
		head = headOf(stored)
	}
	e, head, refused := head.Accept(stream, record.Value, r.chain.keys())
	r.heads[stream] = head
	if refused != nil {
		return nil, refused, nil
	}
	row := rowOf(e, record)
	return &row, nil, nil
}

func headOf(h store.CertificateHead) certificate.Head {
	return certificate.Head{Number: h.Number, Hash: h.Hash}
}

func rowOf(e *certificate.Entry, record *kgo.Record) store.Certificate {
	return store.Certificate{
		Stream: e.Stream, Number: e.Number, Hour: e.Hour.Time, Action: string(e.Action), Previous: e.Previous, Hash: e.Hash, Key: e.KeyID,
		IssuedAt: e.IssuedAt, IssuedBy: e.IssuedBy, Reason: e.Reason, Envelope: e.Envelope, Partition: record.Partition, Offset: record.Offset,
	}
}

// copy stores what counts and then passes everything before next.
func (r *reader) copy(ctx context.Context, rows []store.Certificate, next int64) error {
	if err := r.chain.store.AddCertificates(ctx, rows); err != nil {
		return err
	}
	if len(r.heads) > mostHeads {
		clear(r.heads)
	}
	r.move(next)
	return nil
}

// move says that everything before next is decided and copied. What was waited for is over when that is further than before, or all there is.
func (r *reader) move(next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting != nil && (next > r.next || next >= r.end) {
		r.chain.metrics.waiting.Dec()
		r.waiting = nil
	}
	r.next = next
	close(r.moved)
	r.moved = make(chan struct{})
}

// wait says why the reader does not go on. It is logged once.
func (r *reader) wait(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.chain.metrics.waiting.Inc()
	}
	if r.waiting == nil || r.waiting.Error() != why.Error() {
		r.chain.log.Error("certificates are not read on; trying again", "partition", r.partition, "error", why)
	}
	r.waiting = why
	close(r.moved)
	r.moved = make(chan struct{})
}

// await returns when everything before an offset is decided and copied. An error says why it is not.
func (r *reader) await(ctx context.Context, offset int64) error {
	for {
		r.mu.Lock()
		next, moved, waiting := r.next, r.moved, r.waiting
		r.mu.Unlock()
		if next >= offset {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("chain: partition %d is read up to offset %d of %d: %w", r.partition, next, offset, ctx.Err()), waiting)
		}
	}
}
