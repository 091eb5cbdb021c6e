package kgoaudit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// abortedReason is why records of an aborted transaction are rejected.
const abortedReason = "aborted"

// transactions is what a Producer knows of the transactions of its client.
type transactions struct {
	box *outbox // nil: the reports go another way

	held   sync.Mutex
	client *kgo.Client    // the transactional client
	open   transaction    // the one under way
	doubts []*transaction // earlier ones of which it is not known what became
}

// transaction is the records of one transaction that the broker acknowledged.
type transaction struct {
	spans     []span
	at        *place // of one of them, to ask the log by
	attempted bool   // a commit was asked for
	over      bool   // nothing more comes, and what became of it is not known
}

// span is events whose numbers follow one another, numbered in one millisecond.
type span struct {
	first audit.Header
	count uint32
}

// OnNewClient implements kgo.HookNewClient. Of what the transactional client before
// left open the log will be asked.
func (p *Producer) OnNewClient(cl *kgo.Client) {
	if id, ok := cl.OptValue(kgo.TransactionalID).(string); !ok || id == "" {
		return
	}
	p.held.Lock()
	defer p.held.Unlock()
	p.client = cl
	p.doubt()
}

// doubt puts the transaction under way aside, under the lock.
func (p *Producer) doubt() {
	if len(p.open.spans) > 0 {
		was := p.open
		p.doubts = append(p.doubts, &was)
	}
	p.open = transaction{}
}

// hold keeps an acknowledged record of a transaction until that has ended.
func (p *Producer) hold(h audit.Header, r *kgo.Record) {
	p.held.Lock()
	defer p.held.Unlock()
	if p.open.over {
		p.doubt()
	}
	if p.open.at == nil {
		p.open.at = &place{partition{r.Topic, r.Partition}, r.Offset}
	}
	if n := len(p.open.spans); n > 0 && p.open.spans[n-1].extend(h) {
		return
	}
	p.open.spans = append(p.open.spans, span{first: h, count: 1})
}

// doubtful reports whether an event is of a transaction of which it is not known what
// became.
func (p *Producer) doubtful(uid audit.UID) bool {
	p.held.Lock()
	defer p.held.Unlock()
	for _, t := range p.doubts {
		if t.has(uid) {
			return true
		}
	}
	return p.open.over && p.open.has(uid)
}

func (t *transaction) has(uid audit.UID) bool {
	return slices.ContainsFunc(t.spans, func(s span) bool {
		n, first := uid.Sequence(), s.first.UID.Sequence()
		return uid.Source() == s.first.UID.Source() && n >= first && n-first < s.count
	})
}

func (s *span) extend(h audit.Header) bool {
	last := s.first.UID.Sequence() + s.count
	if h.UID != s.first.UID.WithSequence(last) || !h.ProducedAt.Equal(s.first.ProducedAt) {
		return false
	}
	s.count++
	return true
}

func (p *Producer) prepare(ctx context.Context, cl *kgo.Client) error {
	if p.box == nil {
		return nil
	}
	return p.box.put(ctx, cl)
}

func (p *Producer) attempted() {
	p.held.Lock()
	defer p.held.Unlock()
	p.open.attempted = true
}

func (p *Producer) ended(ctx context.Context, cl *kgo.Client, o outcome) (outcome, error) {
	t := p.takeOpen()
	if t.attempted && o == aborted {
		o = inDoubt // the commit before this abort may have happened
	}
	o, err := t.find(ctx, cl, o)
	if o == inDoubt {
		p.putBack(t)
		return o, err
	}
	p.settle(t, o)
	p.findOut(ctx, cl)
	if p.box == nil {
		return o, nil
	}
	return o, p.box.settle(o == committedForSure)
}

// takeOpen takes the transaction under way out: nobody may wait while the log is asked.
func (p *Producer) takeOpen() *transaction {
	p.held.Lock()
	defer p.held.Unlock()
	t := p.open
	p.open = transaction{}
	if t.at == nil && p.box != nil {
		t.at = p.box.at
	}
	return &t
}

// putBack keeps a transaction in doubt, for the next call to end it.
func (p *Producer) putBack(t *transaction) {
	p.held.Lock()
	defer p.held.Unlock()
	p.doubt()
	t.over = true
	p.open = *t
}

// find returns what became of a transaction, asking the log where nobody else knows.
func (t *transaction) find(ctx context.Context, cl *kgo.Client, o outcome) (outcome, error) {
	switch {
	case o != inDoubt:
		return o, nil
	case t.at == nil:
		return aborted, nil // the broker acknowledged nothing
	}
	yes, err := committed(ctx, cl, *t.at)
	switch {
	case err != nil:
		return inDoubt, fmt.Errorf("%w: %w", ErrInDoubt, err)
	case yes:
		return committedForSure, nil
	}
	return aborted, nil
}

// findOut asks the log about earlier transactions. What it does not know is asked again.
func (p *Producer) findOut(ctx context.Context, cl *kgo.Client) {
	p.held.Lock()
	doubts := p.doubts
	p.doubts = nil
	p.held.Unlock()
	for _, t := range doubts {
		if o, _ := t.find(ctx, cl, inDoubt); o != inDoubt { // the error says only that it is not known yet
			p.settle(t, o)
			continue
		}
		p.held.Lock()
		p.doubts = append(p.doubts, t)
		p.held.Unlock()
	}
}

// settle says of each record of a transaction what became of it: it has left.
func (p *Producer) settle(t *transaction, o outcome) {
	for _, s := range t.spans {
		if o == aborted {
			p.uncommitted(s)
		}
		p.source.LeftMany(s.first.ProducedAt, int(s.count))
	}
}

func (p *Producer) uncommitted(s span) {
	h, first := s.first, s.first.UID.Sequence()
	for i := range s.count {
		h.UID = h.UID.WithSequence(first + i)
		p.hop.Reject(h, abortedReason)
	}
	p.spend(s.first.UID, s.count)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Uncommitted += uint64(s.count)
}

// closeTransactions finds out what is in doubt, and sends the last reports where they
// go inside transactions.
func (p *Producer) closeTransactions(ctx context.Context) error {
	p.held.Lock()
	cl := p.client
	if p.open.over {
		p.doubt()
	}
	open := len(p.open.spans)
	p.held.Unlock()
	if cl == nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	p.findOut(asking, cl)
	switch n := p.Stats().InDoubt; {
	case n > 0:
		return fmt.Errorf("of %d transactions: %w", n, ErrInDoubt)
	case open > 0:
		return errors.New("a transaction is open: end it by EndTransaction or EndSession first")
	case p.box == nil:
		return nil
	}
	return p.box.close(ctx, cl, p)
}
