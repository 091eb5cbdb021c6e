package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const selectUnplaced = `
SELECT stream, start, hop, sum(u)
FROM (
    SELECT stream, start, hop, epoch, emitter, max(too_old) + max(too_new) + max(unreadable) + max(no_uid) AS u
    FROM tallies
    WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    GROUP BY stream, start, hop, epoch, emitter
)
GROUP BY stream, start, hop
HAVING sum(u) > 0`

// Unplaced returns how many events each hop could not give a window of their own.
func (s *Store) Unplaced(ctx context.Context, windows []WindowKey) (map[HopWindow]uint64, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[HopWindow]uint64{}
	err = s.query(ctx, "read unplaced events", selectUnplaced, args, func(r driver.Rows) error {
		var h HopWindow
		var n uint64
		err := r.Scan(&h.Stream, &h.Start, &h.Hop, &n)
		found[h] = n
		return err
	})
	return found, err
}
