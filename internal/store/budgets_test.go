package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var budgetDay = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

// counting are the settings of a stream with an objective of completeness.
func counting(stream string) Settings {
	s := DefaultSettings(stream)
	s.Objectives.Completeness = 0.99
	return s
}

func whole(stream string) []SpentQuery {
	return []SpentQuery{{Stream: stream, Fresh: 10 * time.Minute}}
}

func TestAMissIsCountedOnceHoweverOftenItIsJudgedAndTakenBackOnceItIsMadeGood(t *testing.T) {
	s := migrated(t)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		stream := fmt.Sprintf("orders%d", round)
		now := budgetDay.Add(30 * time.Minute)
		lost, revisions := map[int]uint64{}, map[int]uint32{}
		known := map[int]time.Time{} // when as many as are lost now were first said to be
		history := map[int][]Verdict{}
		for range rapid.IntRange(1, 4).Draw(r, "judgements") {
			var next []Verdict
			for minute := range 7 {
				if !rapid.Bool().Draw(r, "judged") {
					continue
				}
				revisions[minute]++
				v := Verdict{
					Stream: stream, Start: budgetDay.Add(time.Duration(minute) * time.Minute), Seconds: 60, Edge: Edge{"app", "sink"}, Revision: revisions[minute],
					State: rapid.SampledFrom([]State{Complete, Incomplete, Incomplete, Unknown}).Draw(r, "state"), DecidedAt: now, FirstClosed: budgetDay.Add(10 * time.Minute),
				}
				if v.Produced = 10; v.State == Incomplete {
					v.Lost = rapid.Uint64Range(1, 10).Draw(r, "lost")
				}
				history[minute] = append(history[minute], v)
				next = append(next, v)
				if lost[minute] = v.Lost; v.State == Unknown {
					delete(lost, minute)
				}
				for _, old := range history[minute] {
					if old.Closed() && old.Lost >= v.Lost {
						known[minute] = old.DecidedAt
						break
					}
				}
			}
			if err := s.AddVerdicts(t.Context(), next); err != nil {
				r.Fatal(err)
			}
			sums, err := s.SumBudgets(t.Context(), []BudgetQuery{{counting(stream), budgetDay, budgetDay.Add(time.Hour)}}, now)
			if err == nil {
				err = s.AddBudgets(t.Context(), sums, now)
			}
			if err != nil {
				r.Fatal(err)
			}
			var want [2]uint64
			latest := map[time.Time]time.Time{}
			for minute, n := range lost {
				want[0], want[1] = want[0]+10, want[1]+n
				if slot := budgetDay.Add(time.Duration(minute+1)*time.Minute + BudgetSlot - 1).Truncate(BudgetSlot); n > 0 && known[minute].After(latest[slot]) {
					latest[slot] = known[minute]
				}
			}
			for _, b := range sums {
				if b.Bad > 0 && !b.Known.Equal(latest[b.Slot]) {
					r.Fatalf("the misses of %s are known since %s, want %s", b.Slot, b.Known, latest[b.Slot])
				}
			}
			spent, err := s.SpentOf(t.Context(), whole(stream), len(BudgetSpans), now)
			if err != nil {
				r.Fatal(err)
			}
			var got [2]uint64
			if n := spent[stream][Completeness]; len(n.Total) > 0 {
				got = [2]uint64{n.Total[len(BudgetSpans)-1], n.Bad[len(BudgetSpans)-1]}
			}
			if got != want {
				r.Fatalf("%v are counted, want %v of %v", got, want, lost)
			}
			now = now.Add(time.Minute)
		}
	})
}

func TestOnlyTheHoursAskedForAreSummed(t *testing.T) {
	s := migrated(t)
	for n, day := range []int{-20, -10, 0} {
		v := Verdict{Stream: "orders", Start: budgetDay.AddDate(0, 0, day), Seconds: 60, Edge: Edge{"app", "sink"}, Revision: 1, State: Complete, DecidedAt: budgetDay, FirstClosed: budgetDay}
		v.Produced = uint64(n + 1)
		if err := s.AddVerdicts(t.Context(), []Verdict{v}); err != nil {
			t.Fatal(err)
		}
	}
	hour := func(day int) BudgetQuery {
		return BudgetQuery{counting("orders"), budgetDay.AddDate(0, 0, day), budgetDay.AddDate(0, 0, day).Add(time.Hour)}
	}
	sums, err := s.SumBudgets(t.Context(), []BudgetQuery{hour(-20), hour(0)}, budgetDay)
	if err != nil {
		t.Fatal(err)
	}
	var totals []uint64
	for _, b := range sums {
		totals = append(totals, b.Total)
	}
	if diff := cmp.Diff([]uint64{1, 3}, totals); diff != "" {
		t.Error(diff)
	}
	if ranges := rangesOf([]BudgetQuery{hour(-20), hour(0), hour(0)}); len(ranges) != 2 || len(ranges[1].settings) != 2 {
		t.Errorf("%d ranges", len(ranges))
	}
}

func TestABudgetIsStoredOnlyByWhoHoldsTheStream(t *testing.T) {
	s := migrated(t)
	mine, err := s.Claim(t.Context(), []uint32{ShareOf("orders")})
	if err != nil {
		t.Fatal(err)
	}
	old := s.Owned(mine)
	theirs, err := s.Claim(t.Context(), []uint32{ShareOf("orders")})
	if err != nil {
		t.Fatal(err)
	}
	sum := func(total uint64) []Budget {
		return []Budget{{Stream: "orders", Objective: Completeness, Slot: budgetDay, Total: total, Known: budgetDay}}
	}
	if err := s.Owned(theirs).AddBudgets(t.Context(), sum(7), budgetDay); err != nil {
		t.Fatal(err)
	}
	if err := old.AddBudgets(t.Context(), sum(5), budgetDay.Add(time.Minute)); err != nil { // it wakes, and knows less
		t.Fatal(err)
	}
	spent, err := s.SpentOf(t.Context(), whole("orders"), len(BudgetSpans), budgetDay.Add(2*time.Minute))
	if err != nil || len(spent["orders"]) != 1 || spent["orders"][Completeness].Total[0] != 7 {
		t.Fatalf("%+v, %v", spent, err)
	}
}

func TestSpansEndAtWhatIsKnownAsLongAsItIsFresh(t *testing.T) {
	s := migrated(t)
	if err := s.AddBudgets(t.Context(), []Budget{{Stream: "orders", Objective: Completeness, Slot: budgetDay, Total: 10, Bad: 3, Known: budgetDay.Add(12 * time.Second)}}, budgetDay); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		short uint64
	}{{time.Minute, 3}, {10 * time.Minute, 3}, {11 * time.Minute, 0}} {
		spent, err := s.SpentOf(t.Context(), whole("orders"), 5, budgetDay.Add(c.after))
		if err != nil || spent["orders"][Completeness].Bad[0] != c.short || spent["orders"][Completeness].Bad[2] != 3 {
			t.Errorf("after %s: %+v, %v", c.after, spent, err)
		}
	}
}
