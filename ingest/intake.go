package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Ways in which reports come: the values of the label via.
const (
	viaHTTP  = "http"
	viaKafka = "kafka"
)

// request is one batch that waits to be stored.
type request struct {
	reports []store.Received
	via     string
	held    claim      // given back with the answer
	done    chan error // one answer, never blocks the committer
}

// finish answers the request and lets go of what it holds.
func (r *request) finish(err error) {
	r.reports = nil
	r.held.release()
	r.done <- err
}

// claim is the room one request holds. It is not for concurrent use.
type claim struct {
	room *semaphore.Weighted
	most int64 // of one request, so that one that unpacks to more than all room is not refused for ever
	held int64
}

func (in *Intake) claim() *claim { return &claim{room: in.room, most: in.config.QueueBytes / 2} }

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

// weigh is about what the reports hold in memory, in bytes.
func weigh(b wire.Batch) int {
	const report, window, source, entry = 512, 256, 256, 160
	n := 0
	for i := range b.Reports {
		r := &b.Reports[i]
		n += report + entry*(len(r.Lanes)+len(r.Ended))
		for j := range r.Windows {
			w := &r.Windows[j]
			n += window + entry*(len(w.Foreign)+len(w.Schemas)+len(w.Reasons))
			for k := range w.Sources {
				n += source
				for _, roll := range w.Sources[k].Rolls {
					if roll != nil {
						n += int(roll.GetSizeInBytes())
					}
				}
			}
		}
	}
	return n
}

// newRequest takes the room over: who makes a request that is then not queued must release it.
func (in *Intake) newRequest(b wire.Batch, held *claim, via string) *request {
	at := in.Now().UTC()
	r := &request{held: held.hand(), via: via, done: make(chan error, 1)}
	for _, report := range b.Reports {
		r.reports = append(r.reports, store.Received{Report: report, At: at})
	}
	return r
}

// offer queues a request, or says that there is no place.
func (in *Intake) offer(r *request) error {
	select {
	case <-in.quit:
		return ErrStopping
	default:
	}
	select {
	case in.queue <- r:
		return nil
	default:
		return ErrFull
	}
}

// put queues a request and waits for a place.
func (in *Intake) put(ctx context.Context, r *request) error {
	select {
	case <-in.quit:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	case in.queue <- r:
		return nil
	}
}

// answer waits until the request is stored or refused. A request queued while the committer ended is not stored.
func (in *Intake) answer(ctx context.Context, r *request) error {
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-in.dead:
	}
	select {
	case err := <-r.done:
		return err
	default:
		return ErrStopping
	}
}

// commitAll stores what is queued until Stop, and then what is left.
func (in *Intake) commitAll() {
	defer close(in.dead)
	for {
		select {
		case r := <-in.queue:
			in.commit(in.gather(r))
		case <-in.quit:
			in.drain()
			return
		}
	}
}

func (in *Intake) drain() {
	for {
		select {
		case r := <-in.queue:
			in.commit(in.gather(r))
		default:
			return
		}
	}
}

// gather waits a little for others to share the insert.
func (in *Intake) gather(first *request) []*request {
	group, reports, bytes := []*request{first}, len(first.reports), first.held.held
	linger := time.NewTimer(in.config.Linger)
	defer linger.Stop()
	for reports < in.config.BatchReports && bytes < in.config.BatchBytes {
		select {
		case r := <-in.queue:
			group, reports, bytes = append(group, r), reports+len(r.reports), bytes+r.held.held
		case <-linger.C:
			return group
		case <-in.quit:
			return group
		}
	}
	return group
}

// commit checks the group, stores what is good in one insert, and answers everyone. A request that
// is refused does not harm the others.
func (in *Intake) commit(group []*request) {
	in.metrics.waiting.Set(float64(len(in.queue)))
	start := time.Now()
	defer func() { in.metrics.insertTime.Observe(time.Since(start).Seconds()) }()
	ctx, cancel := context.WithTimeout(in.ctx, in.config.CommitTimeout)
	defer cancel()
	good, err := in.check(ctx, group)
	if err != nil {
		finish(good, away(err))
		return
	}
	if len(good) == 0 {
		return
	}
	err = in.insert(ctx, good)
	if err != nil && len(good) > 1 && !errors.Is(err, store.ErrAway) {
		in.insertEach(ctx, good)
		return
	}
	in.stored(good, err)
}

// insertEach finds the request that the store does not take, so that the others are taken.
func (in *Intake) insertEach(ctx context.Context, group []*request) {
	for _, r := range group {
		one := []*request{r}
		in.stored(one, in.insert(ctx, one))
	}
}

func (in *Intake) insert(ctx context.Context, group []*request) error {
	var all []store.Received
	for _, r := range group {
		all = append(all, r.reports...)
	}
	if len(all) == 0 {
		return nil
	}
	in.metrics.inserts.Inc()
	return away(in.Store.Insert(ctx, all))
}

// away makes a store that does not answer in time one that is away.
func away(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", store.ErrAway, err)
	}
	return err
}

func (in *Intake) stored(group []*request, err error) {
	if err == nil {
		for _, r := range group {
			in.accepted.Add(uint64(len(r.reports)))
			in.metrics.accepted.WithLabelValues(r.via).Add(float64(len(r.reports)))
			in.metrics.requests.WithLabelValues(r.via).Inc()
		}
	}
	finish(group, err)
}

func finish(group []*request, err error) {
	for _, r := range group {
		r.finish(err)
	}
}
