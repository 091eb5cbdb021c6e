package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The objectives of a stream.
const (
	Completeness = "completeness"
	Timeliness   = "timeliness"
	Latency      = "latency"
	Validity     = "validity"
)

// BudgetSlot is what budgets are summed over; BudgetDays is how long one lasts.
const (
	BudgetSlot = 5 * time.Minute
	BudgetDays = 28
)

// Budget is what one objective of a stream counts in one slot.
type Budget struct {
	Stream    string
	Objective string
	Slot      time.Time // end of its windows, rounded up to BudgetSlot
	Total     uint64
	Bad       uint64
}

// BudgetQuery asks for what the objectives of a stream count in the windows that start in [From, To). Both are whole hours, so that no slot is
// summed in part.
type BudgetQuery struct {
	Settings Settings
	From, To time.Time
}

// selectBudgets sums the windows of the required edges. Lost events are counted where they got lost, so that a window's sum is that of the events
// produced; events that break their schema are counted where they are told of, out of those that were checked at the hop that checked most. What a
// window awaits is counted as not arrived once it is late.
const selectBudgets = `
SELECT
    stream, toDateTime(intDiv(ends + 299, 300) * 300, 'UTC') AS slot,
    sumIf(produced, closed), sumIf(lost, closed),
    sumIf(produced, in_time OR overdue), sumIf(produced, NOT in_time AND overdue),
    sumIf(checked, ended), sumIf(broken, ended),
    sum(arrived), sumIf(awaited, slow), groupUniqArrayArray(last_hops)
FROM (
    SELECT
        stream, start, ends, timely, latency, max(v.produced) AS produced, sum(v.lost) AS lost, max(v.checked_most) AS checked, sum(v.broken_here) AS broken,
        countIf(v.state IN (2, 3, 4)) = 0 AS closed, countIf(v.state = 2) = 0 AS ended,
        countIf(v.first_closed = 0 OR v.first_closed > (ends + timely) * 1000) = 0 AS in_time,
        {now:Int64} > (ends + timely) * 1000 AS overdue, {now:Int64} > ends * 1000 + latency AS slow,
        groupUniqArray(toString(edge_from)) AS froms, groupArray((toString(edge_to), v.lost + v.pending, v.delivered)) AS edges_here,
        arrayFilter(r -> NOT has(froms, r.1), edges_here) AS lasts, arraySum(r -> r.2, lasts) AS awaited, arraySum(r -> r.3, lasts) AS arrived,
        arrayMap(r -> r.1, lasts) AS last_hops
    FROM (
        SELECT *, toInt64(toUnixTimestamp(start)) + seconds AS ends, toUInt64(invalid - least(invalid, invalid_before)) + invalid_at_source AS broken_here,
            greatest(if(checked = 0 AND invalid > 0, delivered + unexpected, checked), checked_at_source) AS checked_most
        FROM verdicts FINAL
        WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
        ORDER BY stream, start, edge_from, edge_to, revision DESC
        LIMIT 1 BY stream, start, edge_from, edge_to
    ) AS v
    INNER JOIN wanted AS w ON w.stream = v.stream
    WHERE v.state > 0 AND v.start >= w.since AND v.start < w.until AND (empty(w.edges) OR has(w.edges, concat(edge_from, '..', edge_to)))
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
        AND t.start >= w.since AND t.start < w.until
    GROUP BY stream, start, hop, epoch, emitter
)
GROUP BY stream, slot`

