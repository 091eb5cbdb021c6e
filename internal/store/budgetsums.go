package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// selectBudgets sums the windows of the required edges. Lost events are counted where they got lost, so that a window's sum is that of the events
// produced; events that break their schema are counted where they are told of, out of those that were checked at the hop that checked most. What a
// window awaits is counted as not arrived once it is late.
//
// A miss became known with the first revision that named as many as the last one does; so a revision that changes nothing of it does not make it news.
// What came too late, or did not come, is known at the instant by which it should have.
const selectBudgets = `
SELECT
    stream, toDateTime(intDiv(ends + 299, 300) * 300, 'UTC') AS slot,
    sumIf(produced, closed), sumIf(lost, closed),
    if(sumIf(lost, closed) > 0, maxIf(greatest(lost_at, closed_at), closed AND lost > 0), maxIf(closed_at, closed)),
    sumIf(produced, in_time OR overdue), sumIf(produced, NOT in_time AND overdue),
    if(countIf(NOT in_time AND overdue AND produced > 0) > 0, maxIf((ends + timely) * 1000, NOT in_time AND overdue AND produced > 0), maxIf(closed_at, in_time)),
    sumIf(checked, ended), sumIf(broken, ended),
    if(sumIf(broken, ended) > 0, maxIf(broken_at, ended AND broken > 0), maxIf(said_at, ended)),
    sum(arrived), sumIf(awaited, slow),
    if(sumIf(awaited, slow) > 0, maxIf(ends * 1000 + latency, slow AND awaited > 0), max(arrived_at)), groupUniqArrayArray(last_hops)
FROM (
    SELECT
        stream, start, ends, timely, latency, max(v.produced) AS produced, sum(v.lost) AS lost, max(v.checked_most) AS checked, sum(v.broken_here) AS broken,
        countIf(v.state IN (2, 3, 4)) = 0 AS closed, countIf(v.state = 2) = 0 AS ended,
        countIf(v.first_closed = 0 OR v.first_closed > (ends + timely) * 1000) = 0 AS in_time,
        {now:Int64} > (ends + timely) * 1000 AS overdue, {now:Int64} > ends * 1000 + latency AS slow,
        max(v.first_closed) AS closed_at, max(v.decided_at) AS said_at,
        maxIf(arrayMin(arrayMap(r -> r.1, arrayFilter(r -> r.2 >= v.lost AND r.4 IN (1, 5), v.said))), v.lost > 0 AND v.state = 5) AS lost_at,
        maxIf(arrayMin(arrayMap(r -> r.1, arrayFilter(r -> r.3 >= v.broken_here AND r.4 != 2, v.said))), v.broken_here > 0 AND v.state != 2) AS broken_at,
        groupUniqArray(toString(edge_from)) AS froms,
        groupArray((toString(edge_to), v.lost + v.pending, v.delivered, if(v.first_closed > 0, v.first_closed, v.decided_at))) AS edges_here,
        arrayFilter(r -> NOT has(froms, r.1), edges_here) AS lasts, arraySum(r -> r.2, lasts) AS awaited, arraySum(r -> r.3, lasts) AS arrived,
        arrayMax(r -> r.4, lasts) AS arrived_at, arrayMap(r -> r.1, lasts) AS last_hops
    FROM (
        SELECT
            *, toInt64(toUnixTimestamp(start)) + seconds AS ends, toUInt64(invalid - least(invalid, invalid_before)) + invalid_at_source AS broken_here,
            greatest(if(checked = 0 AND invalid > 0, delivered + unexpected, checked), checked_at_source) AS checked_most,
            groupArray((decided_at, lost, broken_here, state)) OVER (PARTITION BY stream, start, edge_from, edge_to) AS said
        FROM verdicts FINAL
        WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
        ORDER BY stream, start, edge_from, edge_to, revision DESC
        LIMIT 1 BY stream, start, edge_from, edge_to
    ) AS v
    INNER JOIN wanted AS w ON w.stream = v.stream
    WHERE v.state > 0 AND (empty(w.edges) OR has(w.edges, concat(edge_from, '..', edge_to)))
    GROUP BY stream, start, ends, timely, latency
)
GROUP BY stream, slot`

