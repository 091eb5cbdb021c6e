package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// commitAll stores what is queued until Stop, and then what is left.
func (l *line[T]) commitAll() {
	defer close(l.dead)
	for {
		select {
		case r := <-l.queue:
			l.commit(l.gather(r))
		case <-l.quit:
			l.drain()
			return
		}
	}
}

func (l *line[T]) drain() {
	for {
		select {
		case r := <-l.queue:
			l.commit(l.gather(r))
		default:
			return
		}
	}
}

// gather waits a little for others to share the insert.
func (l *line[T]) gather(first *request[T]) []*request[T] {
	group, items, bytes := []*request[T]{first}, len(first.items), first.held.held
	linger := time.NewTimer(l.config.Linger)
	defer linger.Stop()
	for items < l.config.BatchReports && bytes < l.config.BatchBytes {
		select {
		case r := <-l.queue:
			group, items, bytes = append(group, r), items+len(r.items), bytes+r.held.held
		case <-linger.C:
			return group
		case <-l.quit:
			return group
		}
	}
	return group
}

// commit checks the group, stores what is good in one insert, and answers everyone. A request that
// is refused does not harm the others.
func (l *line[T]) commit(group []*request[T]) {
	l.waiting.Set(float64(len(l.queue)))
	start := time.Now()
	defer func() { l.insertT.Observe(time.Since(start).Seconds()) }()
	ctx, cancel := context.WithTimeout(l.ctx, l.config.CommitTimeout)
	defer cancel()
	good, err := group, error(nil)
	if l.check != nil {
		good, err = l.check(ctx, group)
	}
	if err != nil {
		finish(good, away(err))
		return
	}
	if len(good) == 0 {
		return
	}
	err = l.insertAll(ctx, good)
	if err != nil && len(good) > 1 && !errors.Is(err, store.ErrAway) {
		l.insertEach(ctx, good)
		return
	}
	l.stored(good, err)
}

// insertEach finds the request that the store does not take, so that the others are taken.
func (l *line[T]) insertEach(ctx context.Context, group []*request[T]) {
	for _, r := range group {
		one := []*request[T]{r}
		l.stored(one, l.insertAll(ctx, one))
	}
}

func (l *line[T]) insertAll(ctx context.Context, group []*request[T]) error {
	var all []T
	for _, r := range group {
		all = append(all, r.items...)
	}
	if len(all) == 0 {
		return nil
	}
	return away(l.insert(ctx, all))
}

// away makes a store that does not answer in time one that is away.
func away(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", store.ErrAway, err)
	}
	return err
}

func (l *line[T]) stored(group []*request[T], err error) {
	if err == nil {
		for _, r := range group {
			l.took(r)
		}
	}
	finish(group, err)
}

func finish[T any](group []*request[T], err error) {
	for _, r := range group {
		r.finish(err)
	}
}
