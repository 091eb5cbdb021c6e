package access

import (
	"context"
	"log/slog"
	"time"
)

// Followed is what files of any kind hold, as they are now.
type Followed[T any] struct{ kept *kept[T] }

// Follow reads files and goes on to look at them until Stop: a change is in force within a second, one that cannot be read is refused whole
// and the old stays. Name is for the log and a label: one of a few. The error is that of read or parse.
func Follow[T any](name string, read func() ([][]byte, error), parse func([][]byte) (T, error), metrics *Metrics, log *slog.Logger) (*Followed[T], error) {
	never := func(T) time.Time { return time.Time{} }
	k, err := keep(kind[T]{name: name, read: read, parse: parse, expires: never}, metrics, log)
	if err != nil {
		return nil, err
	}
	return &Followed[T]{k}, nil
}

// Value is what was read last that was good.
func (f *Followed[T]) Value() T { return *f.kept.value.Load() }

// Stop ends the looking.
func (f *Followed[T]) Stop(ctx context.Context) error { return f.kept.stop(ctx) }
