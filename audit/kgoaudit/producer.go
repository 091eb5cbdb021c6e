package kgoaudit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// DefaultHelloWait is how long the first Produce waits for the server when
// ProducerConfig.HelloWait is zero.
const DefaultHelloWait = time.Second

// ProducerConfig configures a Producer.
type ProducerConfig struct {
	Hop        audit.HopConfig // its Source and Journal are made here
	Topics     []string        // the topics that carry the stream; records of others are left alone
	JournalDir string          // where the journal is kept; empty for none

	// HelloWait is how long the first Produce may wait until the server knows of this
	// producer. From then on its death is noticed, even one that takes every event with
	// it. DefaultHelloWait when zero, negative for not at all.
	HelloWait time.Duration

	// InTransaction has the reports sent inside the client's transactions, so that the
	// server has the report of an event if and only if the event was committed, whatever
	// becomes of the process. Hop.Transport must be nil, and EndTransaction or EndSession
	// called at least once a heartbeat, also where nothing was produced.
	InTransaction bool
	// ReportsTopic is where reports go when they are sent inside the transactions;
	// the constant of that name when empty.
	ReportsTopic string

	// Schemas checks each event as it is numbered, before the client's buffer; nil for not at all.
	Schemas SchemaChecker
}

// Producer audits what a client produces, as the first hop of a stream: give it to
// kgo.WithHooks. A record is numbered when Produce is called, before the client's
// buffer; at the same time it is taken over, so that what the buffer loses is a
// named loss. It has left when the broker acknowledged it, or when the promise ended
// with an error, which makes it rejected.
//
// A record produced in a transaction has left when the transaction has ended: end it by
// EndTransaction or EndSession. A Producer follows one transactional client at a time,
// and outlives it: give it to the client that takes the place of a failed one, too, so
// that records of an aborted transaction get new numbers when they are produced again.
type Producer struct {
	hop    *audit.Hop
	source *audit.Source
	topics []string

	schemas   SchemaChecker
	helloWait time.Duration
	hello     sync.Once
	unheard   atomic.Uint64

	current   atomic.Pointer[audit.UID] // the source that gave the last number
	repeating atomic.Int64              // of repeats, all together

	mu      sync.Mutex
	spent   map[audit.UID]*roaring.Bitmap // by source of this producer, the numbers that were rejected
	spends  uint64
	repeats map[audit.UID]int // promises still to come that count for nothing
	stats   ProducerStats

	slab atomic.Pointer[slab] // apart from what promises read

	transactions
}

// ProducerStats is what a Producer counts of itself; its Hop has the rest.
type ProducerStats struct {
	Unheard     uint64 // first records that went out before the server was known to know of the producer
	Renumbered  uint64 // records with a rejected number that were produced again as new events
	Repeated    uint64 // records produced again under the number they have
	Uncommitted uint64 // records of transactions that were aborted
	InDoubt     int    // transactions of which it is not known, now, what became of them
}

var (
	_ kgo.HookNewClient               = (*Producer)(nil)
	_ kgo.HookProduceRecordBuffered   = (*Producer)(nil)
	_ kgo.HookProduceRecordUnbuffered = (*Producer)(nil)
	_ Participant                     = (*Producer)(nil)
)

// NewProducer returns a producer that reports already. It returns an error when the
// configuration is wrong or the journal cannot be used.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if len(cfg.Topics) == 0 {
		return nil, errors.New("kgoaudit producer: no topics")
	}
	if err := cfg.openJournal(); err != nil {
		return nil, err
	}
	numbers := audit.SourceConfig{Window: cfg.Hop.Window}
	if !cfg.InTransaction { // there the numbers of an open transaction must not outlive the process
		numbers.Journal = cfg.Hop.Journal
	}
	source, err := audit.NewSource(numbers)
	if err != nil {
		return nil, err
	}
	cfg.Hop.Source = source
	box, err := newOutbox(cfg.InTransaction, cfg.ReportsTopic, &cfg.Hop)
	if err != nil {
		return nil, err
	}
	hop, err := audit.NewHop(cfg.Hop)
	if err != nil {
		return nil, err
	}
	hop.Start()
	p := &Producer{
		hop: hop, source: source, topics: cfg.Topics, schemas: cfg.Schemas, helloWait: cfg.HelloWait,
		spent: make(map[audit.UID]*roaring.Bitmap), repeats: make(map[audit.UID]int),
	}
	p.box = box.of(hop)
	if cfg.HelloWait == 0 {
		p.helloWait = DefaultHelloWait
	}
	return p, nil
}

