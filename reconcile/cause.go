package reconcile

import (
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	// backlogLasts is how long a backlog must stand before anybody is called of it, where the stream has no objective that says how late events may be.
	backlogLasts = 30 * time.Minute
	// bridge is how much time without bad events lies within one incident of events that are bad one by one: what breaks three events in a
	// thousand must not be a new incident every other minute.
	bridge = 10 * time.Minute
)

// rule is what makes windows bad with one cause.
type rule struct {
	cause store.Cause
	bad   func(s *store.Settings, v *store.Verdict, at siblings) bool
	count func(c *store.Counts) uint64 // the events it is about
	marks bool                         // a window never turns good again: its incident ends when later windows do not have it
}

// rules are the causes that are read from verdicts.
var rules = []rule{
	{cause: store.CauseLoss, bad: isLoss, count: func(c *store.Counts) uint64 { return c.Lost }},
	{cause: store.CauseUnknown, bad: isUnknown, count: func(c *store.Counts) uint64 { return c.Pending }},
	{cause: store.CauseDelayed, bad: isDelayed, count: func(c *store.Counts) uint64 { return c.Pending }},
	{cause: store.CauseInvalid, bad: isInvalid, count: (*store.Counts).NewlyInvalid, marks: true},
	{cause: store.CauseCorrupt, bad: isCorrupt, count: func(c *store.Counts) uint64 { return c.Corrupt }, marks: true},
	{cause: store.CauseDuplicated, bad: isDuplicated, count: func(c *store.Counts) uint64 { return c.Duplicated }, marks: true},
}

// markCauses are the causes of rules that are about marks.
var markCauses = []store.Cause{store.CauseInvalid, store.CauseCorrupt, store.CauseDuplicated}

func isLoss(_ *store.Settings, v *store.Verdict, _ siblings) bool {
	return v.State == store.Incomplete && !v.Excused
}

func isUnknown(_ *store.Settings, v *store.Verdict, at siblings) bool {
	return v.State == store.Unknown && !v.Excused && at.answersFor(v) && !behindOnly(v, at)
}

func isDelayed(_ *store.Settings, v *store.Verdict, at siblings) bool {
	return v.State == store.Unknown && !v.Excused && at.answersFor(v) && behindOnly(v, at)
}

func isCorrupt(s *store.Settings, v *store.Verdict, _ siblings) bool {
	return v.Settled() && v.Corrupt > 0 && slices.Contains(s.AlertOn, store.CauseCorrupt)
}

func isDuplicated(s *store.Settings, v *store.Verdict, _ siblings) bool {
	return v.Settled() && v.Duplicated > 0 && slices.Contains(s.AlertOn, store.CauseDuplicated)
}

// isInvalid says whether more of the events that were checked break their schema than the objective allows, or any where the stream asks for that. What
// another edge tells of is not told again.
func isInvalid(s *store.Settings, v *store.Verdict, _ siblings) bool {
	broken := v.NewlyInvalid()
	if !v.Settled() || broken == 0 {
		return false
	}
	if slices.Contains(s.AlertOn, store.CauseInvalid) {
		return true
	}
	target := s.Objectives.Validity
	return target > 0 && float64(broken) > (1-target)*float64(v.MostChecked())
}

// watchesMarks says whether the stream asks for an incident of what is bad event by event.
func watchesMarks(s *store.Settings) bool { return len(s.AlertOn) > 0 || s.Objectives.Validity > 0 }

// over says whether a verdict that is not bad with the cause puts an end to it. What settles again after a loss is still missed.
func (r *rule) over(v *store.Verdict) bool {
	switch {
	case r.cause == store.CauseLoss:
		return v.Good() || v.State == store.Withdrawn
	case r.marks:
		return v.Settled() || v.State == store.Withdrawn
	}
	return v.State != store.Settling && v.State != store.Open
}

// hold is how long an incident of the cause stands before anybody is called.
func (r *rule) hold(s *store.Settings) time.Duration {
	if r.cause == store.CauseDelayed && s.Objectives.Timeliness == 0 {
		return backlogLasts
	}
	return 0
}

// onTheirWay are the codes of reasons by which something is alive and on its way.
var onTheirWay = []string{"lane-behind", "late-entry"}

// behindOnly says whether all that the edge is held by is alive: then the window is not unknown, its events are delayed.
func behindOnly(v *store.Verdict, at siblings) bool {
	some := false
	for i := range v.Reasons {
		r := &v.Reasons[i]
		if r.Code == "more" || r.Code == "grace" || !at.answers(v.Edge, r.Hop, v.DecidedAt) {
			continue
		}
		if some = slices.Contains(onTheirWay, r.Code); !some {
			return false
		}
	}
	return some
}

// siblings are the revisions of all edges of one window. A hop that holds a window holds it on every edge after it; the trouble is told of one edge,
// that which answers for the hop: the one that leads to it, or of a first hop the one that leaves it.
type siblings []store.Verdict

// answersFor says whether the edge answers for any of what holds it; a verdict that gives no reason speaks for itself.
func (at siblings) answersFor(v *store.Verdict) bool {
	return len(v.Reasons) == 0 || slices.ContainsFunc(v.Reasons, func(r store.Reason) bool { return at.answers(v.Edge, r.Hop, v.DecidedAt) })
}

// answers says whether the edge answers for the hop, among those that were unknown when it was decided: one that was not cannot tell.
func (at siblings) answers(edge store.Edge, hop string, decided time.Time) bool {
	into, from := edge, edge
	leads, leaves := edge.To == hop, edge.From == hop
	for e := range at.unknown(decided) {
		switch {
		case e != edge && at.waived(e): // it tells nobody
		case e.To == hop && (!leads || e.From < into.From):
			into, leads = e, true
		case e.From == hop && (!leaves || e.To < from.To):
			from, leaves = e, true
		}
	}
	switch {
	case hop == "":
		return true
	case leads:
		return into == edge
	}
	return from == edge // also where no edge of the hop is unknown
}

// waived says whether it was ever waived that an edge is unknown: a waiver is of one edge, and the others are as unknown as they were.
func (at siblings) waived(edge store.Edge) bool {
	return slices.ContainsFunc(at, func(v store.Verdict) bool { return v.Edge == edge && v.State == store.Unknown && v.Excused })
}

// unknown yields the edges whose verdict was unknown at an instant.
func (at siblings) unknown(decided time.Time) func(func(store.Edge) bool) {
	return func(yield func(store.Edge) bool) {
		for i := range at {
			v := &at[i]
			last := i+1 == len(at) || at[i+1].Edge != v.Edge || at[i+1].DecidedAt.After(decided)
			if last && !v.DecidedAt.After(decided) && v.State == store.Unknown && !yield(v.Edge) {
				return
			}
		}
	}
}
