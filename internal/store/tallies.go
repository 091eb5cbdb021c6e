package store

import (
	"context"
	"time"

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

// LatencyKey names the latency of one hop in one window.
type LatencyKey struct {
	Start time.Time
	Hop   string
}

const selectLatencies = `
SELECT start, hop, scale, sumMap(counts), sum(z), sum(neg)
FROM (
    SELECT start, hop, epoch, emitter, max(tallies.scale) AS scale, maxMap(latency) AS counts, max(zero) AS z, max(negative) AS neg
    FROM tallies
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    GROUP BY start, hop, epoch, emitter
)
GROUP BY start, hop, scale
ORDER BY start, hop, scale`

// Latencies returns the joined latency histograms of a stream's windows that start in [from, to). Emitters
// of different scales are brought to the coarsest, which is exact: a coarser bucket is a union of finer ones.
func (s *Store) Latencies(ctx context.Context, stream string, from, to time.Time) (map[LatencyKey]Histogram, error) {
	found := map[LatencyKey]Histogram{}
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	err := s.query(ctx, "read latencies", selectLatencies, args, func(r driver.Rows) error {
		var k LatencyKey
		var h Histogram
		if err := r.Scan(&k.Start, &k.Hop, &h.Scale, &h.Counts, &h.Zero, &h.Negative); err != nil {
			return err
		}
		if before, ok := found[k]; ok {
			h = before.add(h)
		}
		found[k] = h
		return nil
	})
	for k, h := range found {
		if len(h.Counts) == 0 && h.Zero == 0 && h.Negative == 0 {
			delete(found, k)
		}
	}
	return found, err
}

func (h Histogram) add(o Histogram) Histogram {
	scale := min(h.Scale, o.Scale)
	sum := Histogram{Scale: scale, Counts: map[int32]uint64{}, Zero: h.Zero + o.Zero, Negative: h.Negative + o.Negative}
	for _, part := range []Histogram{h, o} {
		for bucket, n := range part.Counts {
			sum.Counts[bucket>>(part.Scale-scale)] += n
		}
	}
	return sum
}
