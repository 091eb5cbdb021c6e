package store

import (
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const selectUsedNumbers = `
SELECT w.stream, w.hop, w.emitter, w.number
FROM wanted AS w
INNER JOIN (
    SELECT stream, hop, emitter, groupBitmapMergeState(numbers) AS used
    FROM emitters
    WHERE (stream, hop, emitter) IN (SELECT stream, hop, emitter FROM wanted)
    GROUP BY stream, hop, emitter
) AS e ON e.stream = w.stream AND e.hop = w.hop AND e.emitter = w.emitter
WHERE bitmapContains(e.used, w.number)`

const selectDigests = `
SELECT stream, hop, emitter, number, digest
FROM lanes
WHERE (stream, hop, emitter, number) IN (SELECT stream, hop, emitter, number FROM wanted) AND ended = 0`

type reportKey struct {
	stream, hop string
	emitter     wire.UID
	number      uint64
}

// Conflicts returns which of the reports carry a number that their emitter already used for a report
// with different content. A number that was never used costs one look-up by key.
func (s *Store) Conflicts(ctx context.Context, reports []Received) ([]Conflict, error) {
	asked := make([]reportKey, len(reports))
	for i := range reports {
		asked[i] = reportKey{reports[i].Stream, reports[i].Hop, reports[i].Emitter, reports[i].Number}
	}
	var used []reportKey
	err := s.queryReports(ctx, selectUsedNumbers, asked, func(r driver.Rows) error {
		var k reportKey
		emitter := id(wire.UID{})
		err := r.Scan(&k.stream, &k.hop, &emitter, &k.number)
		k.emitter = uid(emitter)
		used = append(used, k)
		return err
	})
	if err != nil || len(used) == 0 {
		return nil, err
	}
	stored := map[reportKey][]uint64{}
	err = s.queryReports(ctx, selectDigests, used, func(r driver.Rows) error {
		var k reportKey
		var digest uint64
		emitter := id(wire.UID{})
		err := r.Scan(&k.stream, &k.hop, &emitter, &k.number, &digest)
		k.emitter = uid(emitter)
		stored[k] = append(stored[k], digest)
		return err
	})
	if err != nil {
		return nil, err
	}
	var conflicts []Conflict
	for i, k := range asked {
		if digests, ok := stored[k]; ok && !slices.Contains(digests, wire.Digest(reports[i].Report)) {
			conflicts = append(conflicts, Conflict{Index: i, Stream: k.stream, Hop: k.hop, Number: k.number})
		}
	}
	return conflicts, nil
}

func (s *Store) queryReports(ctx context.Context, sql string, keys []reportKey, scan func(driver.Rows) error) error {
	rows := make([][]any, len(keys))
	for i, k := range keys {
		rows[i] = []any{k.stream, k.hop, id(k.emitter), k.number}
	}
	columns := [][2]string{{"stream", "String"}, {"hop", "String"}, {"emitter", "UUID"}, {"number", "UInt64"}}
	args, err := params{}.table("wanted", columns, rows)
	if err != nil {
		return err
	}
	return s.query(ctx, "look for numbers used before", sql, args, scan)
}
