package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// base is what lines of all sorts have: how they answer, and what they count.
type base struct {
	what    string // a word for what is taken: reports
	config  Config
	log     *slog.Logger
	now     func() time.Time
	refused *prometheus.CounterVec // via, reason
	waiting prometheus.Gauge
	insertT prometheus.Observer // seconds of one insert with its checks

	kafka      kafkaMetrics
	lag        prometheus.Gauge
	bare       bool                   // records are put aside without their bytes
	aside      *atomic.Uint64         // records put aside
	notKept    *prometheus.CounterVec // reason; nil where batches are taken whole or not at all
	quarantine func(context.Context, []store.Quarantined) error
}

func (b *base) common() *base { return b }

// partly counts what is refused of a batch whose rest is stored, and returns the refusal.
func (b *base) partly(refused error) error {
	var r *Refusal
	if b.notKept != nil && errors.As(refused, &r) {
		b.notKept.WithLabelValues(r.reason).Add(float64(r.items))
	}
	return refused
}

// line takes batches of T in, over HTTP and from Kafka, and brings them to the store: many requests, one insert. What T is
// and how it is stored are the functions it is given.
type line[T any] struct {
	base
	forms    forms
	limitsOf func(query map[string][]string) (wire.Limits, error)
	decode   func(form format, body []byte, limits wire.Limits) ([]T, int, error)           // and about what they hold in memory, in bytes; with items, the error is of the others
	keyed    func(items []T, key string) error                                              // refuses what does not belong under a record's key
	stamp    func(items []T, at time.Time)                                                  // notes the receipt
	check    func(ctx context.Context, group []*request[T]) (good []*request[T], err error) // refuses what cannot be taken; nil: nothing is
	insert   func(ctx context.Context, items []T) error                                     // nil only when they are durable
	took     func(*request[T])                                                              // counts

	room     *semaphore.Weighted // bytes held by requests
	decoding chan struct{}
	queue    chan *request[T]
	quit     chan struct{} // closed by Stop: nothing new is taken
	dead     chan struct{} // closed when the committer has ended
	once     sync.Once
	started  atomic.Bool
	abort    context.CancelFunc // gives the insert under way up
	ctx      context.Context    //nolint:containedctx // of the committer, which outlives every request
}

// open makes a line ready for Start.
func (l *line[T]) open() {
	l.room, l.decoding = semaphore.NewWeighted(l.config.QueueBytes), make(chan struct{}, l.config.Decoders)
	l.queue, l.quit, l.dead = make(chan *request[T], l.config.QueueRequests), make(chan struct{}), make(chan struct{})
	l.ctx, l.abort = context.WithCancel(context.Background())
}

// Start begins to store what is submitted.
func (l *line[T]) Start() {
	if l.started.CompareAndSwap(false, true) {
		go l.commitAll()
	}
}

// Stop refuses what comes from now on and stores what waits. When ctx ends first the insert under way
// is given up and an error returned: those who wait for it hear that it may not be stored.
func (l *line[T]) Stop(ctx context.Context) error {
	l.once.Do(func() { close(l.quit) })
	defer l.abort()
	if !l.started.Load() {
		return nil
	}
	select {
	case <-l.dead:
		return nil
	case <-ctx.Done():
		l.abort()
		<-l.dead
		return errors.Join(errors.New("ingest: "+l.what+" were still waiting to be stored"), ctx.Err())
	}
}

// offer queues a request, or says that there is no place.
func (l *line[T]) offer(r *request[T]) error {
	select {
	case <-l.quit:
		return ErrStopping
	default:
	}
	select {
	case l.queue <- r:
		return nil
	default:
		return ErrFull
	}
}

// put queues a request and waits for a place.
func (l *line[T]) put(ctx context.Context, r *request[T]) error {
	select {
	case <-l.quit:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	case l.queue <- r:
		return nil
	}
}

// answer waits until the request is stored or refused. A request queued while the committer ended is not stored.
func (l *line[T]) answer(ctx context.Context, r *request[T]) error {
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.dead:
	}
	select {
	case err := <-r.done:
		return err
	default:
		return ErrStopping
	}
}

// submit stores a batch. The room it takes stays held until it is stored, also when its sender has gone, or was told to come again, meanwhile:
// so what waits stays bounded while the store hangs.
func (l *line[T]) submit(ctx context.Context, items []T, held *claim) error {
	request := l.newRequest(items, held, viaHTTP)
	if err := l.offer(request); err != nil {
		request.held.release()
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.config.AnswerTimeout, ErrSlow)
	defer cancel()
	return l.answer(ctx, request)
}
