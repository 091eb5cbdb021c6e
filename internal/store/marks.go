package store

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Mark says that a window, or a stream as a whole, must be looked at from Due on. Every window that is not closed has one.
type Mark struct {
	WindowKey           // a zero Start: the stream
	Due       time.Time // zero: at once
	Since     time.Time // for a stream: the earliest sentAt of the reports that made the mark
	Token     uint64    // 0 asks for a new one
}

func markRow(m Mark, n int64) []any {
	token := m.Token
	if token == 0 {
		token = rand.Uint64() | 1
	}
	start := m.Start
	if start.IsZero() {
		start = time.Unix(0, 0).UTC()
	}
	return []any{ms(m.Due), m.Stream, start, ms(m.Since), token, n}
}

const selectDueMarks = `
SELECT due, stream, start, since, token
FROM marks
WHERE due <= {now:Int64}
GROUP BY due, stream, start, since, token
HAVING sum(n) > 0
ORDER BY due, stream, start
LIMIT {limit:UInt64}`

const selectStreamMarks = `
SELECT due, stream, start, since, token
FROM marks
WHERE stream IN (SELECT stream FROM wanted)
GROUP BY due, stream, start, since, token
HAVING sum(n) > 0
ORDER BY due, stream, start`

// DueMarks returns up to limit marks that are due, the longest due first.
func (s *Store) DueMarks(ctx context.Context, now time.Time, limit int) ([]Mark, error) {
	return s.selectMarks(ctx, selectDueMarks, params{}.value("now", now.UnixMilli()).value("limit", limit))
}

// MarksOf returns all marks of the streams, due or not.
func (s *Store) MarksOf(ctx context.Context, streams []string) ([]Mark, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	return s.selectMarks(ctx, selectStreamMarks, args)
}

func (s *Store) selectMarks(ctx context.Context, sql string, args params) ([]Mark, error) {
	var marks []Mark
	err := s.query(ctx, "read marks", sql, args, func(r driver.Rows) error {
		var m Mark
		var due, since int64
		if err := r.Scan(&due, &m.Stream, &m.Start, &since, &m.Token); err != nil {
			return err
		}
		if m.Start.Unix() == 0 {
			m.Start = time.Time{}
		}
		m.Due, m.Since = at(due), at(since)
		marks = append(marks, m)
		return nil
	})
	return marks, err
}

// ReplaceMarks writes the new marks and removes the old ones, each by its own value, so that a mark made meanwhile stays.
func (s *Store) ReplaceMarks(ctx context.Context, old, next []Mark) error {
	return s.insert(ctx, "marks", markRows(old, next))
}

func markRows(old, next []Mark) [][]any {
	rows := make([][]any, 0, len(old)+len(next))
	for _, m := range next {
		rows = append(rows, markRow(m, 1))
	}
	for _, m := range old {
		rows = append(rows, markRow(m, -1))
	}
	return rows
}
