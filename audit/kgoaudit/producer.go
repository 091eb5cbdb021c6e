package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// ProducerConfig configures a Producer.
type ProducerConfig struct {
	Hop        audit.HopConfig // its Source and Journal are made here
	Topics     []string        // the topics that carry the stream; records of others are left alone
	JournalDir string          // where the journal is kept; empty for none
}

// Producer audits what a client produces, as the first hop of a stream: give it to
// kgo.WithHooks. A record is numbered when Produce is called, before the client's
// buffer; at the same time it is taken over, so that what the buffer loses is a
// named loss. It has left when the broker acknowledged it, or when the promise ended
// with an error, which makes it rejected.
type Producer struct {
	hop    *audit.Hop
	source *audit.Source
	topics []string

	mu   sync.Mutex
	held map[*kgo.Record]audit.Header
}

var (
	_ kgo.HookProduceRecordBuffered   = (*Producer)(nil)
	_ kgo.HookProduceRecordUnbuffered = (*Producer)(nil)
)

// NewProducer returns a producer that reports already. It returns an error when the
// configuration is wrong or the journal cannot be used.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if len(cfg.Topics) == 0 {
		return nil, errors.New("kgoaudit producer: no topics")
	}
	if cfg.JournalDir != "" {
		journal, err := audit.OpenJournal(audit.JournalConfig{
			Dir: cfg.JournalDir, Stream: cfg.Hop.Stream, Hop: cfg.Hop.Hop,
		})
		if err != nil {
			return nil, err
		}
		cfg.Hop.Journal = journal
	}
	source, err := audit.NewSource(audit.SourceConfig{Window: cfg.Hop.Window, Journal: cfg.Hop.Journal})
	if err != nil {
		return nil, err
	}
	cfg.Hop.Source = source
	hop, err := audit.NewHop(cfg.Hop)
	if err != nil {
		return nil, err
	}
	hop.Start()
	return &Producer{hop: hop, source: source, topics: cfg.Topics, held: make(map[*kgo.Record]audit.Header)}, nil
}

// Hop returns the hop, to read its Stats or to filter by hand.
func (p *Producer) Hop() *audit.Hop { return p.hop }

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered: it numbers the
// record, unless it has a header.
func (p *Producer) OnProduceRecordBuffered(r *kgo.Record) {
	if !slices.Contains(p.topics, r.Topic) {
		return
	}
	if _, err := ReadHeader(r); !errors.Is(err, ErrNoHeader) {
		return
	}
	h := p.source.Header(time.Now(), r.Value)
	SetHeader(r, h)
	p.mu.Lock()
	p.held[r] = h
	p.mu.Unlock()
	p.hop.Observe(h, h.Checksum, len(r.Value), h.ProducedAt)
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered. franz-go
// calls it on one goroutine; it does not wait for anything.
func (p *Producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	p.mu.Lock()
	h, ours := p.held[r]
	delete(p.held, r)
	p.mu.Unlock()
	if !ours {
		return
	}
	if err != nil {
		p.hop.Reject(h, reason(err))
		dropHeader(r) // the number is spent: whoever produces the record again makes a new event
	}
	p.source.Left(h.ProducedAt)
}

// reason names a class of errors, for the error's text may hold anything.
func reason(err error) string {
	var known *kerr.Error
	switch {
	case errors.As(err, &known):
		return known.Message
	case errors.Is(err, kgo.ErrMaxBuffered):
		return "BUFFER_FULL"
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries), errors.Is(err, context.DeadlineExceeded):
		return "TIMEOUT"
	case errors.Is(err, context.Canceled):
		return "CANCELED"
	case errors.Is(err, kgo.ErrAborting), errors.Is(err, kgo.ErrClientClosed):
		return "CLIENT_CLOSED"
	}
	return "PRODUCE_FAILED"
}

// Close says CLOSED once every record has left, and stops. Flush the client first.
func (p *Producer) Close(ctx context.Context) error {
	if err := p.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the audited producer: %w", err)
	}
	return nil
}
