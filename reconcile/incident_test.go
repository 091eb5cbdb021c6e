package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

var (
	appSink   = store.Edge{From: "app", To: "sink"}
	sinkStore = store.Edge{From: "sink", To: "store"}
)

// revision is a revision of a verdict on a minute after five, decided at a second.
func revision(minute int, edge store.Edge, number uint32, state store.State, second int) store.Verdict {
	v := store.Verdict{
		Stream: "orders", Start: five.Add(time.Duration(minute) * time.Minute), Seconds: 60, Edge: edge, Revision: number, State: state,
		DecidedAt: five.Add(time.Duration(second) * time.Second),
	}
	if v.Expected = 10; state == store.Incomplete {
		v.Lost = 3
	}
	return v
}

func inOrder(history []store.Verdict) []store.Verdict {
	return slices.SortedFunc(slices.Values(history), func(a, b store.Verdict) int {
		return cmp.Or(cmp.Compare(a.Edge.From, b.Edge.From), cmp.Compare(a.Edge.To, b.Edge.To), a.Start.Compare(b.Start), cmp.Compare(a.Revision, b.Revision))
	})
}

// words is what a set of incidents says, one line each.
func words(incidents []store.Incident) []string {
	lines := []string{}
	for i := range incidents {
		n := &incidents[i]
		lines = append(lines, fmt.Sprintf("%s %s..%s %s %s", n.Cause, n.First.Format("04"), n.Last.Format("04"), n.Edge, n.State()))
	}
	slices.Sort(lines)
	return lines
}

func TestAnIncidentIsARunOfBadWindowsOfOneEdgeWithOneCause(t *testing.T) {
	history := inOrder([]store.Verdict{
		revision(0, appSink, 1, store.Incomplete, 100), revision(1, appSink, 1, store.Incomplete, 101), revision(2, appSink, 1, store.Unknown, 300),
		revision(4, appSink, 1, store.Incomplete, 310), revision(1, sinkStore, 1, store.Incomplete, 102),
	})
	want := []string{
		"loss 00..01 app..sink open", "loss 01..01 sink..store open", "loss 04..04 app..sink open", "unknown 02..02 app..sink open",
	}
	if diff := gocmp.Diff(want, words(decideIncidents(evidence{settings: store.DefaultSettings("orders"), history: history}))); diff != "" {
		t.Error(diff)
	}
}

func TestALossThatIsFilledLaterResolves(t *testing.T) {
	history := []store.Verdict{
		revision(0, appSink, 1, store.Incomplete, 100), revision(0, appSink, 2, store.Settling, 200), revision(1, appSink, 1, store.Incomplete, 110),
	}
	decided := func(more ...store.Verdict) store.Incident {
		return decideIncidents(evidence{settings: store.DefaultSettings("orders"), history: inOrder(append(slices.Clone(history), more...))})[0]
	}
	if i := decided(); i.State() != store.IncidentOpen || i.Lost != 6 || i.Bad != 2 {
		t.Fatalf("while one window settles again it is %s with %d lost in %d windows", i.State(), i.Lost, i.Bad)
	}
	one := decided(revision(0, appSink, 3, store.Complete, 300))
	if one.State() != store.IncidentOpen || one.Bad != 1 || !one.FirstBad.Equal(five.Add(time.Minute)) {
		t.Fatalf("with one window filled it is %s, %d bad from %s", one.State(), one.Bad, one.FirstBad)
	}
	all := decided(revision(0, appSink, 3, store.Complete, 300), revision(1, appSink, 2, store.Complete, 400))
	if all.State() != store.IncidentResolved || all.ID != one.ID || !all.Since.Equal(five.Add(400*time.Second)) || all.Version <= one.Version {
		t.Fatalf("with both windows filled: %+v", all)
	}
	if !strings.Contains(all.Text, "[RESOLVED] orders app→sink 05:00Z: ") {
		t.Errorf("it says %q", all.Text)
	}
}

func TestAWaivedLossResolvesAndOneThatNobodyWaivedOpensAgain(t *testing.T) {
	waived := revision(0, appSink, 2, store.Incomplete, 200)
	waived.Waived.Lost, waived.Excused = 3, true
	history := []store.Verdict{revision(0, appSink, 1, store.Incomplete, 100), waived}
	decided := func() store.Incident {
		return decideIncidents(evidence{settings: store.DefaultSettings("orders"), history: history})[0]
	}
	if i := decided(); i.State() != store.IncidentResolved || !strings.HasSuffix(i.Text, ", or waived") {
		t.Fatalf("waived: %s: %s", i.State(), i.Text)
	}
	more := revision(0, appSink, 3, store.Incomplete, 300)
	more.Lost, more.Waived.Lost = 4, 3
	history = append(history, more)
	if i := decided(); i.State() != store.IncidentOpen || i.Lost != 4 {
		t.Fatalf("one more is lost: %s: %s", i.State(), i.Text)
	}
}

