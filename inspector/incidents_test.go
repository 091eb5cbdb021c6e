package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// calls is what a test's store knows of incidents.
type calls struct {
	incidents []store.Incident
	acks      []store.Ack
	acksErr   error
	told      []store.Told
	silences  map[wire.UID]store.Silence
}

func (c *calls) Incidents(_ context.Context, f store.IncidentFilter) ([]store.Incident, error) {
	var found []store.Incident
	for _, i := range c.incidents {
		byID := slices.Contains(f.IDs, i.ID)
		standing := len(f.IDs) == 0 && i.State() != store.IncidentMerged && (f.State == "" || f.State == i.State()) && (f.Stream == "" || f.Stream == i.Stream)
		after := i.First.After(f.AfterFirst) || i.First.Equal(f.AfterFirst) && slices.Compare(i.ID[:], f.AfterID[:]) > 0
		if (byID || standing) && after && (f.Limit == 0 || len(found) < f.Limit) {
			found = append(found, i)
		}
	}
	return found, nil
}

func (c *calls) AddAck(_ context.Context, a store.Ack) error { c.acks = append(c.acks, a); return nil }

func (c *calls) Acks(context.Context, []wire.UID) (map[wire.UID][]store.Ack, error) {
	found := map[wire.UID][]store.Ack{}
	for _, a := range c.acks {
		found[a.Incident] = append(found[a.Incident], a)
	}
	return found, c.acksErr
}

func (c *calls) ToldOf(context.Context, wire.UID) ([]store.Told, error) { return c.told, nil }

func (c *calls) Silences(_ context.Context, now time.Time) ([]store.Silence, error) {
	var found []store.Silence
	for _, v := range c.silences {
		if v.Ends.After(now) {
			found = append(found, v)
		}
	}
	return found, nil
}

func (c *calls) PutSilence(_ context.Context, v store.Silence, _ time.Time) error {
	if c.silences == nil {
		c.silences = map[wire.UID]store.Silence{}
	}
	c.silences[v.ID] = v
	return nil
}

func lossAt(n byte, minute int, bad uint32) store.Incident {
	start := testStart.Add(time.Duration(minute) * time.Minute)
	return store.Incident{
		ID: wire.UID{15: n}, Stream: "orders", Edge: appAgent, Cause: store.CauseLoss, First: start, Last: start, Seconds: 60, Windows: 1, Bad: bad, FirstBad: start,
		Lost: 3, Expected: 100, OpenedAt: start.Add(time.Minute), Since: start.Add(time.Minute), Text: "[LOSS] orders app..agent 05:09Z: 3 of 100 missing",
	}
}

func withIncidents(t *testing.T, change ...func(*Deps, *Config)) *fixture {
	f := newFixture(t, change...)
	f.store.incidents = []store.Incident{lossAt(1, 0, 1), lossAt(2, 1, 0), lossAt(3, 2, 1)}
	return f
}

func TestIncidentsAreListedInPagesByStateAndStream(t *testing.T) {
	f := withIncidents(t)
	first := read[api.Page[api.Incident]](f, "/api/v1/incidents?limit=2")
	if len(first.Items) != 2 || first.Next == "" || first.Items[0].Edge != "app..agent" || first.Items[0].State != "open" {
		t.Fatalf("%+v", first)
	}
	second := read[api.Page[api.Incident]](f, "/api/v1/incidents?limit=2&cursor="+first.Next)
	if len(second.Items) != 1 || second.Next != "" || second.Items[0].ID != f.store.incidents[2].ID.String() {
		t.Fatalf("%+v", second)
	}
	if open := read[api.Page[api.Incident]](f, "/api/v1/incidents?state=resolved&stream=orders"); len(open.Items) != 1 || open.Items[0].State != "resolved" {
		t.Fatalf("%+v", open)
	}
	if none := read[api.Page[api.Incident]](f, "/api/v1/incidents?stream=others"); len(none.Items) != 0 {
		t.Fatalf("%+v", none)
	}
	wantProblem(t, f.ask("GET", "/api/v1/incidents?state=closed", ""), 400, "open, resolved")
	wantProblem(t, f.ask("GET", "/api/v1/incidents?cursor=bm8", ""), 400, "not a cursor")
	wantProblem(t, f.ask("GET", "/api/v1/incidents?stream=a+b", ""), 400, "not a name")
}

