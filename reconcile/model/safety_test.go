package model

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func difference(a, b []Verdict) string { return cmp.Diff(a, b) }

// TestNeverCompleteWithALossNorADeliveredEventNamedLost holds the verdicts against what truly happened, once every
// report has been received, as far as the watermarks told the truth and no person closed anything.
func TestNeverCompleteWithALossNorADeliveredEventNamedLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := GenerateHistory(t)
		if !h.Truthful || !h.Full {
			t.Skip("a watermark lies, or a report never came")
		}
		for _, v := range h.Replay().Verdicts(h.End()) {
			h.mustBeTrue(t, v, nil)
		}
	})
}

// TestEveryPrefixIsTrue does the same after every step of histories received in an order the library's rules allow.
func TestEveryPrefixIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := GenerateHistory(t)
		if !h.Truthful || !h.Causal {
			t.Skip("a watermark lies, or a report overtook one it rests on")
		}
		m := New(h.Settings)
		for _, step := range h.Steps {
			m.Apply(step)
			for _, v := range m.Verdicts(step.Now) {
				h.mustBeTrue(t, v, m.withoutStragglers(h, v, step.Now))
			}
		}
	})
}

// TestOnlyWhatAWaiverNamedIsWaived holds every count of what is waived, and every window that is good in spite of a loss, against the names that the
// waivers so far had when they were made.
func TestOnlyWhatAWaiverNamedIsWaived(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := GenerateHistory(t)
		m, named := New(h.Settings), map[waivedKey]bool{}
		for _, step := range h.Steps {
			if w := step.Waive; w != nil {
				for start, names := range m.Waivable(*w, step.Now) {
					for _, name := range names {
						named[waivedKey{start, w.Edge, w.Kind, name}] = true
					}
				}
			}
			m.Apply(step)
			if len(named) == 0 {
				continue
			}
			for _, v := range m.Verdicts(step.Now) {
				h.mustBeNamed(t, v, named)
			}
		}
	})
}

func (h History) mustBeNamed(t *rapid.T, v Verdict, named map[waivedKey]bool) {
	for kind, n := range v.Waived {
		var found uint64
		for _, name := range v.Names[kind] {
			if named[waivedKey{v.Start.Unix(), v.Edge, kind, name}] {
				found++
			}
		}
		if n != found {
			t.Fatalf("%s of %s: %d %s are waived, and waivers named %d of them", v.Edge, v.Start, n, kind, found)
		}
	}
	if v.State == Incomplete && v.Good != (v.Waived["lost"] == v.Lost) {
		t.Fatalf("%s of %s: good %v with %d of %d lost events waived", v.Edge, v.Start, v.Good, v.Waived["lost"], v.Lost)
	}
}

// mustBeTrue holds one verdict against the truth. At the end named is nil and all lost names count; before, only the
// given ones do, and of the events that are missing only those that came on time.
func (h History) mustBeTrue(t *rapid.T, v Verdict, named []string) {
	atTheEnd := named == nil
	if atTheEnd {
		named = v.Names["lost"]
	}
	if held := h.Truth.HeldFrom; !held.IsZero() && !v.Start.Add(time.Duration(h.Settings.WindowSeconds)*time.Second).Before(held) {
		return
	}
	from, to, _ := strings.Cut(v.Edge, "..")
	lost := h.Truth.Lost(from, to, v.Start, !atTheEnd)
	if v.State == Complete && len(lost) > 0 {
		t.Fatalf("%s of %s is complete, but lost %v", v.Edge, v.Start, lost)
	}
	for _, uid := range named {
		if h.Truth.TookOver(to, v.Start, uid, atTheEnd) {
			t.Fatalf("%s of %s: %s is named lost, but was or will be taken over", v.Edge, v.Start, uid)
		}
	}
	if v.State == Incomplete {
		for _, uid := range lost {
			if !slices.Contains(v.Names["lost"], uid) {
				t.Fatalf("%s of %s: %s was lost and is not named", v.Edge, v.Start, uid)
			}
		}
	}
}

// withoutStragglers lists the lost names of a verdict but for those that ADR 003 cannot yet know to be under way: an
// event that came after its window to a hop whose own lane, by the same report or later, passed the target. Section 3
// counts only what was sent after that, so the name is corrected when the event arrives.
func (m *Model) withoutStragglers(h History, v Verdict, now time.Time) []string {
	named := []string{}
	from, _, _ := strings.Cut(v.Edge, "..")
	for _, uid := range v.Names["lost"] {
		if ev := h.Truth.events[uid]; (ev.late || ev.replayed) && m.straggles(h, v.Start, from, ev, now) {
			continue
		}
		named = append(named, uid)
	}
	return named
}

func (m *Model) straggles(h History, start time.Time, hop string, ev *simEvent, now time.Time) bool {
	w := m.judge(start, now)
	for _, step := range h.Steps {
		r := step.Report
		if r == nil || r.Hop != hop || step.Now.After(now) || !carries(r, start, ev) {
			continue
		}
		passed, ok := w.ownLanePassed(emitterKey{r.Hop, r.Epoch, r.Emitter}, w.closing[hop].target)
		if ok && !r.SentAt.After(passed) {
			return true
		}
	}
	return false
}

func carries(r *wire.Report, start time.Time, ev *simEvent) bool {
	for _, w := range r.Windows {
		if !w.Start.Equal(start) {
			continue
		}
		for _, s := range w.Sources {
			if s.ID == ev.source.id && s.Rolls[wire.Seen].Contains(ev.n) {
				return true
			}
		}
		for _, f := range w.Foreign {
			if f.UID == ev.name() {
				return true
			}
		}
	}
	return false
}
