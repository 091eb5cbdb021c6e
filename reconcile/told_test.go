package reconcile

import (
	"fmt"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// broken adds a window in which a hop saw 100 events and found some of them to break their schema; checked says how many it checked, 0: it tells no outcomes.
func broken(r *wire.Report, invalid *roaring.Bitmap, checked uint64) *wire.Report {
	saw(r, 0, span(0, 99), nil, nil, invalid)
	bad := invalid.GetCardinality()
	for outcome, n := range map[string]uint64{"OK": checked - min(checked, bad), "INVALID": min(checked, bad)} {
		if n > 0 {
			r.Windows[0].Schemas = append(r.Windows[0].Schemas, wire.SchemaTally{ID: "orders", Version: "1", Outcome: outcome, Count: n})
		}
	}
	return r
}

// with gives the stream objectives and required edges.
func (s *scene) with(document string, edges ...store.Edge) {
	s.t.Helper()
	settings := store.DefaultSettings(s.stream)
	settings.Document, settings.Edges = []byte(document), edges
	if err := s.store.PutSettings(s.t.Context(), settings, five); err != nil {
		s.t.Fatal(err)
	}
}

// schemaBroken is the only incident of events that break their schema.
func (s *scene) schemaBroken() store.Incident {
	s.t.Helper()
	open, err := s.store.OpenIncidents(s.t.Context(), []string{s.stream}, store.CauseInvalid)
	if err != nil || len(open[s.stream]) != 1 {
		s.t.Fatalf("%+v, %v", open, err)
	}
	return open[s.stream][0]
}

func TestASchemaThatBreaksAtTheFirstHopOpensAnIncidentThereAndUsesUpTheBudget(t *testing.T) {
	s := newScene(t, appSink)
	s.with(`{"objectives":{"validity":0.99}}`, appSink)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		broken(s.says("app", 1, 65), span(90, 99), 50), saw(s.says("sink", 2, 70, "app"), 0, span(0, 99)))
	s.wait(80)
	v := s.verdict(0, "app", "sink")
	if v.Invalid != 0 || v.InvalidAtSource != 10 || v.CheckedAtSource != 50 || v.Checked != 0 || v.State != store.Complete {
		t.Fatalf("%s: %+v", v.State, v.Counts)
	}
	wantNumbers(t, "invalid at the source", s.names(0, "app", "sink", "invalidAtSource"), 90, 91, 92, 93, 94, 95, 96, 97, 98, 99)
	i := s.schemaBroken()
	if i.Events != 10 || i.Text != "[INVALID] orders app→sink 05:00Z: 10 of 100 break their schema at app" {
		t.Fatalf("%+v", i)
	}
	s.wait(180)
	if got := s.budgets()[store.Validity]; got != [2]uint64{50, 10} {
		t.Fatalf("%v events checked and invalid", got)
	}
}

func TestAnEventThatIsInvalidAtTwoHopsIsToldOfOnce(t *testing.T) {
	agent, sink := store.Edge{From: "app", To: "agent"}, store.Edge{From: "agent", To: "sink"}
	s := newScene(t, agent, sink)
	s.with(`{"alertOn":["invalid"],"objectives":{"validity":0.99}}`, agent, sink)
	s.hear(80, s.says("app", 1, 0), s.says("agent", 2, 1, "app"), s.says("sink", 3, 2, "agent"),
		broken(s.says("app", 1, 65), span(0, 9), 100), broken(s.says("agent", 2, 70, "app"), span(5, 14), 100), broken(s.says("sink", 3, 75, "agent"), span(0, 14), 100))
	s.wait(81)
	if v := s.verdict(0, "app", "agent"); v.Invalid != 10 || v.InvalidAtSource != 10 || v.InvalidBefore != 5 {
		t.Errorf("at the agent %+v", v.Counts)
	}
	if v := s.verdict(0, "agent", "sink"); v.Invalid != 15 || v.InvalidAtSource != 0 || v.InvalidBefore != 15 {
		t.Errorf("at the sink %+v", v.Counts)
	}
	if i := s.schemaBroken(); i.Edge != agent || i.Events != 15 {
		t.Errorf("%+v", i)
	}
	s.wait(180)
	if got := s.budgets()[store.Validity]; got != [2]uint64{100, 15} {
		t.Errorf("%v events checked and invalid", got)
	}
}