// selectLate counts the events that the last hops measured, and those in buckets that reach beyond the threshold; replays apart.
const selectLate = `
SELECT
    stream, toDateTime(intDiv(toInt64(toUnixTimestamp(start)) + any_seconds + 299, 300) * 300, 'UTC') AS slot,
    sumIf(measured, epoch = 0), sumIf(late, epoch = 0), sumIf(measured, epoch > 0), sumIf(late, epoch > 0)
FROM (
    SELECT
        t.stream AS stream, t.start AS start, t.hop AS hop, t.epoch AS epoch, t.emitter AS emitter, any(w.seconds) AS any_seconds, max(t.scale) AS s,
        maxMap(t.latency) AS counts, max(t.zero) + max(t.negative) + arraySum(mapValues(counts)) AS measured,
        arraySum((i, n) -> if(exp2((i + 1) * exp2(-s)) > any(w.latency) * 1.000001, n, 0), mapKeys(counts), mapValues(counts)) AS late
    FROM tallies AS t
    INNER JOIN wanted AS w ON w.stream = t.stream AND w.hop = t.hop
    WHERE t.stream IN (SELECT stream FROM wanted) AND t.start >= {from:DateTime('UTC')} AND t.start < {to:DateTime('UTC')}
    GROUP BY stream, start, hop, epoch, emitter
)
GROUP BY stream, slot`

// SumBudgets sums what the objectives of the streams count as things stand at now. Slots that have windows and no events count 0, so that what was
// counted in them before is taken back.
func (s *Store) SumBudgets(ctx context.Context, queries []BudgetQuery, now time.Time) ([]Budget, error) {
	var all []Budget
	for _, r := range rangesOf(queries) {
		found, err := s.sumRange(ctx, r, now)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// budgetRange is the streams of which the same hours are asked for.
type budgetRange struct {
	from, to time.Time
	settings []*Settings
}

// rangesOf gathers queries by their hours: what lies between two ranges is not read.
func rangesOf(queries []BudgetQuery) []*budgetRange {
	var ranges []*budgetRange
	at := map[[2]int64]*budgetRange{}
	for n := range queries {
		q := &queries[n]
		key := [2]int64{q.From.Unix(), q.To.Unix()}
		if at[key] == nil {
			at[key] = &budgetRange{from: q.From, to: q.To}
			ranges = append(ranges, at[key])
		}
		at[key].settings = append(at[key].settings, &q.Settings)
	}
	return ranges
}

// sumRange sums the objectives of streams over the same hours.
func (s *Store) sumRange(ctx context.Context, r *budgetRange, now time.Time) ([]Budget, error) {
	settings, wanted := map[string]*Settings{}, make([][]any, len(r.settings))
	for n, one := range r.settings {
		settings[one.Stream] = one
		edges := make([]string, len(one.Edges))
		for e, edge := range one.Edges {
			edges[e] = edge.String()
		}
		wanted[n] = []any{one.Stream, int64(one.Objectives.Timely.Seconds()), one.Objectives.LatencyP99.Milliseconds(), edges}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"timely", "Int64"}, {"latency", "Int64"}, {"edges", "Array(String)"}}, wanted)
	if err != nil {
		return nil, err
	}
	var found []Budget
	measured := latencies{slots: map[slotKey]*latencySlot{}, last: map[string]map[string]bool{}}
	args = args.value("from", r.from).value("to", r.to).value("now", now.UnixMilli())
	err = s.query(ctx, "sum budgets", selectBudgets, args, func(rows driver.Rows) error {
		var b Budget
		var n [6]uint64
		var known [3]int64
		var l latencySlot
		var hops []string
		if err := rows.Scan(&b.Stream, &b.Slot, &n[0], &n[1], &known[0], &n[2], &n[3], &known[1], &n[4], &n[5], &known[2], &l.arrived, &l.awaited, &l.known, &hops); err != nil {
			return err
		}
		o := &settings[b.Stream].Objectives
		found = appendBudget(found, o.Completeness > 0, b, Completeness, n[0], n[1], known[0])
		found = appendBudget(found, o.Timeliness > 0, b, Timeliness, n[2], n[3], known[1])
		found = appendBudget(found, o.Validity > 0, b, Validity, n[4], n[5], known[2])
		if o.LatencyP99 > 0 {
			measured.add(b.Stream, b.Slot, &l, hops)
		}
		return nil
	})
	if err != nil || len(measured.slots) == 0 {
		return found, err
	}
	if err := s.sumLate(ctx, r, &measured); err != nil {
		return nil, err
	}
	return append(found, measured.budgets()...), nil
}

