package store

import (
	"context"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/rollcallhq/rollcall/internal/latency"
)

const recentTallies = `
    FROM tallies AS t
    INNER JOIN wanted AS w ON w.stream = t.stream
    WHERE t.start >= {from:DateTime('UTC')} AND t.start >= w.since AND t.start < {to:DateTime('UTC')}
    GROUP BY stream, start, hop, epoch, emitter`

const selectRecentSchemas = `
SELECT stream, hop, outcome, sum(n)
FROM (
    SELECT t.stream AS stream, t.start AS start, t.hop AS hop, t.epoch AS epoch, t.emitter AS emitter, maxMap(t.schemas) AS joined` + recentTallies + `
)
ARRAY JOIN arrayMap(k -> JSONExtractString(k, 3), mapKeys(joined)) AS outcome, mapValues(joined) AS n
GROUP BY stream, hop, outcome`

const selectRecentLatencies = `
SELECT stream, hop, scale, sumMap(counts), sum(z), sum(neg)
FROM (
    SELECT t.stream AS stream, t.start AS start, t.hop AS hop, t.epoch AS epoch, t.emitter AS emitter,
        max(t.scale) AS scale, maxMap(t.latency) AS counts, max(t.zero) AS z, max(t.negative) AS neg` + recentTallies + `
    HAVING length(counts) > 0 OR z > 0 OR neg > 0
)
GROUP BY stream, hop, scale`

// HopKey names a hop of a stream.
type HopKey struct{ Stream, Hop string }

// HopFigures is what a hop counted beside its rolls.
type HopFigures struct {
	Outcomes map[string]uint64 // events checked against their schema, by outcome
	latency  latency.Histogram
}

// P99 is how many seconds after their production 99 % of the events were taken over, where so many more have not arrived; positive infinity where they
// are more than the hundredth. It is false where nothing was measured.
func (f *HopFigures) P99(notArrived uint64) (seconds float64, measured bool) {
	h := f.latency
	if h.Measured() == 0 {
		return 0, false
	}
	h.NotArrived = notArrived
	switch v := h.Quantiles(990)[0]; v.Kind {
	case latency.Measured:
		return v.Upper / 1000, true
	case latency.NotArrived:
		return math.Inf(1), true
	}
	return 0, false
}

// HopFigures returns what the hops of the streams counted in the windows that start at since or later, by stream, and before to.
func (s *Store) HopFigures(ctx context.Context, since map[string]time.Time, to time.Time) (map[HopKey]*HopFigures, error) {
	found := map[HopKey]*HopFigures{}
	rows, from := make([][]any, 0, len(since)), to
	for stream, start := range since {
		rows = append(rows, []any{stream, start})
		if start.Before(from) {
			from = start
		}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"since", "DateTime('UTC')"}}, rows)
	if err != nil || len(rows) == 0 {
		return found, err
	}
	at := func(k HopKey) *HopFigures {
		if found[k] == nil {
			found[k] = &HopFigures{Outcomes: map[string]uint64{}}
		}
		return found[k]
	}
	args = args.value("from", from).value("to", to)
	err = s.query(ctx, "sum outcomes of schemas", selectRecentSchemas, args, func(r driver.Rows) error {
		var k HopKey
		var outcome string
		var n uint64
		err := r.Scan(&k.Stream, &k.Hop, &outcome, &n)
		at(k).Outcomes[outcome] += n
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, s.query(ctx, "sum latencies of hops", selectRecentLatencies, args, func(r driver.Rows) error {
		var k HopKey
		var part latency.Histogram
		if err := r.Scan(&k.Stream, &k.Hop, &part.Scale, &part.Counts, &part.Zero, &part.Negative); err != nil {
			return err
		}
		at(k).latency.Add(part)
		return nil
	})
}

const selectDelivered = `
SELECT stream, edge_from, edge_to, max(toUnixTimestamp(start) + seconds)
FROM verdicts
WHERE start >= {from:DateTime('UTC')} AND delivered > 0
GROUP BY stream, edge_from, edge_to
ORDER BY stream, edge_from, edge_to`

// Delivered is how far something was delivered over an edge.
type Delivered struct {
	Stream string
	Edge   Edge
	Until  time.Time // end of the newest window with a delivered event
}

// DeliveredUntil returns, by stream and edge, how far something was delivered, among the windows that start at from or later.
func (s *Store) DeliveredUntil(ctx context.Context, from time.Time) ([]Delivered, error) {
	var found []Delivered
	err := s.query(ctx, "read how far is delivered", selectDelivered, params{}.value("from", from), func(r driver.Rows) error {
		var d Delivered
		var until uint64
		err := r.Scan(&d.Stream, &d.Edge.From, &d.Edge.To, &until)
		d.Until = time.Unix(int64(until), 0).UTC()
		found = append(found, d)
		return err
	})
	return found, err
}
