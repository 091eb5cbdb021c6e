package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// SharePass is the last pass over the streams of a share.
type SharePass struct {
	Share  uint32
	At     time.Time // its end
	Took   time.Duration
	Member string // who made it
}

// NotePasses keeps that a pass was made over the shares. Nothing rests on it but what people are told.
func (s *Store) NotePasses(ctx context.Context, passes []SharePass) error {
	rows := make([][]any, len(passes))
	for i, p := range passes {
		rows[i] = []any{p.Share, p.At.UnixMilli(), p.Took.Milliseconds(), p.Member}
	}
	return s.insert(ctx, "passes", rows)
}

const selectPasses = `SELECT share, at, took, member FROM passes FINAL ORDER BY share`

// Passes returns the last pass over every share that was ever looked at.
func (s *Store) Passes(ctx context.Context) ([]SharePass, error) {
	var passes []SharePass
	err := s.query(ctx, "read passes", selectPasses, params{}, func(r driver.Rows) error {
		var p SharePass
		var ended, took int64
		err := r.Scan(&p.Share, &ended, &took, &p.Member)
		p.At, p.Took = at(ended), time.Duration(took)*time.Millisecond
		passes = append(passes, p)
		return err
	})
	return passes, err
}