func TestAnUnknownWindowThatTurnsOutIncompleteIsALossFromThenOn(t *testing.T) {
	history := []store.Verdict{revision(0, appSink, 1, store.Unknown, 100), revision(0, appSink, 2, store.Incomplete, 200)}
	want := []string{"loss 00..00 app..sink open", "unknown 00..00 app..sink resolved"}
	if diff := gocmp.Diff(want, words(decideIncidents(evidence{settings: store.DefaultSettings("orders"), history: history}))); diff != "" {
		t.Error(diff)
	}
}

func TestAnEdgeThatIsNotRequiredOpensNoIncident(t *testing.T) {
	settings := store.DefaultSettings("orders")
	settings.Edges = []store.Edge{sinkStore}
	for _, i := range decideIncidents(evidence{settings: settings, history: []store.Verdict{revision(0, appSink, 1, store.Incomplete, 100)}}) {
		if i.State() == store.IncidentOpen {
			t.Errorf("open: %s", i.Text)
		}
	}
}

func TestTheLineSaysWhatIsMissing(t *testing.T) {
	v := revision(0, store.Edge{From: "relay", To: "sink"}, 1, store.Incomplete, 100)
	v.Lost, v.Expected = 312, 4_200_000
	settings := store.DefaultSettings("flights")
	if got := decideIncidents(evidence{settings: settings, history: []store.Verdict{v}})[0].Text; got != "[LOSS] flights relay→sink 05:00Z: 312 of 4.2 M missing" {
		t.Errorf("%q", got)
	}
	u := revision(0, appSink, 1, store.Unknown, 100)
	u.Reasons = []store.Reason{{Text: "sink on web-3 is silent"}}
	if got := decideIncidents(evidence{settings: settings, history: []store.Verdict{u}})[0].Text; got != "[UNKNOWN] flights app→sink 05:00Z: the window is not known: sink on web-3 is silent" {
		t.Errorf("%q", got)
	}
}

func TestAStreamWithoutTrafficIsToldOnceAndResolvesWithTheNextEvent(t *testing.T) {
	traffic := five
	if got := decideStopped(true, "orders", traffic, five.Add(59*time.Minute), nil); len(got) != 0 {
		t.Fatalf("opened too early: %v", got)
	}
	opened := decideStopped(true, "orders", traffic, five.Add(time.Hour), nil)
	if len(opened) != 1 || opened[0].State() != store.IncidentOpen || !strings.Contains(opened[0].Text, "[STOPPED] orders 05:00Z: no event for an hour") {
		t.Fatalf("%+v", opened)
	}
	if got := decideStopped(true, "orders", traffic, five.Add(3*time.Hour), opened); len(got) != 0 {
		t.Fatalf("told again: %v", got)
	}
	after := decideStopped(true, "orders", five.Add(2*time.Hour), five.Add(2*time.Hour+time.Minute), opened)
	if len(after) != 1 || after[0].State() != store.IncidentResolved || after[0].Version <= opened[0].Version || after[0].ID != opened[0].ID {
		t.Fatalf("%+v", after)
	}
	if got := decideStopped(false, "orders", traffic, five.Add(3*time.Hour), opened); len(got) != 1 || got[0].State() != store.IncidentResolved {
		t.Fatalf("where no traffic is expected any more: %+v", got)
	}
	ended := decideStopped(false, "orders", traffic, five.Add(3*time.Hour), opened)
	again := decideStopped(true, "orders", traffic, five.Add(4*time.Hour), nil)
	if len(ended) != 1 || len(again) != 1 || again[0].ID != ended[0].ID || again[0].Version <= ended[0].Version || again[0].Bad != 1 {
		t.Fatalf("where events are expected again the incident is %+v after %+v: the store keeps the greater version", again, ended)
	}
	if got := decideStopped(false, "orders", traffic, five.Add(3*time.Hour), nil); len(got) != 0 {
		t.Fatalf("opened where none is expected: %v", got)
	}
}

// kept is what a store keeps of the incidents written to it.
type kept map[wire.UID]store.Incident

func (k kept) add(incidents []store.Incident) {
	for _, i := range incidents {
		if old, there := k[i.ID]; !there || i.Version >= old.Version {
			k[i.ID] = i
		}
	}
}

