package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Replays were counted with what came in time, so that to replay a good day days later used up the budget of latency.
func TestAReplayIsNotLateButWhereItBroughtWhatHadNotCome(t *testing.T) {
	in := func(epoch uint32, fast, slow uint64) Received { // (32, 64] and (2^16, 2^17] ms
		r := measured(byte(1+epoch), 1, &wire.Latency{Counts: map[int32]uint64{5: fast, 16: slow}})
		r.Epoch = epoch
		return r
	}
	s := migrated(t)
	for _, c := range []struct {
		name      string
		delivered uint64
		reports   []Received
		want      Budget
	}{
		{"no replay", 100, []Received{in(0, 97, 3)}, Budget{Total: 100, Bad: 3}},
		{"a replay of all", 100, []Received{in(0, 97, 3), in(1, 0, 100)}, Budget{Total: 100, Bad: 3}},
		{"two replays", 100, []Received{in(0, 97, 3), in(1, 0, 100), in(2, 0, 100)}, Budget{Total: 100, Bad: 3}},
		{"a replay that brought ten that had not come", 100, []Received{in(0, 90, 0), in(1, 0, 100)}, Budget{Total: 100, Bad: 10}},
		{"ten that had not come, five of them in a replay in time", 100, []Received{in(0, 90, 0), in(1, 5, 5)}, Budget{Total: 100, Bad: 5}},
		{"only a replay", 100, []Received{in(1, 0, 100)}, Budget{Total: 100, Bad: 100}},
		{"repeats, and a replay", 100, []Received{in(0, 150, 0), in(1, 0, 100)}, Budget{Total: 150}},
		{"a sink that measured half", 100, []Received{in(0, 50, 0)}, Budget{Total: 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Verdict{Stream: c.name, Start: start, Seconds: 60, Edge: Edge{"app", "sink"}, Revision: 1, State: Complete, DecidedAt: start.Add(time.Minute)}
			v.Produced, v.Expected, v.Delivered = c.delivered, c.delivered, c.delivered
			for i := range c.reports {
				c.reports[i].Stream = c.name
			}
			insertAll(t, s, c.reports...)
			if err := s.AddVerdicts(t.Context(), []Verdict{v}); err != nil {
				t.Fatal(err)
			}
			settings := DefaultSettings(c.name)
			settings.Objectives.LatencyP99 = 30 * time.Second
			hour := start.Truncate(time.Hour)
			got, err := s.SumBudgets(t.Context(), []BudgetQuery{{Settings: settings, From: hour, To: hour.Add(time.Hour)}}, start.Add(time.Hour))
			if err != nil || len(got) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			c.want.Stream, c.want.Objective, c.want.Slot, c.want.Known = c.name, Latency, got[0].Slot, got[0].Known
			if d := cmp.Diff(c.want, got[0]); d != "" {
				t.Error(d)
			}
		})
	}
}
