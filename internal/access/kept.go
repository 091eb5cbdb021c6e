package access

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often files are looked at: what was revoked must end within a second.
const lookEvery = 250 * time.Millisecond

// kind says how something is read from files.
type kind[T any] struct {
	name    string // for the log, and as a label: one of a few
	read    func() ([][]byte, error)
	parse   func(contents [][]byte) (T, error)
	expires func(T) time.Time // of the first part of it; zero: never
}

// kept is what was read from files. Contents are compared, not times: a change within the clock's grain is seen too.
type kept[T any] struct {
	kind    kind[T]
	metrics *Metrics
	log     *slog.Logger
	value   atomic.Pointer[T]

	sum     [sha256.Size]byte // of the contents in force
	refused string            // why the contents on disk are not; empty when they are

	once sync.Once
	quit chan struct{}
	done chan struct{}
}

// keep reads for the first time, and from then on until stop. What cannot be read is an error now; later the old stays.
func keep[T any](k kind[T], metrics *Metrics, log *slog.Logger) (*kept[T], error) {
	w := &kept[T]{kind: k, metrics: metrics, log: log, quit: make(chan struct{}), done: make(chan struct{})}
	contents, err := k.read()
	if err != nil {
		return nil, err
	}
	value, err := k.parse(contents)
	if err != nil {
		return nil, err
	}
	w.take(value, sumOf(contents))
	go w.run()
	return w, nil
}

func (w *kept[T]) stop(ctx context.Context) error {
	w.once.Do(func() { close(w.quit) })
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop looking at the %s: %w", w.kind.name, ctx.Err())
	}
}

func (w *kept[T]) run() {
	defer close(w.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
			w.look()
		}
	}
}

// look takes what is new and good, and says once of what is new and broken that it is refused.
func (w *kept[T]) look() {
	contents, err := w.kind.read()
	if err == nil && sumOf(contents) == w.sum {
		w.mended()
		return
	}
	var value T
	if err == nil {
		value, err = w.kind.parse(contents)
	}
	if err != nil {
		w.refuse(err)
		return
	}
	w.take(value, sumOf(contents))
	w.mended()
	w.metrics.files.WithLabelValues(w.kind.name, "taken").Inc()
	w.log.Info("a changed file is in force", "file", w.kind.name)
}

func (w *kept[T]) take(value T, sum [sha256.Size]byte) {
	w.value.Store(&value)
	w.sum = sum
	w.metrics.stale.WithLabelValues(w.kind.name).Set(0)
	w.metrics.expires.DeleteLabelValues(w.kind.name)
	if at := w.kind.expires(value); !at.IsZero() {
		w.metrics.expires.WithLabelValues(w.kind.name).Set(float64(at.Unix()))
	}
}

func (w *kept[T]) refuse(err error) {
	if err.Error() == w.refused {
		return
	}
	w.refused = err.Error()
	w.metrics.stale.WithLabelValues(w.kind.name).Set(1)
	w.metrics.files.WithLabelValues(w.kind.name, "refused").Inc()
	w.log.Error("a changed file is refused, the old one stays in force", "file", w.kind.name, "error", err)
}

func (w *kept[T]) mended() {
	w.refused = ""
	w.metrics.stale.WithLabelValues(w.kind.name).Set(0)
}

func sumOf(contents [][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, c := range contents {
		one := sha256.Sum256(c)
		h.Write(one[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
