package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const selectHopTallies = `
SELECT stream, start, hop, sum(u), sum(c)
FROM (
    SELECT stream, start, hop, epoch, emitter, max(too_old) + max(too_new) + max(unreadable) + max(no_uid) AS u,
        maxMap(schemas) AS m, arraySum((k, n) -> if(JSONExtractString(k, 3) = 'UNKNOWN_SCHEMA', 0, n), mapKeys(m), mapValues(m)) AS c
    FROM tallies
    WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    GROUP BY stream, start, hop, epoch, emitter
)
GROUP BY stream, start, hop
HAVING sum(u) + sum(c) > 0`

// HopTally is what a hop counted in a window beside its rolls.
type HopTally struct {
	Unplaced uint64 // events that it could not give a window of their own
	Checked  uint64 // events that it checked against their schema, whatever came of it; not those whose schema was not at hand, of which nobody knows
}

// HopTallies returns what the hops counted in the windows; those that counted nothing are left out.
func (s *Store) HopTallies(ctx context.Context, windows []WindowKey) (map[HopWindow]HopTally, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[HopWindow]HopTally{}
	err = s.query(ctx, "read tallies of hops", selectHopTallies, args, func(r driver.Rows) error {
		var h HopWindow
		var n HopTally
		err := r.Scan(&h.Stream, &h.Start, &h.Hop, &n.Unplaced, &n.Checked)
		found[h] = n
		return err
	})
	return found, err
}
