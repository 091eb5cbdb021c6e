package model

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// TestGeneratorReachesEveryStateKindAndFault keeps the properties of this package from holding because nothing happens.
func TestGeneratorReachesEveryStateKindAndFault(t *testing.T) {
	const histories = 400
	states, final, kinds, faults := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	steps := 0
	for i := range histories {
		h := Histories().Example(i)
		steps += len(h.Steps)
		for class, n := range h.Faults {
			if n > 0 {
				faults[class]++
			}
		}
		m := New(h.Settings)
		for j, step := range h.Steps {
			m.Apply(step)
			if j%5 == 0 {
				count(m.Verdicts(step.Now), states, kinds)
			}
		}
		count(withTraffic(m.Verdicts(h.End())), final, kinds)
	}
	t.Logf("steps a history: %d\nstates: %v\nfinal: %v\nkinds: %v\nfaults: %v", steps/histories, states, final, kinds, faults)
	for _, state := range []string{Complete, Open, Settling, Unknown, Incomplete} {
		atLeast(t, "state", state, states[state], 100)
	}
	for _, kind := range []string{"lost", "pending", "duplicated", "redelivered", "unexpected", "corrupt", "invalid", "filtered", "rejected", "skewed", "replayed", Unknown} {
		atLeast(t, "kind", kind, kinds[kind], 100)
	}
	for _, class := range faultClasses {
		atLeast(t, "fault", class, faults[class], 3)
	}
	for class := range faults {
		if !slices.Contains(faultClasses, class) {
			t.Errorf("fault class %q is not listed", class)
		}
	}
	all := 0
	for _, n := range final {
		all += n
	}
	atLeast(t, "share", Complete, 100*final[Complete]/all, 30)
	atLeast(t, "share", Incomplete, 100*final[Incomplete]/all, 15)
}

var faultClasses = []string{
	"fan-in", "fan-out", "hop joins", "silent hop", "partitions", "partition added", "idempotent", "late start", "clean close",
	"dark", "recovered", "restart", "rebalance", "foreign", "uncovered source", "late entry", "across emitters", "read again",
	"unrecorded", "slow", "outbox", "journal", "loss", "replay", "ended", "split", "lie", "missing number", "resend", "delay",
	"emitter closed by hand", "source closed by hand", "lane closed by hand",
	"replay declared", "waiver of lost", "waiver of unknown", "waiver of duplicated", "waiver of corrupt", "waiver of rejected",
}

// withTraffic leaves out the windows after the last event, which only show that time passes.
func withTraffic(verdicts []Verdict) []Verdict {
	return slices.DeleteFunc(verdicts, func(v Verdict) bool { return !v.Start.Before(genesis.Add(traffic)) })
}

func count(verdicts []Verdict, states, kinds map[string]int) {
	for _, v := range verdicts {
		states[v.State]++
		for kind, names := range v.Names {
			kinds[kind] += len(names)
		}
	}
}

func atLeast(t *testing.T, what, which string, got, want int) {
	t.Helper()
	if got < want {
		t.Errorf("%s %q: %d, want at least %d", what, which, got, want)
	}
}

// TestJoin: any permutation, repetition and regrouping of a history's reports gives the same final verdicts.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := GenerateHistory(t).WithoutWaivers()
		p := Permute(t, h)
		straight, permuted := h.Replay().Verdicts(p.End()), p.Replay().Verdicts(p.End())
		if diff := difference(straight, permuted); diff != "" {
			t.Fatalf("the order of receipt changed a verdict (-straight +permuted):\n%s", diff)
		}
	})
}

// TestEveryGeneratedReportIsOneTheServerTakes: a history that ingest would refuse would test nothing there.
func TestEveryGeneratedReportIsOneTheServerTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, step := range GenerateHistory(t).Steps {
			if step.Report == nil {
				continue
			}
			if err := wire.Validate(wire.Batch{Reports: []wire.Report{*step.Report}}, wire.DefaultLimits(), step.Now); err != nil {
				t.Fatalf("report %d of %s: %v", step.Report.Number, step.Report.Hop, err)
			}
		}
	})
}
