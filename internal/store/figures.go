package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const selectEdgeFigures = `
SELECT
    stream, edge_from, edge_to,
    countIf(state = 1), countIf(state = 2), countIf(state = 3), countIf(state = 4), countIf(state = 5),
    sumIf(expected, state IN (1, 5)), sumIf(delivered, state IN (1, 5)), sumIf(lost, state IN (1, 5)), sumIf(duplicated, state IN (1, 5)),
    sumIf(pending, state IN (2, 3, 4))
FROM (
    SELECT *
    FROM verdicts FINAL
    WHERE start >= {from:DateTime('UTC')} - 3600 AND toUnixTimestamp(start) + seconds > toUnixTimestamp({from:DateTime('UTC')}) AND start < {to:DateTime('UTC')}
    ORDER BY stream, start, edge_from, edge_to, revision DESC
    LIMIT 1 BY stream, start, edge_from, edge_to
)
WHERE state > 0
GROUP BY stream, edge_from, edge_to
ORDER BY stream, edge_from, edge_to`

// EdgeFigures sums what is said of the windows of one edge.
type EdgeFigures struct {
	Stream  string
	Edge    Edge
	Windows [Incomplete + 1]uint64 // by state
	// Of the windows that closed.
	Expected, Delivered, Lost, Duplicated uint64
	Pending                               uint64 // of those that did not
}

// EdgeFigures returns the sums over the windows of all streams that end after from and start before to, by stream and edge: a window of an hour is judged
// when the hour that it starts in is over.
func (s *Store) EdgeFigures(ctx context.Context, from, to time.Time) ([]EdgeFigures, error) {
	var found []EdgeFigures
	args := params{}.value("from", from).value("to", to)
	err := s.query(ctx, "sum windows by edge", selectEdgeFigures, args, func(r driver.Rows) error {
		var f EdgeFigures
		w := &f.Windows
		err := r.Scan(&f.Stream, &f.Edge.From, &f.Edge.To, &w[Complete], &w[Open], &w[Settling], &w[Unknown], &w[Incomplete],
			&f.Expected, &f.Delivered, &f.Lost, &f.Duplicated, &f.Pending)
		found = append(found, f)
		return err
	})
	return found, err
}
