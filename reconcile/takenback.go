package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// watches says whether the settings ask for incidents of a mark.
func watches(s *store.Settings, mark store.Cause) bool {
	return slices.Contains(s.AlertOn, mark) || mark == store.CauseInvalid && s.Objectives.Validity > 0
}

// takenBack ends the open incidents of marks that the settings ask for no more, or of which they allow as many as there are: no verdict will ever end
// them. found are those that the stream's verdicts still come to, of its last windows as of all that changed.
func takenBack(w *work, open, found []store.Incident) []store.Incident {
	if len(w.derived) == 0 {
		return nil
	}
	last := w.derived[len(w.derived)-1]
	until := last.Add(time.Duration(w.settings.Seconds(last)) * time.Second)
	var ends []store.Incident
	for _, i := range open {
		if !slices.ContainsFunc(found, func(f store.Incident) bool {
			return f.Cause == i.Cause && holdsAny(&f, []store.Verdict{{Edge: i.Edge, Start: i.Last}})
		}) {
			ends = append(ends, endTaken(&w.settings, i, until))
		}
	}
	return ends
}

// endTaken is the incident as it ends when the settings take it back.
func endTaken(s *store.Settings, i store.Incident, until time.Time) store.Incident {
	what := "no longer watched: setting taken back by "
	if watches(s, i.Cause) {
		what = "as few as the settings allow since they were changed by "
	}
	i.Bad, i.Lost, i.Events, i.FirstBad = 0, 0, 0, i.First
	i.Since, i.Version = later(until, i.Since), i.Version+1 // the same verdicts come to something else
	i.Text = fmt.Sprintf("[RESOLVED] %s: %s%s", whereText(&i), what, cmp.Or(s.Who, "somebody"))
	return i
}