func (c *ProducerConfig) openJournal() (err error) {
	if c.JournalDir == "" {
		return nil
	}
	c.Hop.Journal, err = audit.OpenJournal(audit.JournalConfig{Dir: c.JournalDir, Stream: c.Hop.Stream, Hop: c.Hop.Hop})
	return err
}

// Hop returns the hop, to read its Stats or to filter by hand.
func (p *Producer) Hop() *audit.Hop { return p.hop }

// Stats returns the producer's counters.
func (p *Producer) Stats() ProducerStats {
	p.mu.Lock()
	s := p.stats
	p.mu.Unlock()
	p.held.Lock()
	defer p.held.Unlock()
	s.Unheard, s.InDoubt = p.unheard.Load(), len(p.doubts)
	if p.open.over {
		s.InDoubt++
	}
	return s
}

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered: it numbers the
// record, unless it has a header.
func (p *Producer) OnProduceRecordBuffered(r *kgo.Record) {
	if !p.follows(r) || hasHeader(r) && !p.again(r) {
		return
	}
	if p.helloWait > 0 {
		p.hello.Do(p.sayHello)
	}
	p.number(r)
}

func (p *Producer) follows(r *kgo.Record) bool { return slices.Contains(p.topics, r.Topic) }

func hasHeader(r *kgo.Record) bool {
	for i := range r.Headers {
		if r.Headers[i].Key == HeaderKey {
			return true
		}
	}
	return false
}

// sayHello waits until the server has the first report, or no longer.
func (p *Producer) sayHello() {
	if p.box != nil {
		return // it goes with the first transaction, and before that no event is there
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.helloWait)
	defer cancel()
	if err := p.hop.Flush(ctx); err != nil {
		p.unheard.Add(1)
	}
}

func (p *Producer) number(r *kgo.Record) {
	h := p.source.Take(time.Time{}, r.Value)
	if source := h.UID.Source(); p.current.Load() == nil || *p.current.Load() != source {
		p.meet(source)
	}
	p.carrier().put(r, h)
	if p.schemas != nil {
		p.hop.Schema(h, p.schemas.Check(p.hop, h, r.Value, schemaID(r)))
	}
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered. franz-go
// calls it on one goroutine; it does not wait for anything.
func (p *Producer) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if !p.follows(r) {
		return
	}
	uid, value, ours := p.ownUID(r)
	if !ours || p.repeated(uid) {
		return
	}
	h := audit.Header{Flags: wire.FlagNumbered, UID: uid, ProducedAt: producedAt(value)}
	if err == nil && r.Attrs.IsTransactional() {
		p.hold(h, r)
		return
	}
	if err != nil {
		p.hop.Reject(h, reason(err))
		p.spend(uid, 1)
		dropHeader(r) // whoever produces the record again makes a new event
	}
	p.source.Left(h.ProducedAt)
}

// producedAt reads that one field of a header.
func producedAt(value []byte) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint16(value[18:]))<<32 | int64(binary.BigEndian.Uint32(value[20:])))
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
	case errors.Is(err, kgo.ErrAborting):
		return abortedReason
	case errors.Is(err, kgo.ErrClientClosed):
		return "CLIENT_CLOSED"
	}
	return "PRODUCE_FAILED"
}

// Close says CLOSED once every record has left, and stops. Flush the client first, and
// end its transaction; the client must still be open where records were produced in
// transactions.
func (p *Producer) Close(ctx context.Context) error {
	if err := p.closeTransactions(ctx); err != nil {
		return errors.Join(fmt.Errorf("close the audited producer: %w", err), stopHop(p.hop))
	}
	if err := p.hop.Close(ctx); err != nil {
		return fmt.Errorf("close the audited producer: %w", err)
	}
	return nil
}

// stopHop ends a hop's reporter without CLOSED.
func stopHop(hop *audit.Hop) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := hop.Close(ended); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
