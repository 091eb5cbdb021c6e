package store

import (
	"context"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/rollcallhq/rollcall/internal/latency"
)

// noScale is the scale in a row of an emitter that tells nothing of latency: the join is the maximum, and this one never wins.
const noScale = math.MinInt32

// LatencyKey names the latency of one hop in one window.
type LatencyKey struct {
	Start time.Time
	Hop   string
}

// What one emitter said at different times is joined by the greatest count of each bucket, since it counts on; what several
// said is added. A count is at most 2^53-1 when it is taken in, so that sums do not wrap below 2048 emitters that all say so.
const selectLatencies = `
SELECT start, hop, scale, sumMap(counts), sum(z), sum(neg)
FROM (
    SELECT start, hop, epoch, emitter, max(tallies.scale) AS scale, maxMap(latency) AS counts, max(zero) AS z, max(negative) AS neg
    FROM tallies
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    GROUP BY start, hop, epoch, emitter
    HAVING length(counts) > 0 OR z > 0 OR neg > 0
)
GROUP BY start, hop, scale`

// Latencies returns the latency of the hops of a stream in its windows that start in [from, to), the emitters added; a hop of which nothing
// was measured is left out. NotArrived is 0: reports tell nothing of it.
func (s *Store) Latencies(ctx context.Context, stream string, from, to time.Time) (map[LatencyKey]latency.Histogram, error) {
	found := map[LatencyKey]latency.Histogram{}
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	err := s.query(ctx, "read latencies", selectLatencies, args, func(r driver.Rows) error {
		var k LatencyKey
		var part latency.Histogram
		if err := r.Scan(&k.Start, &k.Hop, &part.Scale, &part.Counts, &part.Zero, &part.Negative); err != nil {
			return err
		}
		k.Start = k.Start.UTC()
		sum := found[k]
		sum.Add(part)
		found[k] = sum
		return nil
	})
	return found, err
}

const selectNewest = `
SELECT edge_from, edge_to, max(start), argMax(seconds, start)
FROM (
    SELECT start, edge_from, edge_to, seconds, delivered
    FROM verdicts FINAL
    WHERE stream = {stream:String} AND start >= {since:DateTime('UTC')}
    ORDER BY start, edge_from, edge_to, revision DESC
    LIMIT 1 BY start, edge_from, edge_to
)
WHERE delivered > 0
GROUP BY edge_from, edge_to`

// Delivery is the last window of an edge of which something was delivered.
type Delivery struct {
	Start   time.Time
	Seconds uint32
}

// Newest returns, by edge, the window in which the newest delivered event was produced, among those that start at since or later.
func (s *Store) Newest(ctx context.Context, stream string, since time.Time) (map[Edge]Delivery, error) {
	found := map[Edge]Delivery{}
	args := params{}.value("stream", stream).value("since", since)
	err := s.query(ctx, "read the newest delivered", selectNewest, args, func(r driver.Rows) error {
		var e Edge
		var d Delivery
		err := r.Scan(&e.From, &e.To, &d.Start, &d.Seconds)
		d.Start = d.Start.UTC()
		found[e] = d
		return err
	})
	return found, err
}

// Of a report that came twice the first receipt counts. The quickest report of each 5 minutes is the estimate of these.
const selectClockReports = `
SELECT host, max(quickest), min(quickest), quantileExact(0.5)(quickest - ahead), count()
FROM (
    SELECT host, ahead, max(ahead) OVER (PARTITION BY host, intDiv(received, 300000)) AS quickest
    FROM (
        SELECT host, max(sent_at - received_at) AS ahead, min(received_at) AS received
        FROM lanes
        WHERE stream = {stream:String} AND ended = 0 AND top >= {behind:Int64} AND received_at >= {since:Int64} AND received_at < {until:Int64}
        GROUP BY host, hop, emitter, number
    )
)
GROUP BY host`

const selectClockLatencies = `
SELECT e.host, sum(t.measured), sum(t.neg)
FROM (
    SELECT hop, emitter, arraySum(mapValues(maxMap(latency))) + max(zero) AS measured, max(negative) AS neg
    FROM tallies
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    GROUP BY start, hop, epoch, emitter
) AS t
INNER JOIN (
    SELECT hop, emitter, max(emitters.host) AS host FROM emitters WHERE stream = {stream:String} GROUP BY hop, emitter
) AS e ON e.hop = t.hop AND e.emitter = t.emitter
GROUP BY e.host`

// HostClock is what the reports of a host tell of its clock.
type HostClock struct {
	Host string
	// Ahead is how far the clock is ahead of the server's at least: the greatest of sentAt minus the time of receipt. The way of a
	// report takes time, so that the truth is this or more. Lowest is the least of what is said so of 5 minutes each, and Transit the median of how
	// much longer than the quickest of these a report took. They mean nothing where Reports is 0.
	Ahead, Lowest, Transit time.Duration

	Reports  uint64 // that were received in the range
	Measured uint64 // events its hops took over with a latency of 0 ms or more, in windows of the range
	Negative uint64 // events they took over before their production, by the clocks
}

// clockTail is how long after a range the reports of its windows still count among those that tell of its clocks.
const clockTail = 5 * time.Minute

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// HostClocks returns what is known of the clocks of a stream's hosts from reports received in [from, to) or soon after, as those of its last
// windows are, and from latencies in windows that start in it, in no order.
func (s *Store) HostClocks(ctx context.Context, stream string, from, to time.Time) ([]HostClock, error) {
	found := map[string]HostClock{}
	args := received(params{}, from).value("stream", stream).value("until", to.Add(clockTail).UnixMilli()).value("from", from).value("to", to)
	err := s.query(ctx, "read clocks", selectClockReports, args, func(r driver.Rows) error {
		var c HostClock
		var ahead, lowest, transit int64
		err := r.Scan(&c.Host, &ahead, &lowest, &transit, &c.Reports)
		c.Ahead, c.Lowest, c.Transit = millis(ahead), millis(lowest), millis(transit)
		found[c.Host] = c
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.query(ctx, "read skewed latencies", selectClockLatencies, args, func(r driver.Rows) error {
		var host string
		var measured, negative uint64
		err := r.Scan(&host, &measured, &negative)
		c := found[host]
		c.Host, c.Measured, c.Negative = host, measured, negative
		found[host] = c
		return err
	})
	clocks := make([]HostClock, 0, len(found))
	for _, c := range found {
		clocks = append(clocks, c)
	}
	return clocks, err
}