// SumBudgets sums what the objectives of the streams count as things stand at now. Slots without events are left out.
func (s *Store) SumBudgets(ctx context.Context, queries []BudgetQuery, now time.Time) ([]Budget, error) {
	from, to := extentOf(queries)
	wanted := make([][]any, len(queries))
	settings := map[string]*Settings{}
	for n := range queries {
		q := &queries[n]
		settings[q.Settings.Stream] = &q.Settings
		edges := make([]string, len(q.Settings.Edges))
		for e, edge := range q.Settings.Edges {
			edges[e] = edge.String()
		}
		o := q.Settings.Objectives
		wanted[n] = []any{q.Settings.Stream, q.From, q.To, int64(o.Timely.Seconds()), o.LatencyP99.Milliseconds(), edges}
	}
	columns := [][2]string{
		{"stream", "String"}, {"since", "DateTime('UTC')"}, {"until", "DateTime('UTC')"}, {"timely", "Int64"}, {"latency", "Int64"}, {"edges", "Array(String)"},
	}
	args, err := params{}.table("wanted", columns, wanted)
	if err != nil {
		return nil, err
	}
	var found []Budget
	delivered, last := map[slotKey]*latencySlot{}, map[string]map[string]bool{}
	args = args.value("from", from).value("to", to).value("now", now.UnixMilli())
	err = s.query(ctx, "sum budgets", selectBudgets, args, func(r driver.Rows) error {
		var stream string
		var slot time.Time
		var n [8]uint64
		var l latencySlot
		var hops []string
		if err := r.Scan(&stream, &slot, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &l.arrived, &l.awaited, &hops); err != nil {
			return err
		}
		o := &settings[stream].Objectives
		found = appendBudget(found, o.Completeness > 0, Budget{stream, Completeness, slot, n[0], n[1]})
		found = appendBudget(found, o.Timeliness > 0, Budget{stream, Timeliness, slot, n[2], n[3]})
		found = appendBudget(found, o.Validity > 0, Budget{stream, Validity, slot, n[4], n[5]})
		if o.LatencyP99 > 0 {
			delivered[slotKey{stream, slot.Unix()}] = &l
			for _, hop := range hops {
				if last[stream] == nil {
					last[stream] = map[string]bool{}
				}
				last[stream][hop] = true
			}
		}
		return nil
	})
	if err != nil || len(delivered) == 0 {
		return found, err
	}
	if err := s.sumLate(ctx, queries, last, delivered, from, to); err != nil {
		return nil, err
	}
	for key, l := range delivered {
		measured, late := l.first()
		told := measured > 0 || l.arrived == 0 // a hop that delivers and measures nothing says nothing of latency
		found = appendBudget(found, told, Budget{key.stream, Latency, time.Unix(key.end, 0).UTC(), measured + l.awaited, late + l.awaited})
	}
	return found, nil
}

// appendBudget leaves out what nobody asks for, or what counts nothing; what is bad is never more than all.
func appendBudget(found []Budget, asked bool, b Budget) []Budget {
	if b.Bad = min(b.Bad, b.Total); !asked || b.Total == 0 {
		return found
	}
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
}

// first returns how many events were measured as they first came, and how many of these too late. What a replay measures has come before, but for as
// many events as arrived and were measured in no other way: these it brought. Repeats within an epoch are in no count apart.
func (l *latencySlot) first() (measured, late uint64) {
	brought := min(l.arrived-min(l.arrived, l.measured), l.replayed)
	return l.measured + brought, l.late + min(brought, l.replayedTooLate)
}

func extentOf(queries []BudgetQuery) (from, to time.Time) {
	for n := range queries {
		if q := &queries[n]; n == 0 || q.From.Before(from) {
			from = q.From
		}
		if queries[n].To.After(to) {
			to = queries[n].To
		}
	}
	return from, to
}

func (s *Store) sumLate(
	ctx context.Context, queries []BudgetQuery, last map[string]map[string]bool, slots map[slotKey]*latencySlot, from, to time.Time,
) error {
	var wanted [][]any
	for n := range queries {
		q := &queries[n]
		for hop := range last[q.Settings.Stream] {
			wanted = append(wanted, []any{q.Settings.Stream, hop, q.Settings.Objectives.LatencyP99.Milliseconds(), q.Settings.Seconds(q.From), q.From, q.To})
		}
	}
	columns := [][2]string{
		{"stream", "String"}, {"hop", "String"}, {"latency", "Int64"}, {"seconds", "UInt32"}, {"since", "DateTime('UTC')"}, {"until", "DateTime('UTC')"},
	}
	args, err := params{}.table("wanted", columns, wanted)
	if err != nil {
		return err
	}
	return s.query(ctx, "sum late events", selectLate, args.value("from", from).value("to", to), func(r driver.Rows) error {
		var stream string
		var slot time.Time
		var n latencySlot
		err := r.Scan(&stream, &slot, &n.measured, &n.late, &n.replayed, &n.replayedTooLate)
		if l := slots[slotKey{stream, slot.Unix()}]; l != nil {
			n.arrived, n.awaited = l.arrived, l.awaited
			*l = n
		}
		return err
	})
}