func TestAnIncidentIsShownWithItsWindowsAndWhatHappened(t *testing.T) {
	f := withIncidents(t)
	id := f.store.incidents[0].ID
	f.store.told = []store.Told{
		{Receiver: "hook", Incident: id, State: "open", Outcome: "sent", Attempts: 2, At: testStart.Add(3 * time.Minute)},
		{Receiver: "am", Incident: id, State: "open", Outcome: "gave_up", Detail: "it answers 500", At: testStart.Add(4 * time.Minute)},
	}
	if w := f.ask("POST", "/api/v1/incidents/"+id.String()+"/ack", `{"note":"on it"}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := read[api.IncidentDetail](f, "/api/v1/incidents/"+id.String())
	if len(got.Verdicts) != 1 || got.Verdicts[0].Edge != "app..agent" || !got.Verdicts[0].Start.Equal(testStart) {
		t.Errorf("windows %+v", got.Verdicts)
	}
	var what []string
	for _, s := range got.Timeline {
		what = append(what, s.What+" "+s.Who)
	}
	if want := []string{"opened ", "notified hook", "gave_up am", "acked local"}; !slices.Equal(what, want) {
		t.Errorf("timeline %q, want %q", what, want)
	}
	if got.AckedBy != "local" || got.AckedAt == nil || !got.AckedAt.Equal(testNow) {
		t.Errorf("acked by %q at %v", got.AckedBy, got.AckedAt)
	}
	if len(f.store.acks) != 1 || f.store.acks[0].Note != "on it" {
		t.Errorf("kept: %+v", f.store.acks)
	}
	if len(got.Hints) != 1 || got.Hints[0].Short != "web-17 only" || got.Hints[0].Of != 3 {
		t.Errorf("hints %+v", got.Hints)
	}
	if !slices.Equal(got.Hours, []string{"2026-11-22T05"}) || !slices.Equal(got.Hops, []string{"sink"}) {
		t.Errorf("it touches the hours %q and the hops %q", got.Hours, got.Hops)
	}
	wantProblem(t, f.ask("GET", "/api/v1/incidents/"+wire.UID{15: 77}.String(), ""), 404, "no incident")
	wantProblem(t, f.ask("POST", "/api/v1/incidents/"+wire.UID{15: 77}.String()+"/ack", `{}`), 404, "no incident")
	wantProblem(t, f.ask("GET", "/api/v1/incidents/7", ""), 400, "path.id")
	wantProblem(t, f.ask("POST", "/api/v1/incidents/"+id.String()+"/ack", `{"who":"me"}`), 400, "unknown key")
}

func TestATimelineTellsWhatEscalatedWhatJoinedAndWhatWasMuted(t *testing.T) {
	f := withIncidents(t)
	id := f.store.incidents[0].ID
	f.store.told = []store.Told{
		{Receiver: "hook", Incident: id, State: "escalated", Outcome: "sent", Detail: "10 times as many events", At: testStart.Add(3 * time.Minute)},
		{Receiver: "am", Incident: id, State: "open", Outcome: "joined", Detail: wire.UID{15: 9}.String(), At: testStart.Add(4 * time.Minute)},
	}
	f.store.silences = map[wire.UID]store.Silence{
		{15: 1}: {ID: wire.UID{15: 1}, Stream: "orders", Starts: testStart, Ends: testStart.Add(time.Hour), Author: "ada", Reason: "planned work"},
		{15: 2}: {ID: wire.UID{15: 2}, Stream: "others", Starts: testStart, Ends: testStart.Add(time.Hour), Author: "bob", Reason: "planned work"},
	}
	var what []string
	for _, s := range read[api.IncidentDetail](f, "/api/v1/incidents/"+id.String()).Timeline {
		what = append(what, s.What+" "+s.Who+" "+s.Text)
	}
	want := []string{
		"opened  ", "muted ada until 2026-11-22T06:09:00Z: planned work", "escalated hook 10 times as many events",
		"joined am not called again: it goes on what was told of incident " + wire.UID{15: 9}.String(),
	}
	if !slices.Equal(what, want) {
		t.Errorf("timeline %q, want %q", what, want)
	}
}

func TestABacklogThatNobodyIsCalledOfYetSaysSo(t *testing.T) {
	f := withIncidents(t)
	f.store.incidents[0].Hold = 30 * time.Minute
	open := read[api.Page[api.Incident]](f, "/api/v1/incidents?state=open")
	if !open.Items[0].Quiet || open.Items[1].Quiet {
		t.Fatalf("%+v", open.Items)
	}
}

func TestASilenceMutesTheIncidentAndLeavesItOpen(t *testing.T) {
	f := withIncidents(t)
	w := f.ask("POST", "/api/v1/silences", `{"stream":"orders","edge":"app..agent","end":"2026-11-22T06:00:00Z","reason":"planned work"}`)
	var made api.Silence
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 200 || made.Author != "local" || !made.Start.Equal(testNow) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	open := read[api.Page[api.Incident]](f, "/api/v1/incidents?state=open")
	if len(open.Items) != 2 || !open.Items[0].Muted || open.Items[0].State != "open" {
		t.Fatalf("%+v", open)
	}
	if all := read[api.Page[api.Silence]](f, "/api/v1/silences"); len(all.Items) != 1 || all.Items[0].Reason != "planned work" {
		t.Fatalf("%+v", all)
	}
	if w := f.ask(http.MethodDelete, "/api/v1/silences/"+made.ID, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"endedBy":"local"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if all := read[api.Page[api.Silence]](f, "/api/v1/silences"); len(all.Items) != 0 {
		t.Fatalf("%+v", all)
	}
	if open := read[api.Page[api.Incident]](f, "/api/v1/incidents?state=open"); open.Items[0].Muted {
		t.Fatal("still muted")
	}
	wantProblem(t, f.ask(http.MethodDelete, "/api/v1/silences/"+made.ID, ""), 404, "no silence")
}

func TestASilenceNeedsAReasonAndAnEnd(t *testing.T) {
	f := withIncidents(t)
	for body, want := range map[string]string{
		`{"end":"2026-11-22T06:00:00Z"}`:                                             "body.reason",
		`{"reason":"x"}`:                                                             "body.end",
		`{"reason":"x","end":"2026-11-22T05:00:00Z"}`:                                "not after now",
		`{"reason":"x","end":"2028-11-22T05:00:00Z"}`:                                "366 days",
		`{"reason":"x","end":"2026-11-22T06:00:00Z","edge":"app"}`:                   "body.edge",
		`{"reason":"x","end":"2026-11-22T06:00:00Z","stream":"a b"}`:                 "body.stream",
		`{"reason":"x","end":"2026-11-22T06:00:00Z","start":"2026-11-22T07:00:00Z"}`: "'start'",
		`{"reason":"x","end":"2026-11-22T06:00:00Z","author":"eve"}`:                 "unknown key",
	} {
		wantProblem(t, f.ask("POST", "/api/v1/silences", body), 400, want)
	}
	if len(f.store.silences) > 0 {
		t.Error("a silence was kept")
	}
}

func TestALiveStreamTellsIncidentsAsTheStoreHasThemAndResumesAmongThem(t *testing.T) {
	changes := newFeed()
	f, url := serve(t, changes)
	f.store.incidents = []store.Incident{lossAt(1, 0, 1)}
	f.store.acks = []store.Ack{{Incident: wire.UID{15: 1}, At: testNow, Who: "mira"}}
	r := listen(t, url, "")
	last := r.want("snapshot").ID
	changes.publish(1)
	changes.tell(store.Changes{Incidents: f.store.incidents})
	r.want("verdicts")
	if e := r.want("incident"); !strings.Contains(string(e.Data), "[LOSS] orders") || !strings.Contains(string(e.Data), `"ackedBy":"mira"`) {
		t.Fatalf("%s", e.Data)
	}
	r.stop()
	again := listen(t, url, last)
	again.want("verdicts")
	if e := again.want("incident"); !strings.Contains(string(e.Data), "[LOSS] orders") {
		t.Fatalf("%s", e.Data)
	}
}

func TestARevokedCertificateIsShownWithWhatIsBadInItsHour(t *testing.T) {
	f := newFixture(t)
	hour := testStart.Truncate(time.Hour)
	f.store.incidents = []store.Incident{{
		ID: wire.UID{15: 9}, Stream: "orders", Cause: store.CauseRevoked, First: hour, Last: hour.Add(59 * time.Minute), Seconds: 60, Windows: 1, Bad: 1, FirstBad: hour, Version: 12,
		OpenedAt: testNow, Since: testNow, Text: "[REVOKED] orders hour 2026-11-22T05: certificate taken back by entry 12: 3 lost",
	}}
	got := read[api.IncidentDetail](f, "/api/v1/incidents/"+wire.UID{15: 9}.String())
	if got.Edge != "" || got.Cause != "revoked" || !slices.Equal(got.Hours, []string{"2026-11-22T05"}) || len(got.Hops) != 0 {
		t.Errorf("%+v", got)
	}
	if len(got.Verdicts) != 1 || got.Verdicts[0].Stream != "orders" { // what HourOfEdge says is not complete, of any edge
		t.Errorf("windows %+v", got.Verdicts)
	}
}

func TestLiveStreamsBeginAgainWhereAnIncidentCannotBeTold(t *testing.T) {
	changes := newFeed()
	f, url := serve(t, changes)
	r := listen(t, url, "")
	id := r.want("snapshot").ID
	f.store.acksErr = store.ErrAway
	changes.tell(store.Changes{Incidents: []store.Incident{lossAt(1, 0, 1)}})
	if e, ok := r.next(); ok {
		t.Fatalf("the stream went on with %s although an incident was not told", e.Type)
	}
	listen(t, url, id).want("snapshot")
}

func TestObjectivesAreToldWithTheirBudgetAndAnEventMissedIsNeverRoundedAway(t *testing.T) {
	f := newFixture(t)
	got := read[api.Page[api.Objective]](f, "/api/v1/streams/orders/objectives")
	if len(got.Items) != 1 || *got.Items[0].Share >= 1 || got.Items[0].ThresholdMillis != 30_000 || got.Items[0].Burn[0].SpanMillis != 3_600_000 || got.Items[0].Days != 28 {
		t.Fatalf("%+v", got)
	}
	wantProblem(t, f.ask("GET", "/api/v1/streams/nobody/objectives", ""), 404, "no stream")
}

func TestAShareOfNoEventsIsNoFigure(t *testing.T) {
	if got := goodShare(0, 0); got != nil {
		t.Errorf("of no events %v are good", *got)
	}
	for _, c := range []struct {
		total, bad uint64
		want       float64
	}{{1, 0, 1}, {4, 1, 0.75}, {4, 4, 0}, {4, 5, 0}, {1 << 62, 1, math.Nextafter(1, 0)}} {
		if got := goodShare(c.total, c.bad); got == nil || *got != c.want {
			t.Errorf("%d of %d are bad: %v", c.bad, c.total, got)
		}
	}
}

// The whole incident was answered 504 where the search for what its events have in common took long.
func TestAnIncidentIsToldWithoutItsHintsWhereTheseAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withIncidents(t)
		f.auditor.slowHints = true
		began := time.Now()
		w := f.ask("GET", "/api/v1/incidents/"+f.store.incidents[0].ID.String(), "")
		var got api.IncidentDetail
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Timeline) == 0 || len(got.Hops) == 0 {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		if strings.Contains(w.Body.String(), `"hints":`) || got.HintsReason != "evidence is slow" {
			t.Errorf("%s", w.Body)
		}
		if took := time.Since(began); took != hintsLimit {
			t.Errorf("answered after %s", took)
		}
	})
}

// A store that is away is no slow evidence: nothing else of the answer could be trusted either.
func TestAnIncidentIsNotToldWhereTheStoreFails(t *testing.T) {
	f := withIncidents(t)
	f.auditor.err = errors.New("the store is away")
	if w := f.ask("GET", "/api/v1/incidents/"+f.store.incidents[0].ID.String(), ""); w.Code < 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