func TestOfTwoEdgesThatLeaveTheFirstHopOneTellsWhatItFound(t *testing.T) {
	a, b := store.Edge{From: "app", To: "archive"}, store.Edge{From: "app", To: "billing"}
	for _, c := range []struct {
		required []store.Edge
		teller   store.Edge
	}{{nil, a}, {[]store.Edge{a, b}, a}, {[]store.Edge{b}, b}} {
		s := newScene(t, c.required...)
		s.with(`{"alertOn":["invalid"]}`, c.required...)
		s.hear(75, s.says("app", 1, 0), s.says("archive", 2, 1, "app"), s.says("billing", 3, 1, "app"), broken(s.says("app", 1, 65), span(0, 9), 100),
			saw(s.says("archive", 2, 70, "app"), 0, span(0, 99)), saw(s.says("billing", 3, 70, "app"), 0, span(0, 99)))
		s.wait(76)
		if i := s.schemaBroken(); i.Edge != c.teller || i.Events != 10 {
			t.Errorf("required %v: %s tells of %d", c.required, i.Edge, i.Events)
		}
	}
}

func TestEventsThatNobodyCheckedAreNotCountedAsValid(t *testing.T) {
	s := newScene(t, appSink)
	s.with(`{"objectives":{"validity":0.99}}`, appSink)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 99)), saw(s.says("sink", 2, 70, "app"), 0, span(0, 99)))
	s.wait(180)
	if got, there := s.budgets()[store.Validity]; there {
		t.Fatalf("nothing was checked, and it counts %v", got)
	}
	for _, c := range []struct{ checked, invalid, want uint64 }{{0, 0, 0}, {0, 3, 100}, {40, 3, 40}, {2, 3, 3}} {
		n := content{tallies: map[string]store.HopTally{"sink": {Checked: c.checked}}, invalid: map[string]uint64{"sink": c.invalid}, seen: map[string]uint64{"sink": 100}}
		if got := n.checked("sink"); got != c.want {
			t.Errorf("%d checked and %d invalid of 100 count as %d checked", c.checked, c.invalid, got)
		}
	}
}

// While a registry is away most events have no schema at hand. They hid what the others break: nobody knows whether they are valid.
func TestEventsWhoseSchemaIsNotAtHandAreNotCountedAsValid(t *testing.T) {
	s := newScene(t, appSink)
	s.with(`{"objectives":{"validity":0.8}}`, appSink)
	sink := broken(s.says("sink", 2, 70, "app"), span(0, 9), 20)
	sink.Windows[0].Schemas = append(sink.Windows[0].Schemas, wire.SchemaTally{ID: "orders", Outcome: "UNKNOWN_SCHEMA", Reason: "the registry is away", Count: 80})
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 99)), sink)
	s.wait(80)
	if v := s.verdict(0, "app", "sink"); v.Invalid != 10 || v.Checked != 20 {
		t.Fatalf("%+v", v.Counts)
	}
	if i := s.schemaBroken(); i.State() != store.IncidentOpen || i.Events != 10 {
		t.Fatalf("%+v", i)
	}
}

func TestTheEdgesTogetherTellOfEachInvalidEventOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		hops := rapid.IntRange(2, 6).Draw(r, "hops")
		g := graph{before: map[string][]string{}, cyclic: map[string]bool{}}
		p := &part{hops: map[string]*taken{}}
		var all *roaring.Bitmap
		for n := range hops {
			hop := fmt.Sprintf("h%d", n)
			g.addHop(hop)
			for to := range hops { // cycles too
				if to != n && rapid.IntRange(0, 3).Draw(r, "edge") == 0 {
					g.addEdge(hop, fmt.Sprintf("h%d", to))
				}
			}
			p.of(hop).kinds[wire.Invalid] = filled(roaring.BitmapOf(rapid.SliceOfN(rapid.Uint32Range(0, 9), 0, 5).Draw(r, "invalid")...))
		}
		g.sort()
		edges := g.edges()
		var required []store.Edge
		for _, e := range edges {
			if rapid.Bool().Draw(r, "required") {
				required = append(required, e)
			}
		}
		g.tell(required)
		for _, t := range g.tells {
			all = or(all, p.invalid(t.hop))
		}
		var sum uint64
		var told *roaring.Bitmap
		for _, e := range edges {
			sets, _ := p.compare(&g, e)
			counts := store.Counts{Invalid: card(sets[invalid]), InvalidBefore: card(sets[toldBefore]), InvalidAtSource: card(sets[atSource])}
			if counts.NewlyInvalid() != card(andNot(sets[invalid], sets[toldBefore]))+card(sets[atSource]) || counts.NewlyInvalid() != card(sets[newlyInvalid]) {
				r.Fatalf("%s: %+v, %d newly invalid", e, counts, card(sets[newlyInvalid]))
			}
			sum += counts.NewlyInvalid()
			told = or(told, sets[newlyInvalid])
		}
		if sum != card(all) || card(told) != card(all) {
			r.Fatalf("%d events are told of as %d, %d of them different; edges %v, required %v, tells %v", card(all), sum, card(told), edges, required, g.tells)
		}
	})
}
