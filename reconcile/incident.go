package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// An incident is decided from stored verdicts alone. A window belongs to the incidents of a cause once any revision of its verdict was bad with that
// cause: revisions are kept, so this only grows, and the incidents are the longest runs of such windows, whatever the order and grouping in which
// verdicts were made. Whether a run is open is what its windows' latest revisions say.

// idSpace is the name space of the ids of incidents: UUIDs of version 5.
var idSpace = uuid.MustParse("6f0a1cf0-2b5e-5d0e-9d3c-7a1f64d2c6b1")

// incidentID is the same wherever and whenever the incident is decided.
func incidentID(stream string, edge store.Edge, cause store.Cause, first time.Time) wire.UID {
	name := fmt.Sprintf("%s\n%s\n%s\n%d", stream, edge, cause, first.Unix())
	return wire.UID(uuid.NewSHA1(idSpace, []byte(name)))
}

// badWindow is a window that was bad with one cause at some revision.
type badWindow struct {
	start   time.Time
	seconds uint32
	bad     bool
	since   time.Time      // since when it is as it is, bad or not
	opened  time.Time      // when it first was bad
	verdict *store.Verdict // the last that was bad
	decided uint64         // Unix ms of the latest verdict
}

func (w *badWindow) end() time.Time { return w.start.Add(time.Duration(w.seconds) * time.Second) }

// isBad says whether a verdict is bad with the cause, and ends whether it puts an end to it: what is settling again is still missed.
func isBad(cause store.Cause, s store.State) bool {
	return cause == store.CauseLoss && s == store.Incomplete || cause == store.CauseUnknown && s == store.Unknown
}

func over(cause store.Cause, s store.State) bool {
	return s == store.Complete || s == store.Withdrawn || cause == store.CauseUnknown && s == store.Incomplete
}

// readWindow follows the revisions of one window and edge; it is false when none was bad with the cause.
func readWindow(cause store.Cause, revisions []store.Verdict) (badWindow, bool) {
	var w badWindow
	for i := range revisions {
		v := &revisions[i]
		switch {
		case isBad(cause, v.State):
			if w.opened.IsZero() {
				w.opened = v.DecidedAt
			}
			if !w.bad {
				w.bad, w.since = true, v.DecidedAt
			}
			w.verdict = v
		case over(cause, v.State) && w.bad:
			w.bad, w.since = false, v.DecidedAt
		}
		w.start, w.seconds, w.decided = v.Start, v.Seconds, uint64(v.DecidedAt.UnixMilli())
	}
	return w, w.verdict != nil
}

// decideIncidents returns the incidents of a stream that the history holds: all revisions of the windows that were ever bad, by edge, start and
// revision. An edge that is not required is never bad.
func decideIncidents(settings store.Settings, history []store.Verdict) []store.Incident {
	var found []store.Incident
	for _, cause := range []store.Cause{store.CauseLoss, store.CauseUnknown} {
		var run []badWindow
		var edge store.Edge
		flush := func() {
			if len(run) > 0 {
				found = append(found, incidentOf(settings, edge, cause, run))
			}
			run = nil
		}
		for revisions := range byWindow(history) {
			w, ever := readWindow(cause, revisions)
			if len(run) > 0 && (revisions[0].Edge != edge || !ever || !w.start.Equal(run[len(run)-1].end())) {
				flush()
			}
			if edge = revisions[0].Edge; ever {
				run = append(run, w)
			}
		}
		flush()
	}
	return found
}

// byWindow yields the revisions of one window and edge after the other.
func byWindow(history []store.Verdict) func(func([]store.Verdict) bool) {
	return func(yield func([]store.Verdict) bool) {
		for len(history) > 0 {
			first := &history[0]
			n := slices.IndexFunc(history, func(v store.Verdict) bool { return v.Edge != first.Edge || !v.Start.Equal(first.Start) })
			if n < 0 {
				n = len(history)
			}
			if !yield(history[:n]) {
				return
			}
			history = history[n:]
		}
	}
}

