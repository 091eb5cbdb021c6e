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

// Changed is a verdict with the instant the server stored it.
type Changed struct {
	Verdict
	StoredAt time.Time
}

const selectChanged = `
SELECT` + verdictColumns + `, stored_at
FROM verdicts
WHERE stored_at >= {since:Int64}
ORDER BY stored_at, decided_at`

// ChangedSince returns the verdicts stored from an instant of the server's clock on, the oldest first. A verdict becomes visible a moment
// after its instant, so that who follows them must look back further than the last one seen.
func (s *Store) ChangedSince(ctx context.Context, since time.Time) ([]Changed, error) {
	var found []Changed
	err := s.query(ctx, "read changed verdicts", selectChanged, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var stored int64
		v, err := scanVerdict(r, &stored)
		found = append(found, Changed{v, at(stored)})
		return err
	})
	return found, err
}

const selectNow = `SELECT toUnixTimestamp64Milli(now64(3))`

// Now returns the server's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now int64
	err := s.query(ctx, "ask the time", selectNow, params{}, func(r driver.Rows) error { return r.Scan(&now) })
	return at(now), err
}
