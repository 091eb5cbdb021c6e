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
	excused bool           // it is not bad since all of it was waived
	decided uint64         // Unix ms of the latest verdict
}

func (w *badWindow) end() time.Time { return w.start.Add(time.Duration(w.seconds) * time.Second) }

// readWindow follows the revisions of one window and edge; it is false when none was bad with the cause.
func (r *rule) readWindow(s *store.Settings, revisions []store.Verdict, at siblings) (badWindow, bool) {
	var w badWindow
	for i := range revisions {
		v := &revisions[i]
		switch {
		case r.bad(s, v, at):
			if w.opened.IsZero() {
				w.opened = v.DecidedAt
			}
			if !w.bad {
				w.bad, w.since = true, v.DecidedAt
			}
			w.verdict = v
		case r.over(v) && w.bad:
			w.bad, w.since, w.excused = false, v.DecidedAt, v.Excused
		}
		w.start, w.seconds, w.decided = v.Start, v.Seconds, uint64(v.DecidedAt.UnixMilli())
	}
	return w, w.verdict != nil
}

// evidence is what the incidents of a stream are decided from.
type evidence struct {
	settings store.Settings
	history  []store.Verdict          // all revisions of the windows that were ever bad, by edge, start and revision
	latest   map[store.Edge]time.Time // start of the last window with events that was ever settled; read only for marks
}

// decideIncidents returns the incidents of a stream that the evidence holds. An edge that is not required is never bad.
func decideIncidents(e evidence) []store.Incident {
	var found []store.Incident
	at := e.byStart()
	for n := range rules {
		r := &rules[n]
		var run []badWindow
		var edge store.Edge
		flush := func() {
			if len(run) > 0 {
				found = append(found, e.incidentOf(r, edge, run))
			}
			run = nil
		}
		for revisions := range byWindow(e.history) {
			w, ever := r.readWindow(&e.settings, revisions, at[revisions[0].Start.Unix()])
			if len(run) > 0 && (revisions[0].Edge != edge || r.parts(&run[len(run)-1], &w, ever)) {
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

// parts says whether a run ends before the next window of the edge.
func (r *rule) parts(last, next *badWindow, ever bool) bool {
	if r.marks {
		return next.start.Sub(last.end()) > bridge
	}
	return !ever || !next.start.Equal(last.end())
}

// requires says whether an edge that is bad is trouble.
func (e *evidence) requires(edge store.Edge) bool {
	return len(e.settings.Edges) == 0 || slices.Contains(e.settings.Edges, edge)
}

// byStart gathers the verdicts of the required edges of each window, by Unix second of its start.
func (e *evidence) byStart() map[int64]siblings {
	at := map[int64]siblings{}
	for i := range e.history {
		if v := &e.history[i]; e.requires(v.Edge) {
			at[v.Start.Unix()] = append(at[v.Start.Unix()], *v)
		}
	}
	return at
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

func (e *evidence) incidentOf(r *rule, edge store.Edge, run []badWindow) store.Incident {
	required := e.requires(edge)
	first, last := &run[0], &run[len(run)-1]
	i := store.Incident{
		ID: incidentID(e.settings.Stream, edge, r.cause, first.start), Stream: e.settings.Stream, Edge: edge, Cause: r.cause, Hold: r.hold(&e.settings),
		First: first.start, Last: last.start, Seconds: last.seconds, Windows: uint32(len(run)), FirstBad: first.start, OpenedAt: first.opened,
	}
	ended := r.marks && !e.latest[edge].Before(last.end().Add(bridge))
	worst, good := r.sum(&i, run, required && !ended)
	if i.Bad == 0 {
		i.Since = good
	}
	if ended {
		i.Since, i.Version = later(good, last.end().Add(bridge)), i.Version+1 // the same windows go on no more
	}
	if i.Text = lineOf(&i, worst); i.Bad == 0 && slices.ContainsFunc(run, func(w badWindow) bool { return w.excused }) {
		i.Text += ", or waived"
	}
	if !required {
		i.Text += ", since the edge is not required"
	}
	return i
}

// sum adds the windows of a run up. It returns the verdict of the first one that is bad, and since when all of those that are not are so.
func (r *rule) sum(i *store.Incident, run []badWindow, counts bool) (worst *store.Verdict, good time.Time) {
	for n := range run {
		w := &run[n]
		i.Version += w.decided
		i.Expected += w.verdict.Expected
		if w.opened.Before(i.OpenedAt) {
			i.OpenedAt = w.opened
		}
		if !w.bad || !counts {
			good = later(good, w.since)
			continue
		}
		if i.Bad++; i.Bad == 1 {
			i.FirstBad, worst, i.Since = w.start, w.verdict, w.since
		}
		if w.since.Before(i.Since) {
			i.Since = w.since
		}
		i.Lost += w.verdict.Lost
		i.Events += r.count(&w.verdict.Counts)
	}
	return worst, good
}

// stoppedIncident is the incident of a stream that had its last event before traffic, when all was examined until an instant. It may open again, once
// events are expected again, so that its version goes with that instant.
func stoppedIncident(stream string, traffic, until time.Time) store.Incident {
	at := traffic.Add(stoppedAfter)
	i := store.Incident{
		ID: incidentID(stream, store.Edge{}, store.CauseStopped, traffic), Stream: stream, Cause: store.CauseStopped,
		First: traffic, Last: traffic, FirstBad: traffic, Windows: 1, Bad: 1, OpenedAt: at, Since: at, Version: uint64(until.UnixMilli()),
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
		i.Version = max(i.Version+1, uint64(until.UnixMilli())) // above any of the open one
		i.Text = lineOf(&i, nil)
		next = append(next, i)
	}
	if silent {
		next = append(next, stoppedIncident(stream, traffic, until))
	}
	return next
}

// compareIncidents orders incidents by first window, edge and cause.
func compareIncidents(a, b store.Incident) int {
	return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Edge.String(), b.Edge.String()), cmp.Compare(a.Cause, b.Cause))
}
