package kgoaudit

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A Consumer in a transaction: what was polled since the last one is observed and
// reported inside it, together with its offsets and what was made of it. If the
// transaction is aborted all that is taken back: the hop goes on as another emitter, of
// which nobody has heard, for the records will come again, here or elsewhere.

func (c *Consumer) prepare(ctx context.Context, cl *kgo.Client) error {
	if c.box == nil {
		return errors.New("a consumer in a transaction must send its reports InTransaction")
	}
	if c.box.made != nil { // of a transaction in doubt
		if _, err := c.findOut(ctx, cl, inDoubt); err != nil {
			return err
		}
	}
	if !c.closing {
		c.heads = cl.UncommittedOffsets()
	}
	c.observe(c.heads)
	return c.box.put(ctx, cl)
}

func (c *Consumer) attempted() { c.tried = true }

func (c *Consumer) ended(ctx context.Context, cl *kgo.Client, o outcome) (outcome, error) {
	if c.tried && o == aborted {
		o = inDoubt // the commit before this abort may have happened
	}
	o, err := c.findOut(ctx, cl, o)
	if o != committedForSure {
		c.giveBack()
	}
	return o, err
}

// findOut settles a transaction, asking the log where nobody else knows what became of it.
func (c *Consumer) findOut(ctx context.Context, cl *kgo.Client, o outcome) (outcome, error) {
	if c.box == nil || c.box.made == nil {
		return o, nil // there was nothing of this consumer in it
	}
	t := transaction{at: c.box.at}
	o, err := t.find(ctx, cl, o)
	if o == inDoubt {
		return o, err
	}
	heads := c.heads
	c.heads, c.tried = nil, false
	if err := c.box.settle(o == committedForSure); err != nil {
		return o, err
	}
	if o == aborted {
		c.hop.Abandon()
		return o, nil
	}
	c.doneAll(heads)
	return o, c.markInTurn(ctx)
}

// giveBack forgets what was polled: after an abort it comes again.
func (c *Consumer) giveBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		c.drop(l)
		l.polled.told = 0
	}
}

func (c *Consumer) refuseInTransaction() error {
	if c.box == nil {
		return nil
	}
	return errors.New("the reports of this consumer are sent inside transactions: end them by EndSession")
}
