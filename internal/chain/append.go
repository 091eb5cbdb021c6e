package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// tries is how often Append begins anew where others were faster. Of those that write at once one succeeds.
const tries = 32

// ErrUncertain says that an entry was written and Kafka's answer lost, so that it may count later: ask how the hour stands before issuing again.
var ErrUncertain = errors.New("it is not known whether the entry was issued")

// Append issues an entry of a stream's chain. It reads the topic to its end, has the entry made for the head that then stands, writes it, reads
// on, and returns it once it is in the topic, counts, and is in the store. Where another entry was faster it begins anew, and so make may be called
// several times; whether there is still something to be issued is for make to say, and an error of it is returned as it is.
//
// Nothing is locked: of two servers that write after the same head the topic's order says who was first, and the other sees that its entry does
// not count. What dies in between leaves an entry that counts or one that does not, and is copied by whoever reads next.
func (c *Chain) Append(ctx context.Context, stream string, make func(certificate.Head) ([]byte, error)) (*certificate.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Patience)
	defer cancel()
	a := &attempt{chain: c, reader: c.readers[partitionOf(stream)], stream: stream, make: make}
	for range tries {
		e, err := a.once(ctx)
		if e != nil {
			c.metrics.appends.WithLabelValues(issued).Inc()
			return e, nil
		}
		if err != nil {
			c.metrics.appends.WithLabelValues(failed).Inc()
			return nil, err
		}
		pause(ctx, rand.N(c.config.Pause/4)) //nolint:gosec // only so that two do not run in step
	}
	c.metrics.appends.WithLabelValues(failed).Inc()
	return nil, fmt.Errorf("chain: append to the chain of stream %s: others were faster %d times; ask again", stream, tries)
}

// attempt is one Append.
type attempt struct {
	chain     *Chain
	reader    *reader
	stream    string
	make      func(certificate.Head) ([]byte, error)
	mine      []*certificate.Entry // that were written, and were not seen to count
	uncertain bool                 // whether the last of them was written is not known
}

// once returns the entry if it was issued, and nothing where another was faster.
func (a *attempt) once(ctx context.Context) (*certificate.Entry, error) {
	head, err := a.head(ctx)
	if err != nil {
		return nil, a.failure(err)
	}
	for _, e := range a.mine {
		if counts, err := a.counts(ctx, e); err != nil || counts {
			return e, a.failureOf(counts, err)
		}
	}
	a.uncertain = slices.ContainsFunc(a.mine, func(e *certificate.Entry) bool { return e.Number > head.Number }) // it may still come
	text, err := a.make(head)
	if err != nil && a.uncertain {
		return nil, a.failure(err)
	}
	if err != nil {
		return nil, err
	}
	e, _, refused := head.Accept(a.stream, text, a.chain.keys())
	if refused != nil {
		return nil, fmt.Errorf("chain: an entry that would not count is not written: %w", refused)
	}
	return a.write(ctx, e)
}

// head reads the topic to its end, and returns the head that then stands.
func (a *attempt) head(ctx context.Context) (certificate.Head, error) {
	_, end, err := a.chain.bounds(ctx, a.reader.partition)
	if err != nil {
		return certificate.Head{}, err
	}
	if err := a.reader.await(ctx, end); err != nil {
		return certificate.Head{}, err
	}
	head, err := a.chain.store.CertificateHead(ctx, a.stream, a.reader.partition, 1<<62)
	return headOf(head), err
}

// write puts an entry into the topic, and says whether it counts.
func (a *attempt) write(ctx context.Context, e *certificate.Entry) (*certificate.Entry, error) {
	record := &kgo.Record{Topic: a.chain.config.Topic, Partition: a.reader.partition, Key: []byte(a.stream), Value: e.Envelope}
	a.mine = append(a.mine, e)
	if err := a.chain.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		a.uncertain = true
		a.chain.metrics.appends.WithLabelValues(uncertain).Inc()
		a.chain.log.Warn("whether a certificate was written is not known; looking for it", "stream", a.stream, "number", e.Number, "error", err)
		if ctx.Err() != nil {
			return nil, a.failure(err)
		}
		return nil, nil
	}
	if err := a.reader.await(ctx, record.Offset+1); err != nil {
		a.uncertain = true
		return nil, a.failure(err)
	}
	counts, err := a.counts(ctx, e)
	if err != nil || counts {
		return e, a.failureOf(counts, err)
	}
	a.chain.metrics.appends.WithLabelValues(overtaken).Inc()
	return nil, nil
}

// counts says whether the copy has an entry at its number.
func (a *attempt) counts(ctx context.Context, e *certificate.Entry) (bool, error) {
	found, err := a.chain.store.CertificateChain(ctx, a.stream, e.Number-1, 1)
	return err == nil && len(found) == 1 && found[0].Number == e.Number && found[0].Hash == e.Hash, err
}

func (a *attempt) failureOf(counts bool, err error) error {
	if counts {
		return nil
	}
	a.uncertain = true
	return a.failure(err)
}

// failure says what became of what was written.
func (a *attempt) failure(err error) error {
	err = fmt.Errorf("chain: append to the chain of stream %s: %w", a.stream, err)
	if a.uncertain {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}
