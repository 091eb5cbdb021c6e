package ingest

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// Ways in which batches come: the values of the label via.
const (
	viaHTTP  = "http"
	viaKafka = "kafka"
)

// request is one batch that waits to be stored.
type request[T any] struct {
	items []T
	via   string
	held  claim      // given back with the answer
	done  chan error // one answer, never blocks the committer
}

// newRequest takes the room over: who makes a request that is then not queued must release it.
func (l *line[T]) newRequest(items []T, held *claim, via string) *request[T] {
	l.stamp(items, l.now().UTC())
	return &request[T]{items: items, held: held.hand(), via: via, done: make(chan error, 1)}
}

// finish answers the request and lets go of what it holds.
func (r *request[T]) finish(err error) {
	r.items = nil
	r.held.release()
	r.done <- err
}

// claim is the room one request holds. It is not for concurrent use.
type claim struct {
	room *semaphore.Weighted
	most int64 // of one request, so that one that unpacks to more than all room is not refused for ever
	held int64
}

func (l *line[T]) claim() *claim { return &claim{room: l.room, most: l.config.QueueBytes / 2} }

// grow takes n more bytes and says whether there was room.
func (c *claim) grow(n int) bool {
	more := min(int64(n), c.most-c.held)
	if more > 0 && !c.room.TryAcquire(more) {
		return false
	}
	c.held += max(more, 0)
	return true
}

// wait is grow that waits for room.
func (c *claim) wait(ctx context.Context, n int) error {
	more := min(int64(n), c.most-c.held)
	if more <= 0 {
		return nil
	}
	if err := c.room.Acquire(ctx, more); err != nil {
		return fmt.Errorf("ingest: wait for room: %w", err)
	}
	c.held += more
	return nil
}

func (c *claim) release() {
	c.room.Release(c.held)
	c.held = 0
}

// hand gives the room to another owner.
func (c *claim) hand() claim {
	mine := *c
	c.held = 0
	return mine
}