// AddBudgets stores sums made at now; of several of a slot the latest is kept.
func (s *Store) AddBudgets(ctx context.Context, budgets []Budget, now time.Time) error {
	rows := make([][]any, len(budgets))
	for n, b := range budgets {
		rows[n] = []any{b.Stream, b.Objective, b.Slot, b.Total, b.Bad, ms(now)}
	}
	return s.insert(ctx, "budgets (stream, objective, slot, total, bad, at)", rows)
}

// BudgetSpans are the times that budgets are looked at over, up to now.
var BudgetSpans = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 3 * 24 * time.Hour, BudgetDays * 24 * time.Hour}

// Spent is what an objective counted over each of BudgetSpans.
type Spent struct{ Total, Bad []uint64 }

const selectSpent = `
SELECT stream, objective,
    sumForEach(arrayMap(s -> if(toInt64(toUnixTimestamp(slot)) * 1000 > {now:Int64} - s, total, 0), {spans:Array(Int64)})),
    sumForEach(arrayMap(s -> if(toInt64(toUnixTimestamp(slot)) * 1000 > {now:Int64} - s, bad, 0), {spans:Array(Int64)}))
FROM budgets FINAL
WHERE stream IN (SELECT stream FROM wanted) AND slot > toDateTime({from:UInt32}, 'UTC')
GROUP BY stream, objective`

// SpentOf returns, by stream and objective, what was counted over the first n of BudgetSpans, each rounded up to whole slots.
func (s *Store) SpentOf(ctx context.Context, streams []string, n int, now time.Time) (map[string]map[string]Spent, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	spans := make([]int64, n)
	for i := range spans {
		spans[i] = BudgetSpans[i].Milliseconds()
	}
	text, err := json.Marshal(spans)
	if err != nil {
		return nil, fmt.Errorf("store: spans of budgets: %w", err)
	}
	found := map[string]map[string]Spent{}
	args = args.value("now", now.UnixMilli()).value("spans", string(text)).value("from", max(0, now.Add(-BudgetSpans[n-1]).Unix()))
	err = s.query(ctx, "read budgets", selectSpent, args, func(r driver.Rows) error {
		var stream, objective string
		var spent Spent
		err := r.Scan(&stream, &objective, &spent.Total, &spent.Bad)
		if found[stream] == nil {
			found[stream] = map[string]Spent{}
		}
		found[stream][objective] = spent
		return err
	})
	return found, err
}

// Objective lists the objectives in the order in which they are told.
var Objective = []string{Completeness, Timeliness, Latency, Validity}

// BurnCause is the cause of incidents of an objective whose budget is used up too fast, or, slow, steadily.
func BurnCause(objective string, slow bool) Cause {
	if slow {
		return CauseBurn + "-slow-" + Cause(objective)
	}
	return CauseBurn + "-" + Cause(objective)
}

// BurnCauses are all of them.
func BurnCauses() []Cause {
	var all []Cause
	for _, objective := range Objective {
		all = append(all, BurnCause(objective, false), BurnCause(objective, true))
	}
	return all
}

// ObjectiveState is how an objective stands.
type ObjectiveState struct {
	Objective string
	Target    float64
	Threshold time.Duration // of latency and timeliness
	Total     uint64        // events of BudgetDays
	Bad       uint64        // of these, those that miss it
	Left      float64       // of the budget: 1 while nothing is used up, negative once it is overdrawn
	Burn      []BurnRate    // over each of BudgetSpans
	Alarms    []string      // that ring, in words
}

// BurnRate is how fast a budget is used up over a span: 1 uses it up in exactly BudgetDays.
type BurnRate struct {
	Span       time.Duration
	Total, Bad uint64
	Rate       float64
}
