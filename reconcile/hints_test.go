package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// hosts reports minute 0 of an app on n hosts, each with a source of ten events, and a sink that saw all but those of one host.
func (s *scene) hosts(n int, lost byte) {
	sink := s.says("sink", 2, 199, "app")
	w := wire.Window{Start: five, Seconds: 60}
	reports := []*wire.Report{s.says("sink", 2, 1, "app")}
	for i := range n {
		b := byte(10 + i)
		src := wire.Source{ID: id(100 + byte(i))}
		src.Rolls[wire.Seen] = span(0, 9)
		hello, r := s.says("app", b, 0), s.says("app", b, 190)
		hello.Host = fmt.Sprintf("web-%d", b)
		r.Host = hello.Host
		r.Windows = []wire.Window{{Start: five, Seconds: 60, Sources: []wire.Source{src}}}
		reports = append(reports, hello, r)
		if b == lost {
			continue
		}
		w.Sources = append(w.Sources, src)
	}
	sink.Windows = []wire.Window{w}
	s.hear(200, append(reports, sink)...)
}

func TestTheHostThatAllLostEventsComeFromIsNamedWithTheNumbers(t *testing.T) {
	s := newScene(t)
	s.hosts(25, 17)
	i := s.one()
	hints, err := NewReader(s.store).Hints(t.Context(), &i, s.now)
	if err != nil || len(hints) < 2 {
		t.Fatalf("%+v, %v", hints, err)
	}
	byKind := map[string]store.Hint{}
	for _, h := range hints {
		byKind[h.Kind] = h
	}
	host := byKind["host"]
	if host.Short != "web-17 only" || host.Evidence != "10 of 10 lost events have their source on web-17, which made 4 % of the windows' events" {
		t.Errorf("%+v", host)
	}
	if e := byKind["emitter"]; e.Short != "app on web-17 only" || e.Events != 10 || e.Of != 10 {
		t.Errorf("%+v", e)
	}
}

func TestWhatAllEventsHaveInCommonIsNoHint(t *testing.T) {
	s := newScene(t)
	s.lose()
	i := s.one()
	if hints, err := NewReader(s.store).Hints(t.Context(), &i, s.now); err != nil || len(hints) > 0 {
		t.Fatalf("%+v, %v", hints, err)
	}
}

func TestALossOfEverythingSinceAnInstantIsNamed(t *testing.T) {
	verdicts := []store.Verdict{revision(0, appSink, 1, store.Incomplete, 100), revision(1, appSink, 1, store.Incomplete, 160), revision(2, appSink, 1, store.Incomplete, 220)}
	verdicts[1].Lost, verdicts[2].Lost = 10, 10
	hints := rank(sinceHints(&store.Incident{Cause: store.CauseLoss}, verdicts))
	if len(hints) != 1 || hints[0].Short != "everything since 05:01Z" || hints[0].Events != 20 || hints[0].Of != 23 {
		t.Fatalf("%+v", hints)
	}
	verdicts[2].Lost = 9
	if hints := sinceHints(&store.Incident{Cause: store.CauseLoss}, verdicts); len(hints) > 0 {
		t.Fatalf("one came through at last: %+v", hints)
	}
}

func TestTheVersionThatBreaksIsNamed(t *testing.T) {
	hints := rank(schemaHints(map[store.SchemaOutcome]uint64{
		{ID: "orders", Version: "6", Outcome: "OK"}: 900, {ID: "orders", Version: "7", Outcome: "OK"}: 88,
		{ID: "orders", Version: "7", Outcome: "INVALID", Reason: "/amount"}: 12,
	}))
	if len(hints) != 1 || hints[0].Short != "orders version 7 only" || hints[0].Evidence != "12 of 12 invalid events are of orders version 7, which 10 % of the events checked are of" {
		t.Fatalf("%+v", hints)
	}
}

func TestEventsWhoseSchemaIsNotAtHandAreNoEvidenceAgainstAVersion(t *testing.T) {
	hints := rank(schemaHints(map[store.SchemaOutcome]uint64{
		{ID: "orders", Version: "6", Outcome: "OK"}: 90, {ID: "orders", Version: "7", Outcome: "INVALID"}: 10, {ID: "orders", Outcome: "UNKNOWN_SCHEMA"}: 900,
	}))
	if len(hints) != 1 || hints[0].Evidence != "10 of 10 invalid events are of orders version 7, which 10 % of the events checked are of" {
		t.Errorf("%+v", hints)
	}
}

func TestWhoHoldsABacklogIsNamed(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	for second := 90; second < 400; second += 10 {
		app, sink := s.says("app", 1, second), s.says("sink", 2, second, "app")
		app.Spool.Events = 40_000
		sink.Lanes[""] = five
		s.hear(second, app, sink)
	}
	i := s.one()
	if i.Cause != store.CauseDelayed {
		t.Fatalf("%+v", i)
	}
	hints, err := NewReader(s.store).Hints(t.Context(), &i, s.now.Add(time.Second))
	if err != nil || len(hints) == 0 || hints[0].Short != "app on host-app holds them" || hints[0].Events != 40_000 {
		t.Fatalf("%+v, %v", hints, err)
	}
}