func incidentOf(settings store.Settings, edge store.Edge, cause store.Cause, run []badWindow) store.Incident {
	required := len(settings.Edges) == 0 || slices.Contains(settings.Edges, edge)
	first, last := &run[0], &run[len(run)-1]
	i := store.Incident{
		ID: incidentID(settings.Stream, edge, cause, first.start), Stream: settings.Stream, Edge: edge, Cause: cause,
		First: first.start, Last: last.start, Seconds: last.seconds, Windows: uint32(len(run)), FirstBad: first.start, OpenedAt: first.opened,
	}
	var worst *store.Verdict // of the first window that is bad
	var bad, good time.Time
	for n := range run {
		w := &run[n]
		i.Version += w.decided
		i.Expected += w.verdict.Expected
		if w.opened.Before(i.OpenedAt) {
			i.OpenedAt = w.opened
		}
		if !w.bad || !required {
			good = later(good, w.since)
			continue
		}
		if i.Bad++; i.Bad == 1 {
			i.FirstBad, worst, bad = w.start, w.verdict, w.since
		}
		if w.since.Before(bad) {
			bad = w.since
		}
		i.Lost += w.verdict.Lost
	}
	if i.Since = good; i.Bad > 0 {
		i.Since = bad
	}
	if i.Text = lineOf(&i, worst); !required {
		i.Text += ", since the edge is not required"
	}
	return i
}

// stoppedIncident is the incident of a stream that had its last event before traffic.
func stoppedIncident(stream string, traffic time.Time) store.Incident {
	at := traffic.Add(stoppedAfter)
	i := store.Incident{
		ID: incidentID(stream, store.Edge{}, store.CauseStopped, traffic), Stream: stream, Cause: store.CauseStopped,
		First: traffic, Last: traffic, FirstBad: traffic, Windows: 1, Bad: 1, OpenedAt: at, Since: at, Version: uint64(traffic.UnixMilli()),
	}
	i.Text = lineOf(&i, nil)
	return i
}

// decideStopped says of one stream which incident opens and which ones end. traffic is the end of the last window with an event, until the instant up
// to which all was examined; open are the stream's open ones.
func decideStopped(expected bool, stream string, traffic, until time.Time, open []store.Incident) []store.Incident {
	var next []store.Incident
	silent := expected && !traffic.IsZero() && until.Sub(traffic) >= stoppedAfter
	for _, i := range open {
		if silent && i.First.Equal(traffic) {
			return nil // it is told already, and all before it ended then
		}
		i.Bad, i.Since = 0, later(until, i.Since)
		i.Version = max(i.Version+1, uint64(traffic.UnixMilli())) // above any of the open one, which was made before this traffic
		i.Text = lineOf(&i, nil)
		next = append(next, i)
	}
	if silent {
		next = append(next, stoppedIncident(stream, traffic))
	}
	return next
}

// lineOf is the one line that people read first.
func lineOf(i *store.Incident, worst *store.Verdict) string {
	where := fmt.Sprintf("%s %s", i.Stream, spanText(i))
	if i.Edge != (store.Edge{}) {
		where = fmt.Sprintf("%s %s %s", i.Stream, i.Edge, spanText(i))
	}
	switch {
	case i.Bad == 0 && i.Cause == store.CauseStopped:
		return fmt.Sprintf("[RESOLVED] %s: events again, or none expected any more", where)
	case i.Bad == 0 && i.Cause == store.CauseUnknown:
		return fmt.Sprintf("[RESOLVED] %s: known after all", where)
	case i.Bad == 0:
		return fmt.Sprintf("[RESOLVED] %s: nothing is missing any more", where)
	case i.Cause == store.CauseLoss:
		return fmt.Sprintf("[LOSS] %s: %s of %s missing", where, number(i.Lost), number(i.Expected))
	case i.Cause == store.CauseStopped:
		return fmt.Sprintf("[STOPPED] %s: no event for an hour", where)
	}
	why := ""
	if worst != nil && len(worst.Reasons) > 0 {
		why = ": " + worst.Reasons[0].Text
	}
	return fmt.Sprintf("[UNKNOWN] %s: %s not known%s", where, windowsAre(i.Windows), why)
}

func windowsAre(n uint32) string {
	if n == 1 {
		return "the window is"
	}
	return fmt.Sprintf("%s windows are", number(uint64(n)))
}

// spanText is the time of an incident in words: its first window, and its last where there are several.
func spanText(i *store.Incident) string {
	if i.Windows <= 1 {
		return clockTime(i.First)
	}
	last := clockTime(i.Last)
	if i.Last.Format(time.DateOnly) != i.First.Format(time.DateOnly) {
		last = i.Last.UTC().Format(time.DateOnly) + " " + last
	}
	return clockTime(i.First) + " to " + last
}

func clockTime(t time.Time) string {
	if t.Second() != 0 {
		return t.UTC().Format("15:04:05Z")
	}
	return t.UTC().Format("15:04Z")
}

// compareIncidents orders incidents by first window, edge and cause.
func compareIncidents(a, b store.Incident) int {
	return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Edge.String(), b.Edge.String()), cmp.Compare(a.Cause, b.Cause))
}
