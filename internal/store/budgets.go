package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	Known     time.Time // when the last of what is bad became known; where nothing is, when the last window was judged
}

// BudgetQuery asks for what the objectives of a stream count in the windows that start in [From, To). Both are whole hours, so that no slot is
// summed in part.
type BudgetQuery struct {
	Settings Settings
	From, To time.Time
}

// AddBudgets stores sums made at now; of several of a slot the latest is kept. A sum of nothing is stored only where there is another to be taken back.
func (s *Store) AddBudgets(ctx context.Context, budgets []Budget, now time.Time) error {
	return s.addBudgets(ctx, budgets, now, nil)
}

func (s *Store) addBudgets(ctx context.Context, budgets []Budget, now time.Time, held []Claim) error {
	budgets, err := s.worthKeeping(ctx, budgets)
	if err != nil {
		return err
	}
	rows := make([][]any, len(budgets))
	for n, b := range budgets {
		rows[n] = []any{b.Stream, b.Objective, b.Slot, b.Total, b.Bad, ms(b.Known), ms(now)}
	}
	return s.insertHeld(ctx, given{
		table: "budgets", columns: "stream, objective, slot, total, bad, known, at",
		types: []string{"String", "String", "DateTime('UTC')", "UInt64", "UInt64", "Int64", "Int64"}, rows: rows,
	}, held)
}

const selectSummed = `
SELECT DISTINCT stream, objective, slot
FROM budgets FINAL
WHERE (stream, objective, slot) IN (SELECT stream, objective, slot FROM wanted) AND total > 0`

// worthKeeping leaves out the sums of nothing in slots that count nothing anyway.
func (s *Store) worthKeeping(ctx context.Context, budgets []Budget) ([]Budget, error) {
	type slot struct {
		stream, objective string
		end               int64
	}
	var empty [][]any
	for _, b := range budgets {
		if b.Total == 0 {
			empty = append(empty, []any{b.Stream, b.Objective, b.Slot})
		}
	}
	if len(empty) == 0 {
		return budgets, nil
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"objective", "String"}, {"slot", "DateTime('UTC')"}}, empty)
	if err != nil {
		return nil, err
	}
	stored := map[slot]bool{}
	err = s.query(ctx, "read budgets that are taken back", selectSummed, args, func(r driver.Rows) error {
		var key slot
		var end time.Time
		err := r.Scan(&key.stream, &key.objective, &end)
		key.end = end.Unix()
		stored[key] = true
		return err
	})
	return slices.DeleteFunc(slices.Clone(budgets), func(b Budget) bool {
		return b.Total == 0 && !stored[slot{b.Stream, b.Objective, b.Slot.Unix()}]
	}), err
}

// BudgetSpans are the times that budgets are looked at over.
var BudgetSpans = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 3 * 24 * time.Hour, BudgetDays * 24 * time.Hour}

// Spent is what an objective counted over each of BudgetSpans.
type Spent struct{ Total, Bad []uint64 }

// SpentQuery asks for what the objectives of a stream counted.
type SpentQuery struct {
	Stream string
	Fresh  time.Duration // how old what became known last may be while more of it is under way
}

// selectSpent lets the spans end where what is known ends, as long as that is as fresh as it can be: a window of an hour is news for an hour. The whole
// budget is of the windows' own time.
const selectSpent = `
SELECT stream, objective,
    sumForEach(arrayMap(s -> if(s = {whole:Int64} AND ends > {now:Int64} - s OR s != {whole:Int64} AND known_at > until - s, total, 0), {spans:Array(Int64)})),
    sumForEach(arrayMap(s -> if(s = {whole:Int64} AND ends > {now:Int64} - s OR s != {whole:Int64} AND known_at > until - s, bad, 0), {spans:Array(Int64)}))
FROM (
    SELECT b.stream AS stream, objective, total, bad, toInt64(toUnixTimestamp(slot)) * 1000 AS ends, if(known = 0, ends, known) AS known_at,
        max(known_at) OVER (PARTITION BY stream, objective) AS newest, if({now:Int64} - newest <= w.fresh, newest, {now:Int64}) AS until
    FROM (SELECT * FROM budgets FINAL WHERE stream IN (SELECT stream FROM wanted) AND slot > toDateTime({from:UInt32}, 'UTC') AND total > 0) AS b
    INNER JOIN wanted AS w ON w.stream = b.stream
)
GROUP BY stream, objective`

// SpentOf returns, by stream and objective, what was counted over the first n of BudgetSpans up to now, or up to what became known last where that is fresh.
func (s *Store) SpentOf(ctx context.Context, queries []SpentQuery, n int, now time.Time) (map[string]map[string]Spent, error) {
	wanted := make([][]any, len(queries))
	for i, q := range queries {
		wanted[i] = []any{q.Stream, q.Fresh.Milliseconds()}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"fresh", "Int64"}}, wanted)
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
	args = args.value("now", now.UnixMilli()).value("spans", string(text)).value("whole", (BudgetDays * 24 * time.Hour).Milliseconds())
	args = args.value("from", max(0, now.Add(-BudgetSpans[n-1]-budgetSlack).Unix()))
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

// budgetSlack is how much older than a span a window may be of which something became known in it.
const budgetSlack = 2 * time.Hour

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
