package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The entries of a chain, as the API spells them.
const (
	Certified  = "certify"
	Superseded = "supersede"
	Revoked    = "revoke"
)

// Standing is how the hour of the genesis stands in a stream that is certified by itself.
type Standing struct {
	Allow   []string // what is no obstacle, by the kinds of a verdict's names
	Entries []string // of the hour, in order

	what string // the last certificate says
}

// Stands says whether the hour has a certificate that holds.
func (s *Standing) Stands() bool { return len(s.Entries) > 0 && s.Entries[len(s.Entries)-1] != Revoked }

// Look does what is to be done of the hour at an instant.
func (s *Standing) Look(m *Model, now time.Time) {
	fine, bad := m.certifiable(now, s.Allow)
	what := ""
	if fine {
		what = m.contents(now)
	}
	switch {
	case s.Stands() && bad:
		s.Entries = append(s.Entries, Revoked)
	case fine && len(s.Entries) == 0:
		s.Entries = append(s.Entries, Certified)
	case fine && (!s.Stands() || s.what != what):
		s.Entries = append(s.Entries, Superseded)
	default:
		return
	}
	s.what = what
}

// Bad says whether the hour is settled and not good, with what is allowed.
func (m *Model) Bad(now time.Time, allow []string) bool {
	_, bad := m.certifiable(now, allow)
	return bad
}

// certifiable says whether nothing stands in the way of a certificate, and whether something does that time alone does not take away.
func (m *Model) certifiable(now time.Time, allow []string) (fine, bad bool) {
	all := m.ofHour(now)
	fine = len(all) > 0 && !now.Before(hourEnd())
	for _, v := range all {
		switch {
		case v.State == Open, v.State == Settling:
			fine = false
		case v.State == Unknown && !v.Good:
			bad = true
		}
		for kind, n := range map[string]uint64{"lost": v.Lost, "corrupt": v.Corrupt, "rejected": v.Rejected, "duplicated": v.Duplicated} {
			bad = bad || n > v.Waived[kind] && !slices.Contains(allow, kind)
		}
	}
	return fine && !bad, bad
}

func hourStart() time.Time { return genesis.Truncate(time.Hour) }
func hourEnd() time.Time   { return hourStart().Add(time.Hour) }

// ofHour are the verdicts of the hour on the required edges.
func (m *Model) ofHour(now time.Time) []Verdict {
	return slices.DeleteFunc(m.Verdicts(now), func(v Verdict) bool {
		return v.Start.Before(hourStart()) || !v.Start.Before(hourEnd()) || !slices.Contains(m.settings.Edges, v.Edge)
	})
}

// contents is what a certificate would say of the hour: on each edge the counts and what was lost, at each hop what it took over, and that
// something was waived.
func (m *Model) contents(now time.Time) string {
	var all []string
	for _, v := range m.ofHour(now) {
		kept := v
		kept.Names, kept.Waived, kept.Good = map[string][]string{"lost": v.Names["lost"]}, map[string]uint64{"lost": v.Waived["lost"]}, false
		all = append(all, fmt.Sprintf("%+v", kept))
	}
	taken := map[string]kindSet{}
	for start, emitters := range m.rows {
		if at := time.Unix(start, 0); at.Before(hourStart()) || !at.Before(hourEnd()) {
			continue
		}
		for key, events := range emitters {
			for id, kinds := range events {
				taken[fmt.Sprint(start, " ", key.hop, " ", m.events[id].name)] |= kinds & (1<<wire.Filtered | 1<<wire.Rejected)
			}
		}
	}
	for what, kinds := range taken {
		if hop := strings.Fields(what)[1]; m.requires(hop) {
			all = append(all, fmt.Sprint(what, kinds))
		}
	}
	slices.Sort(all)
	return fmt.Sprint(m.waivers, all)
}

// requires says whether an edge from or to a hop is required.
func (m *Model) requires(hop string) bool {
	return slices.ContainsFunc(m.required, func(edge [2]string) bool { return edge[0] == hop || edge[1] == hop })
}

// RequiringAll is the history as if every edge were required that a report names.
func (h History) RequiringAll() History {
	edges := slices.Clone(h.Settings.Edges)
	for _, step := range h.Steps {
		if step.Report == nil {
			continue
		}
		for _, before := range step.Report.After {
			edges = append(edges, before+".."+step.Report.Hop)
		}
	}
	slices.Sort(edges)
	h.Settings.Edges = slices.Compact(edges)
	return h
}

// Rounded is the history as if what happens in a span of time happened at its end, in the same order.
func (h History) Rounded(span time.Duration) History {
	h.Steps = slices.Clone(h.Steps)
	for i := range h.Steps {
		if at := h.Steps[i].Now.Truncate(span); at.Before(h.Steps[i].Now) {
			h.Steps[i].Now = at.Add(span)
		}
	}
	return h
}

// WithAftermath is the history with a tail: of an event that nobody mentioned the hops tell one after the other, long after the end, the turn-th hop
// first. Where a hop was left by its last emitter, or nothing is numbered, it is the history.
func (h History) WithAftermath(turn int) History {
	var source wire.UID
	last, most := map[string]*wire.Report{}, map[wire.UID]uint64{}
	for _, step := range h.Steps {
		r := step.Report
		if r == nil || r.Epoch > 0 {
			continue
		}
		most[r.Emitter] = max(most[r.Emitter], r.Number)
		if last[r.Hop] == nil || r.SentAt.After(last[r.Hop].SentAt) {
			last[r.Hop] = r
		}
		for _, w := range r.Windows {
			if len(r.After) == 0 && len(w.Sources) > 0 {
				source = w.Sources[0].ID
			}
		}
	}
	hops := slices.Sorted(maps.Keys(last))
	if source.IsZero() || slices.ContainsFunc(hops, func(hop string) bool { return last[hop].State == wire.Closed }) {
		return h
	}
	h.Steps = slices.Clone(h.Steps)
	for i := range hops {
		r := *last[hops[(turn+i)%len(hops)]]
		now := h.End().Add(windowLength)
		belated := wire.Source{ID: source}
		belated.Rolls[wire.Seen] = roaring.BitmapOf(5000)
		r.Number, r.SentAt, r.Ended = most[r.Emitter]+1, now.Add(-time.Second), nil
		r.Windows = []wire.Window{{Start: genesis, Seconds: uint32(windowLength / time.Second), Sources: []wire.Source{belated}}}
		h.Steps = append(h.Steps, Step{Now: now, Report: &r})
	}
	return h
}