// visible leaves out what lies within an earlier run.
func (k kept) visible() []store.Incident {
	var found []store.Incident
	for _, i := range k {
		covered := false
		for _, o := range k {
			covered = covered || o.Edge == i.Edge && o.Cause == i.Cause && o.First.Before(i.First) && !o.Last.Before(i.First)
		}
		if !covered {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, compareIncidents)
	return found
}

// paths are the states that a window and edge may go through.
var paths = [][]store.State{
	{store.Complete}, {store.Complete}, {store.Settling}, {store.Incomplete}, {store.Unknown}, {store.Incomplete, store.Complete}, {store.Unknown, store.Complete},
	{store.Unknown, store.Incomplete}, {store.Unknown, store.Incomplete, store.Complete}, {store.Complete, store.Settling, store.Incomplete},
	{store.Incomplete, store.Settling, store.Complete}, {store.Complete, store.Withdrawn}, {store.Unknown, store.Unknown, store.Complete},
}

// fate draws what becomes of one window, one step after the other: all its edges are judged at once, and those that say something new are revised.
func fate(t *rapid.T, minute int) [][]store.Verdict {
	var steps [][]store.Verdict
	fates := [][]store.State{rapid.SampledFrom(paths).Draw(t, "path"), rapid.SampledFrom(paths).Draw(t, "path")}
	second := rapid.IntRange(1, 1000).Draw(t, "second")
	for n := range max(len(fates[0]), len(fates[1])) {
		var step []store.Verdict
		for e, edge := range []store.Edge{appSink, sinkStore} {
			if n < len(fates[e]) {
				step = append(step, drawn(t, revision(minute, edge, uint32(n+1), fates[e][n], second)))
			}
		}
		steps = append(steps, step)
		second += rapid.IntRange(1, 1000).Draw(t, "later")
	}
	return steps
}

// drawn gives an unknown verdict reasons, and a settled one marks.
func drawn(t *rapid.T, v store.Verdict) store.Verdict {
	for v.State == store.Unknown && rapid.Bool().Draw(t, "reason") {
		hop, code := rapid.SampledFrom([]string{"app", "sink", "store"}).Draw(t, "hop"), rapid.SampledFrom([]string{"lane-behind", "emitter-dark", "late-entry"}).Draw(t, "code")
		v.Reasons = append(v.Reasons, store.Reason{Code: code, Hop: hop, Text: hop})
	}
	if v.Settled() {
		v.Corrupt = uint64(rapid.IntRange(0, 1).Draw(t, "corrupt"))
	}
	return v
}

// latestOf is the last settled window of each edge.
func latestOf(history []store.Verdict) map[store.Edge]time.Time {
	latest := map[store.Edge]time.Time{}
	for _, v := range history {
		if v.Settled() {
			latest[v.Edge] = later(latest[v.Edge], v.Start)
		}
	}
	return latest
}

// Verdicts come in any order of windows and any grouping; after each group the incidents of the windows in it, and the open ones of marks, are decided
// from all that is stored, and one of two reconcilers may be behind. In the end the incidents are those of one look at everything.
func TestTheSameIncidentsComeOutWhateverTheOrderAndGroupingOfVerdicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settings := store.DefaultSettings("orders")
		settings.AlertOn = []store.Cause{store.CauseCorrupt}
		var queues [][][]store.Verdict
		stride := rapid.SampledFrom([]int{1, 1, 7, 13}).Draw(t, "stride")
		for minute := range rapid.IntRange(1, 8).Draw(t, "minutes") {
			queues = append(queues, fate(t, minute*stride))
		}
		var stored []store.Verdict
		rows := kept{}
		for len(queues) > 0 {
			var touched []store.Verdict
			for range rapid.IntRange(1, 4).Draw(t, "group") {
				if len(queues) == 0 {
					break
				}
				n := rapid.IntRange(0, len(queues)-1).Draw(t, "window")
				touched = append(touched, queues[n][0]...)
				if queues[n] = queues[n][1:]; len(queues[n]) == 0 {
					queues = slices.Delete(queues, n, n+1)
				}
			}
			behind := stored
			stored = append(slices.Clone(stored), touched...)
			decide := func(history []store.Verdict) []store.Incident {
				found := decideIncidents(evidence{settings, inOrder(history), latestOf(history)})
				return slices.DeleteFunc(found, func(i store.Incident) bool { return !holdsAny(&i, touched) && !slices.Contains(markCauses, i.Cause) })
			}
			late := decide(behind) // another reconciler that read earlier and writes at once, before or after
			now := decide(stored)
			if rapid.Bool().Draw(t, "late") {
				late, now = now, late
			}
			rows.add(late)
			rows.add(now)
		}
		want := decideIncidents(evidence{settings, inOrder(stored), latestOf(stored)})
		slices.SortFunc(want, compareIncidents)
		if diff := gocmp.Diff(want, rows.visible()); diff != "" {
			t.Fatal(diff)
		}
		bad := slices.ContainsFunc(stored, func(v store.Verdict) bool {
			return v.State == store.Incomplete || v.State == store.Unknown || v.Corrupt > 0
		})
		if !bad && len(want) > 0 {
			t.Fatalf("incidents of windows that settled by themselves: %v", words(want))
		}
	})
}
