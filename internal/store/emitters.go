package store

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

const selectEmitters = `
SELECT
    stream, hop, emitter, max(e.epoch), groupBitmapMerge(e.numbers), toString(groupBitmapMergeState(e.numbers)),
    min(first_sent), max(last_sent), max(last_received), min(closed_at), min(ended_at), minMap(e.after_first),
    max(e.heartbeat), max(e.host), max(e.container), max(e.version), max(e.spool)
FROM emitters AS e
WHERE stream IN (SELECT stream FROM wanted)
GROUP BY stream, hop, emitter
HAVING least(min(closed_at), min(ended_at)) >= {since:Int64}
    OR groupBitmapMerge(e.numbers) < bitmapMax(groupBitmapMergeState(e.numbers))
    OR (stream, hop, emitter) IN (
        SELECT stream, hop, arrayJoin([emitter, carrier]) FROM lanes
        WHERE stream IN (SELECT stream FROM wanted) AND top >= {behind:Int64} AND (top >= {since:Int64} OR received_at >= {since:Int64})
    )`

// Emitters returns all emitters of a stream, in no order.
func (s *Store) Emitters(ctx context.Context, stream string) ([]Emitter, error) {
	found, err := s.EmittersSince(ctx, []string{stream}, time.UnixMilli(math.MinInt64/2))
	return found[stream], err
}

// EmittersSince returns the emitters of the streams that were not closed before since, lack a report, speak of an instant from since on, or
// were heard of since, by stream. So the emitter of each report of Reports is among them, but for old ended entries.
func (s *Store) EmittersSince(ctx context.Context, streams []string, since time.Time) (map[string][]Emitter, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]Emitter{}
	err = s.query(ctx, "read emitters", selectEmitters, received(args, since), func(r driver.Rows) error {
		e, err := scanEmitter(r)
		if err == nil {
			found[e.Stream] = append(found[e.Stream], e)
		}
		return err
	})
	return found, err
}

func scanEmitter(r driver.Rows) (Emitter, error) {
	var e Emitter
	var emitter uuid.UUID
	var numbers string
	var firstSent, lastSent, lastReceived, closedAt, endedAt int64
	var afterFirst map[string]int64
	var heartbeat uint32
	var spool []any
	err := r.Scan(&e.Stream, &e.Hop, &emitter, &e.Epoch, &e.Stored, &numbers, &firstSent, &lastSent, &lastReceived, &closedAt, &endedAt,
		&afterFirst, &heartbeat, &e.Host, &e.Container, &e.Version, &spool)
	if err != nil {
		return e, err
	}
	e.ID = uid(emitter)
	e.FirstSent, e.LastSent, e.LastReceived, e.ClosedAt, e.EndedAt = at(firstSent), at(lastSent), at(lastReceived), at(closedAt), at(endedAt)
	e.Heartbeat = time.Duration(heartbeat) * time.Second
	e.After = slices.Sorted(maps.Keys(afterFirst))
	if len(spool) == 3 {
		e.SpoolEvents, _ = spool[1].(uint64)
		e.SpoolBytes, _ = spool[2].(uint64)
	}
	e.Counted, e.Highest, err = contiguous(numbers)
	return e, err
}

const selectHops = `
SELECT stream, hop, epoch, min(first_sent), minMap(h.after_first), minMap(h.lane_first), minMap(h.lane_counts)
FROM hops AS h
WHERE stream IN (SELECT stream FROM wanted)
GROUP BY stream, hop, epoch
ORDER BY stream, hop, epoch`

// HopSummary is what all reports of a hop in one epoch say together, however old they are. Instants are Unix ms.
type HopSummary struct {
	Hop        string
	Epoch      uint32
	FirstSent  int64
	AfterFirst map[string]int64 // hop before it → sentAt of the first report that names it
	LaneFirst  map[string]int64 // lane → sentAt of the first report that states it
	LaneCounts map[uint32]int64 // number of lanes → sentAt of the first report that states it
}

// Hops returns the hops of the streams, by stream.
func (s *Store) Hops(ctx context.Context, streams []string) (map[string][]HopSummary, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]HopSummary{}
	err = s.query(ctx, "read hops", selectHops, args, func(r driver.Rows) error {
		var stream string
		var h HopSummary
		err := r.Scan(&stream, &h.Hop, &h.Epoch, &h.FirstSent, &h.AfterFirst, &h.LaneFirst, &h.LaneCounts)
		found[stream] = append(found[stream], h)
		return err
	})
	return found, err
}
