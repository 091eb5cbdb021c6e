package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// oblivion is what goes from one table where only all rows of a key together say that it may: a TTL, which looks at one row, would take the last
// word on an emitter or an incident and leave an earlier one. So the keys are read first, and then deleted by name.
type oblivion struct {
	table string
	key   string // SQL of the key: hex or a UUID, so that it can be pasted into a statement
	days  func(Retention) int
	keys  string // selects the keys that may go, given {before:Int64}
}

var oblivions = []oblivion{
	// An emitter of which a report is missing is not closed, and its carrier's entry is kept by lanes.
	{"emitters", "hex(sipHash128(toString(stream), toString(hop), toString(emitter)))", func(r Retention) int { return r.EvidenceDays }, `
SELECT hex(sipHash128(toString(stream), toString(hop), toString(emitter)))
FROM emitters AS e
GROUP BY stream, hop, emitter
HAVING least(min(e.closed_at), min(e.ended_at)) < {before:Int64}
    AND greatest(max(e.last_sent), max(e.last_received)) < {before:Int64}
    AND groupBitmapMerge(e.numbers) = bitmapMax(groupBitmapMergeState(e.numbers))`},
	// One that became part of another goes with that one.
	{"incidents", "toString(id)", func(r Retention) int { return r.IncidentsDays }, `
WITH whole AS (
    SELECT id, bad, since, last, first, if(reach >= first, cover, id) AS into
    FROM (
        SELECT *, max(last) OVER earlier AS reach, argMax(id, (last, -toInt64(toUnixTimestamp(first)))) OVER earlier AS cover
        FROM incidents FINAL
        WINDOW earlier AS (PARTITION BY stream, edge_from, edge_to, cause ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
)
SELECT toString(id) FROM whole
WHERE into IN (SELECT id FROM whole WHERE into = id AND bad = 0 AND since < {before:Int64})`},
	{"notifications", "toString(incident)", func(r Retention) int { return r.NotificationsDays }, `
SELECT toString(incident) FROM notifications WHERE incident NOT IN (SELECT id FROM incidents)
GROUP BY incident HAVING max(at) < {before:Int64}`},
	{"incident_acks", "toString(incident)", func(r Retention) int { return r.IncidentsDays }, `
SELECT toString(incident) FROM incident_acks WHERE incident NOT IN (SELECT id FROM incidents)
GROUP BY incident HAVING max(at) < {before:Int64}`},
	{"silences", "toString(id)", func(r Retention) int { return r.SilencesDays }, `
SELECT toString(id) FROM silences FINAL WHERE ends < {before:Int64}`},
}

// forgetAtOnce is how many keys one statement deletes; its text must stay within what the server parses.
const forgetAtOnce = 1000

// Forget deletes what r says may go at now and no TTL can tell, and returns how many keys went from each table. It may be made again at any time, and
// by several processes.
func (s *Store) Forget(ctx context.Context, r Retention, now time.Time) (map[string]int, error) {
	r = r.WithDefaults()
	gone := map[string]int{}
	for _, o := range oblivions {
		var keys []string
		before := now.Add(-time.Duration(o.days(r)) * 24 * time.Hour)
		args := params{}.value("before", before.UnixMilli())
		err := s.query(ctx, "read what may go of "+o.table, o.keys, args, func(rows driver.Rows) error {
			var key string
			err := rows.Scan(&key)
			keys = append(keys, key)
			return err
		})
		if err != nil {
			return gone, err
		}
		for some := range slices.Chunk(keys, forgetAtOnce) {
			sql := fmt.Sprintf("ALTER TABLE %s DELETE WHERE %s IN ('%s') SETTINGS mutations_sync = 1", o.table, o.key, strings.Join(some, "', '"))
			if err := s.exec(ctx, "forget what may go of "+o.table, sql); err != nil {
				return gone, err
			}
			gone[o.table] += len(some)
		}
	}
	return gone, nil
}
