package reconcile

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// incidents returns what stands, as words.
func (s *scene) incidents() []string {
	s.t.Helper()
	found, err := s.store.Incidents(s.t.Context(), store.IncidentFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	return words(found)
}

func (s *scene) wantIncidents(want ...string) {
	s.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := gocmp.Diff(want, s.incidents()); diff != "" {
		s.t.Fatal(diff)
	}
}

// lose reports ten events of minute 0 and of minute 1, of which the sink saw nine.
func (s *scene) lose() {
	s.hear(200, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(saw(s.says("app", 1, 190), 0, span(0, 9)), 1, span(10, 19)),
		saw(saw(s.says("sink", 2, 199, "app"), 0, span(0, 8)), 1, span(10, 18)))
}

func TestALossOpensAnIncidentThatIsExtendedAndResolvesWhenItIsFilled(t *testing.T) {
	s := newScene(t)
	s.lose()
	s.wantIncidents("loss 00..01 app..sink open")
	s.hear(260, saw(s.says("app", 1, 250), 2, span(20, 29)), saw(s.says("sink", 2, 259, "app"), 2, span(20, 28)))
	s.wantIncidents("loss 00..02 app..sink open")
	s.hear(270, saw(saw(saw(s.says("sink", 2, 269, "app"), 0, span(9, 9)), 1, span(19, 19)), 2, span(29, 29)))
	s.wantIncidents("loss 00..02 app..sink resolved")
}

func TestAWindowThatSettlesByItselfOpensNoIncident(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.wait(170)
	if v := s.verdict(0, "app", "sink"); v.State != store.Settling || v.Pending != 10 {
		t.Fatalf("the window is %s with %d pending", v.State, v.Pending)
	}
	s.hear(175, saw(s.says("sink", 2, 174, "app"), 0, span(0, 9)))
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	s.wantIncidents()
}

func TestASilentHopOpensAnIncidentThatSaysWhichAndResolvesWhenItSpeaks(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)))
	s.wait(400)
	found, err := s.store.Incidents(t.Context(), store.IncidentFilter{State: store.IncidentOpen})
	if err != nil || len(found) != 1 || found[0].Cause != store.CauseUnknown || !strings.Contains(found[0].Text, "host-sink") {
		t.Fatalf("%+v, %v", found, err)
	}
	s.hear(420, s.says("app", 1, 419), saw(s.says("sink", 2, 419, "app"), 0, span(0, 9)))
	s.wait(500)
	if v := s.verdict(0, "app", "sink"); v.State != store.Complete {
		t.Fatalf("the window is %s", v.State)
	}
	for _, line := range s.incidents() {
		if line == "unknown 00..00 app..sink open" {
			t.Fatalf("still open: %v", s.incidents())
		}
	}
}

// dying is a store that goes away between the verdicts of a pass and its incidents.
type dying struct{ *store.Store }

var errDied = errors.New("the process died")

func (dying) AddIncidents(context.Context, []store.Incident) error { return errDied }

func TestAPassThatDiesBetweenVerdictsAndIncidentsLosesNone(t *testing.T) {
	s := newScene(t)
	s.put(s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 190), 0, span(0, 9)), saw(s.says("sink", 2, 199, "app"), 0, span(0, 8)))
	s.now = five.Add(200 * time.Second)
	if _, err := Pass(t.Context(), dying{s.store}, s.now); !errors.Is(err, errDied) {
		t.Fatalf("the pass ended with %v", err)
	}
	if v := s.verdict(0, "app", "sink"); v.State != store.Incomplete {
		t.Fatalf("the verdict of the pass that died is %s", v.State)
	}
	s.wantIncidents()
	said, err := Pass(t.Context(), s.store, s.now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range said {
		if v.Start.Equal(five) {
			t.Fatalf("the second pass says the verdict again: %+v", v)
		}
	}
	s.wantIncidents("loss 00..00 app..sink open")
}

// tee writes down the incidents that are stored.
type tee struct {
	*store.Store
	wrote *[]store.Incident
}

func (t tee) AddIncidents(ctx context.Context, incidents []store.Incident) error {
	*t.wrote = append(*t.wrote, incidents...)
	return t.Store.AddIncidents(ctx, incidents)
}

