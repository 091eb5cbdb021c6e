package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// daysAgo is the start of a window so many days before now.
func daysAgo(n int) time.Time {
	return time.Now().UTC().Truncate(time.Minute).Add(-time.Duration(n) * 24 * time.Hour)
}

// count is how many rows a condition holds of, without merging any that are not.
func count(t *testing.T, s *Store, table, where string) (n uint64) {
	t.Helper()
	err := s.query(t.Context(), "count", "SELECT count() FROM "+table+" WHERE "+where, params{}, func(r driver.Rows) error { return r.Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// expired sets the terms and has all tables merged, so that what may go is gone.
func expired(t *testing.T, s *Store, r Retention) {
	t.Helper()
	if _, err := s.Expire(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, e := range r.WithDefaults().expiries() {
		if err := s.exec(t.Context(), "merge", "OPTIMIZE TABLE "+e.table+" FINAL"); err != nil {
			t.Fatal(err)
		}
	}
}

// old is a report of so many days ago, received then.
func old(days int, emitter byte, number uint64, state wire.State) Received {
	r := report("orders", number, roaring.BitmapOf(0, 1))
	at := daysAgo(days)
	r.Emitter, r.State, r.SentAt, r.At = wire.UID{emitter}, state, at.Add(time.Minute), at.Add(time.Minute)
	r.Lanes, r.After = map[string]time.Time{"orders/0": at}, []string{"edge"}
	r.Windows[0].Start = at
	r.Windows[0].Unplaced.NoUID = 1
	r.Windows[0].Foreign = []wire.Foreign{{UID: "a"}}
	return r
}

func TestWhatHasExpiredGoesAndWhatWouldForgeCompleteStays(t *testing.T) {
	s := migrated(t)
	reports := []Received{old(2000, 1, 1, wire.Running), old(33, 2, 1, wire.Running), old(31, 3, 1, wire.Running)}
	if err := s.Insert(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	ended := old(33, 4, 1, wire.Running)
	ended.Windows, ended.Ended = nil, []wire.Ended{{Emitter: wire.UID{5}, Windows: map[time.Time][2]uint32{}}}
	if err := s.Insert(t.Context(), []Received{ended}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddVerdicts(t.Context(), []Verdict{
		verdictOf(2000, 1, Complete), verdictOf(2001, 1, Unknown), verdictOf(2002, 1, Incomplete), verdictOf(2003, 1, Unknown), verdictOf(2003, 2, Complete),
		verdictOf(1000, 1, Complete),
	}); err != nil {
		t.Fatal(err)
	}
	expired(t, s, Retention{})
	got := map[string]uint64{}
	for _, table := range []string{"rolls", "announced", "lanes", "window_rolls", "uid_counts", "tallies", "emitters", "sources", "verdicts"} {
		got[table] = count(t, s, table, "1")
	}
	want := map[string]uint64{
		"rolls": 1, "announced": 1, "lanes": 2, // of 31 days ago; that a dead emitter was ended
		"window_rolls": 2, "uid_counts": 2, "tallies": 2, // of 33 and of 31 days ago
		"emitters": 5, "sources": 1,
		"verdicts": 5, // without the one that always was complete, 2000 days ago
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("rows that are left (-want +got):\n%s", diff)
	}
	latest, err := s.VerdictsIn(t.Context(), "orders", daysAgo(2003), daysAgo(2002))
	if err != nil || len(latest) != 1 || latest[0].State != Complete {
		t.Fatalf("the window that was unknown once and then complete is said to be %+v, %v", latest, err)
	}
}

func verdictOf(days int, revision uint32, state State) Verdict {
	return Verdict{
		Stream: "orders", Start: daysAgo(days), Seconds: 60, Edge: Edge{"app", "sink"}, State: state, Revision: revision, Cause: "first", DecidedAt: daysAgo(days),
	}
}

func TestAHopAndItsEdgesAreKnownWhenAllItsReportsAndEmittersAreGone(t *testing.T) {
	s := migrated(t)
	if err := s.Insert(t.Context(), []Received{old(400, 1, 1, wire.Closed)}); err != nil {
		t.Fatal(err)
	}
	before, err := s.Hops(t.Context(), []string{"orders"})
	if err != nil {
		t.Fatal(err)
	}
	expired(t, s, Retention{})
	if gone, err := s.Forget(t.Context(), Retention{}, time.Now()); err != nil || gone["emitters"] != 1 {
		t.Fatalf("forgot %v, %v; the emitter was to go", gone, err)
	}
	if n := count(t, s, "lanes", "1") + count(t, s, "emitters", "1"); n != 0 {
		t.Fatalf("%d rows of lanes and emitters are left", n)
	}
	after, err := s.Hops(t.Context(), []string{"orders"})
	if err != nil || len(after["orders"]) != 1 || len(after["orders"][0].AfterFirst) != 1 || len(after["orders"][0].LaneFirst) != 1 {
		t.Fatalf("hops %+v, %v", after, err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("hops (-before +after):\n%s", diff)
	}
	progress, err := s.ProgressOf(t.Context(), []string{"orders"})
	if err != nil || !progress["orders"].Earliest.Equal(daysAgo(400)) {
		t.Fatalf("the stream begins at %v, %v", progress["orders"].Earliest, err)
	}
}

func TestAnEmitterIsForgottenOnlyWhenItIsClosedWithAllItsReports(t *testing.T) {
	s := migrated(t)
	ended := old(34, 9, 1, wire.Closed)
	ended.Windows, ended.Ended = nil, []wire.Ended{{Emitter: wire.UID{6}, Windows: map[time.Time][2]uint32{}}}
	for _, reports := range [][]Received{ // each in a part of its own
		{old(400, 1, 1, wire.Running), old(35, 6, 1, wire.Running)}, // dark for a year; dead
		{old(40, 2, 1, wire.Running)}, {old(39, 2, 2, wire.Closed)},
		{old(40, 3, 1, wire.Running)}, {old(39, 3, 3, wire.Closed)}, // the second is missing
		{old(40, 4, 1, wire.Running)}, {old(31, 4, 2, wire.Closed)}, // a moment ago
		{ended},
	} {
		if err := s.Insert(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	for round, want := range []int{3, 0} { // 2, 6 and the one that ended it
		gone, err := s.Forget(t.Context(), Retention{}, time.Now())
		if err != nil || gone["emitters"] != want {
			t.Fatalf("round %d: forgot %v, %v; want %d emitters", round, gone, err, want)
		}
	}
	left, err := s.Emitters(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, e := range left {
		ids = append(ids, int(e.ID[0]))
	}
	slices.Sort(ids)
	if diff := cmp.Diff([]int{1, 3, 4}, ids); diff != "" {
		t.Fatalf("emitters (-want +got):\n%s", diff)
	}
}

func TestAnIncidentIsForgottenOnlyLongAfterItWasResolvedAndWhatWasToldOfItWithIt(t *testing.T) {
	s := migrated(t)
	edge := Edge{"app", "sink"}
	incident := func(n byte, first, last int, bad uint32, version uint64) Incident {
		return Incident{
			ID: wire.UID{n}, Stream: "orders", Edge: edge, Cause: CauseLoss, First: daysAgo(first), Last: daysAgo(last), Seconds: 60, Bad: bad,
			FirstBad: daysAgo(first), OpenedAt: daysAgo(first), Since: daysAgo(last), Version: version,
		}
	}
	for _, i := range []Incident{
		incident(1, 900, 900, 1, 1),                              // open for years
		incident(2, 800, 798, 1, 1), incident(2, 800, 798, 0, 2), // resolved, and then long nothing
		incident(3, 799, 799, 1, 1), // became part of 2
		incident(4, 100, 100, 0, 1), // resolved of late
	} {
		if err := s.AddIncidents(t.Context(), []Incident{i}); err != nil { // each in a part of its own
			t.Fatal(err)
		}
		if err := s.AddAck(t.Context(), Ack{Incident: i.ID, At: i.OpenedAt, Who: "anna"}); err != nil {
			t.Fatal(err)
		}
		if err := s.AddTold(t.Context(), Told{Receiver: "oncall", Incident: i.ID, State: IncidentOpen, Since: i.Since, At: i.Since}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Forget(t.Context(), Retention{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	all, err := s.Incidents(t.Context(), IncidentFilter{IDs: []wire.UID{{1}, {2}, {3}, {4}}})
	if err != nil || len(all) != 2 || all[0].ID != (wire.UID{1}) || all[0].State() != IncidentOpen || all[1].ID != (wire.UID{4}) {
		t.Fatalf("incidents %+v, %v; want the open one and the one of late", all, err)
	}
	for _, table := range []string{"incident_acks", "notifications"} {
		if n := count(t, s, table, "1"); n != 2 {
			t.Errorf("%d rows of %s are left, want those of the two incidents", n, table)
		}
	}
}

func TestASilenceThatWasEndedEarlyDoesNotComeBackWhenItIsForgotten(t *testing.T) {
	s := migrated(t)
	for n, silence := range []Silence{
		{ID: wire.UID{1}, Starts: daysAgo(500), Ends: daysAgo(-500), MadeAt: daysAgo(500)},
		{ID: wire.UID{1}, Starts: daysAgo(500), Ends: daysAgo(450), MadeAt: daysAgo(500), EndedBy: "anna"},
		{ID: wire.UID{2}, Starts: daysAgo(500), Ends: daysAgo(-1), MadeAt: daysAgo(500)},
	} {
		if err := s.PutSilence(t.Context(), silence, silence.MadeAt.Add(time.Duration(n)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Forget(t.Context(), Retention{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if one, two := count(t, s, "silences", "id = toUUID('01000000-0000-0000-0000-000000000000')"), count(t, s, "silences", "1"); one != 0 || two != 1 {
		t.Fatalf("%d rows of the silence that ended are left, %d in all", one, two)
	}
}

func TestTermsAreSetOnlyWhereTheyChange(t *testing.T) {
	s := migrated(t)
	every := []string{"announced", "lanes", "quarantine", "rolls", "tallies", "uid_counts", "verdicts", "window_rolls"}
	for _, c := range []struct {
		terms Retention
		want  []string
	}{
		{Retention{}, every}, {Retention{}, nil},
		{Retention{WindowsDays: 400}, []string{"verdicts", "window_rolls"}}, {Retention{WindowsDays: 400}.WithDefaults(), nil},
		{Retention{QuarantineDays: 7}, []string{"quarantine", "verdicts", "window_rolls"}},
	} {
		got, err := s.Expire(t.Context(), c.terms)
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Fatalf("%+v: %v, tables (-want +got):\n%s", c.terms, err, diff)
		}
	}
}

func TestTermsThatWouldForgeAreRefusedByName(t *testing.T) {
	for says, r := range map[string]Retention{
		"retention.evidenceDays: 31 is too short, give at least 32":     {EvidenceDays: 31},
		"retention.evidenceDays: -1 is too short, give at least 32":     {EvidenceDays: -1},
		"retention.windowsDays: 59 is too short, give at least 60":      {EvidenceDays: 60, WindowsDays: 59},
		"retention.talliesDays: 31 is too short, give at least 32":      {TalliesDays: 31},
		"retention.foreignDays: 5 is too short, give at least 32":       {ForeignDays: 5},
		"retention.notificationsDays: 1 is too short, give at least 32": {NotificationsDays: 1},
		"retention.incidentsDays: 1 is too short, give at least 32":     {IncidentsDays: 1},
		"retention.quarantineDays: 3651 is too long, give at most 3650": {QuarantineDays: 3651},
		"retention.silencesDays: -5 is too short, give at least 1":      {SilencesDays: -5},
		"retention.windowsDays: 20000 is too long, give at most 3650":   {WindowsDays: 20000},
	} {
		if err := r.Check(); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", r, err, says)
		}
	}
	for _, r := range []Retention{{}, {EvidenceDays: 3650}, {WindowsDays: 32, ForeignDays: 32, TalliesDays: 32}} {
		if err := r.Check(); err != nil {
			t.Errorf("%+v is refused: %v", r, err)
		}
		if err := r.WithDefaults().Check(); err != nil {
			t.Errorf("%+v with its defaults is refused: %v", r, err)
		}
	}
}
