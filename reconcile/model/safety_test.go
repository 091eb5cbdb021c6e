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