func TestTwoReconcilersAtOnceWriteTheSameIncidents(t *testing.T) {
	s := newScene(t)
	s.put(s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 190), 0, span(0, 9)), saw(s.says("sink", 2, 199, "app"), 0, span(0, 8)))
	var wrote [2][]store.Incident
	var both sync.WaitGroup
	for n := range wrote {
		both.Go(func() {
			if _, err := Pass(t.Context(), tee{s.store, &wrote[n]}, five.Add(200*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	s.wantIncidents("loss 00..00 app..sink open")
	if len(wrote[0]) > 0 && len(wrote[1]) > 0 {
		if diff := gocmp.Diff(wrote[0], wrote[1]); diff != "" {
			t.Error(diff)
		}
	}
	if len(wrote[0])+len(wrote[1]) == 0 {
		t.Error("neither wrote it")
	}
}

func TestAnIncidentWhoseEarlierWindowTurnsBadLaterIsOneIncident(t *testing.T) {
	s := newScene(t)
	ctx := t.Context()
	later := revision(1, appSink, 1, store.Incomplete, 100)
	first := revision(0, appSink, 1, store.Incomplete, 200)
	var old store.Incident
	for n, v := range []store.Verdict{later, first} {
		if err := s.store.AddVerdicts(ctx, []store.Verdict{v}); err != nil {
			t.Fatal(err)
		}
		p := newPass(s.store, five.Add(time.Hour))
		w := &work{stream: s.stream, settings: store.DefaultSettings(s.stream), windows: map[time.Time]bool{v.Start: true}}
		standing := map[store.WindowKey][]store.Verdict{{Stream: s.stream, Start: v.Start}: {v}}
		if err := p.callOut(ctx, []*work{w}, standing); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			old = p.incidents[0]
		}
	}
	s.wantIncidents("loss 00..01 app..sink open")
	found, err := s.store.Incidents(ctx, store.IncidentFilter{IDs: append(idsOf(old), idsOf(s.one())...)})
	if err != nil || len(found) != 2 || found[1].ID != old.ID || found[1].State() != store.IncidentMerged || found[1].Into != found[0].ID {
		t.Fatalf("by their ids: %+v, %v", found, err)
	}
}

func TestARunLongerThanWhatIsReadAtFirstIsOneIncident(t *testing.T) {
	s := newScene(t)
	var verdicts []store.Verdict
	for minute := range 300 {
		verdicts = append(verdicts, revision(minute, appSink, 1, store.Unknown, 60*minute+300))
	}
	if err := s.store.AddVerdicts(t.Context(), verdicts); err != nil {
		t.Fatal(err)
	}
	p := newPass(s.store, five.Add(24*time.Hour))
	found, err := p.runsOf(t.Context(), map[string]store.Settings{s.stream: store.DefaultSettings(s.stream)}, map[string][]store.Verdict{s.stream: verdicts[299:]})
	if err != nil || len(found) != 1 || found[0].Windows != 300 || !found[0].First.Equal(five) {
		t.Fatalf("%+v, %v", found, err)
	}
}

func TestAStreamThatStoppedIsAnIncidentWhereTrafficIsExpected(t *testing.T) {
	s := newScene(t)
	settings := store.DefaultSettings(s.stream)
	settings.ExpectTraffic = true
	if err := s.store.PutSettings(t.Context(), settings, five); err != nil {
		t.Fatal(err)
	}
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(3500, s.says("app", 1, 3499), s.says("sink", 2, 3499, "app"))
	s.wait(3505)
	s.wantIncidents()
	s.hear(3800, s.says("app", 1, 3799), s.says("sink", 2, 3799, "app"))
	s.wait(3805)
	s.wantIncidents("stopped 01..01 .. open")
	s.hear(3900, saw(s.says("app", 1, 3899), 63, span(10, 19)), saw(s.says("sink", 2, 3899, "app"), 63, span(10, 19)))
	s.wait(4005)
	s.hear(4100, s.says("app", 1, 4099), s.says("sink", 2, 4099, "app"))
	s.wait(4105)
	s.wantIncidents("stopped 01..01 .. resolved")
}

func idsOf(incidents ...store.Incident) []wire.UID {
	var ids []wire.UID
	for _, i := range incidents {
		ids = append(ids, i.ID)
	}
	return ids
}

// one is the only incident that stands.
func (s *scene) one() store.Incident {
	s.t.Helper()
	found, err := s.store.Incidents(s.t.Context(), store.IncidentFilter{})
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%d incidents, %v", len(found), err)
	}
	return found[0]
}