// appendBudget adds what an objective that somebody asks for counts in the stream and slot of b; what is bad is never more than all.
func appendBudget(found []Budget, asked bool, b Budget, objective string, total, bad uint64, known int64) []Budget {
	if !asked {
		return found
	}
	b.Objective, b.Total, b.Bad, b.Known = objective, total, min(bad, total), at(known)
	return append(found, b)
}

type slotKey struct {
	stream string
	end    int64 // Unix seconds
}

// latencySlot is what the last hops of a stream say of latency in one slot.
type latencySlot struct {
	arrived, awaited          uint64
	measured, late            uint64 // of epoch 0
	replayed, replayedTooLate uint64 // of all later ones
	known                     int64
}

// first returns how many events were measured as they first came, and how many of these too late. What a replay measures has come before, but for as
// many events as arrived and were measured in no other way: these it brought. Repeats within an epoch are in no count apart.
func (l *latencySlot) first() (measured, late uint64) {
	brought := min(l.arrived-min(l.arrived, l.measured), l.replayed)
	return l.measured + brought, l.late + min(brought, l.replayedTooLate)
}

// latencies are the slots of streams that have an objective of latency, and the last hops of each stream.
type latencies struct {
	slots map[slotKey]*latencySlot
	last  map[string]map[string]bool
}

func (l *latencies) add(stream string, slot time.Time, one *latencySlot, hops []string) {
	l.slots[slotKey{stream, slot.Unix()}] = one
	if l.last[stream] == nil {
		l.last[stream] = map[string]bool{}
	}
	for _, hop := range hops {
		l.last[stream][hop] = true
	}
}

// budgets are what is known of each slot. A hop that delivers and measures nothing says nothing of latency.
func (l *latencies) budgets() []Budget {
	var found []Budget
	for key, one := range l.slots {
		b := Budget{Stream: key.stream, Slot: time.Unix(key.end, 0).UTC()}
		measured, late := one.first()
		if measured == 0 && one.arrived > 0 {
			*one = latencySlot{}
		}
		found = appendBudget(found, true, b, Latency, measured+one.awaited, late+one.awaited, one.known)
	}
	return found
}

func (s *Store) sumLate(ctx context.Context, r *budgetRange, l *latencies) error {
	var wanted [][]any
	for _, one := range r.settings {
		for hop := range l.last[one.Stream] {
			wanted = append(wanted, []any{one.Stream, hop, one.Objectives.LatencyP99.Milliseconds(), one.Seconds(r.from)})
		}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"hop", "String"}, {"latency", "Int64"}, {"seconds", "UInt32"}}, wanted)
	if err != nil {
		return err
	}
	return s.query(ctx, "sum late events", selectLate, args.value("from", r.from).value("to", r.to), func(rows driver.Rows) error {
		var stream string
		var slot time.Time
		var n latencySlot
		err := rows.Scan(&stream, &slot, &n.measured, &n.late, &n.replayed, &n.replayedTooLate)
		if one := l.slots[slotKey{stream, slot.Unix()}]; one != nil {
			one.measured, one.late, one.replayed, one.replayedTooLate = n.measured, n.late, n.replayed, n.replayedTooLate
		}
		return err
	})
}
