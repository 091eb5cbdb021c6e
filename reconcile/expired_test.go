package reconcile

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

// agingStore is a store, and what takes from it all that expires with the evidence: what ClickHouse's clock would have to be set forward for. More
// may be gone than at any instant is, as all of it is old.
func agingStore(t *testing.T) (s *store.Store, age func(now time.Time)) {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/"+database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return s, func(now time.Time) {
		t.Helper()
		for _, statement := range []string{
			"TRUNCATE TABLE rolls", "TRUNCATE TABLE announced", "TRUNCATE TABLE tallies",
			"ALTER TABLE lanes DELETE WHERE ended = 0 SETTINGS mutations_sync = 1",
		} {
			if _, err := db.ExecContext(context.Background(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		if _, err := s.Forget(t.Context(), store.Retention{}, now); err != nil {
			t.Fatal(err)
		}
	}
}

func agingScene(t *testing.T) (*scene, func(now time.Time)) {
	t.Helper()
	s, age := agingStore(t)
	return &scene{t: t, store: s, stream: "orders", now: five, number: map[wire.UID]uint64{}}, age
}

// stands is what a reader is told of every window and edge of a stream.
func stands(t *testing.T, s *store.Store, stream string, now time.Time) map[string]store.Verdict {
	t.Helper()
	all, err := NewReader(s).Windows(t.Context(), stream, five.Add(-24*time.Hour), five.Add(48*time.Hour), now, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]store.Verdict{}
	for _, v := range all {
		found[v.Start.Format(time.RFC3339)+" "+v.Edge.String()] = v
	}
	return found
}

const longAfter = (32*24 + 1) * 3600 // seconds

func TestAnUnknownWindowStaysUnknownWhenAllItsEvidenceIsGone(t *testing.T) {
	s, age := agingScene(t)
	s.hear(30, saw(s.says("app", 1, 30), 0, span(0, 9)), saw(s.says("sink", 2, 30, "app"), 0, span(0, 9)))
	s.hear(85, s.says("app", 1, 80), s.says("sink", 2, 85, "app"))
	s.hear(90, saw(s.says("app", 1, 90), 1, span(10, 19)))
	s.wait(1000) // the sink went dark
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	s.want(s.verdict(1, "app", "sink"), store.Unknown, 0, 10)
	age(five.Add(longAfter * time.Second))
	late := s.says("sink", 2, longAfter+10, "app") // all is well again, and everything is looked at anew
	closed := s.says("app", 1, longAfter+10)
	closed.State = wire.Closed
	settings := store.DefaultSettings(s.stream)
	settings.Owner = "growth"
	if err := s.store.PutSettings(t.Context(), settings, s.now); err != nil {
		t.Fatal(err)
	}
	s.hear(longAfter+20, late, closed)
	s.wait(longAfter + 100)
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	s.want(s.verdict(1, "app", "sink"), store.Unknown, 0, 10)
	wantNumbers(t, "pending", s.names(1, "app", "sink", "pending"), 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
	mark, blocked, _, err := NewReader(s.store).Watermark(t.Context(), s.stream, "", s.now)
	if err != nil || blocked == nil || !mark.Equal(five.Add(time.Minute)) {
		t.Fatalf("the watermark is at %v, %v, blocked by %+v", mark, err, blocked)
	}
}

func TestTheNamesOfALossAreKeptWhenItsEvidenceIsGone(t *testing.T) {
	s, age := agingScene(t)
	s.hear(30, saw(s.says("app", 1, 30), 0, span(0, 9)), saw(s.says("sink", 2, 30, "app"), 0, span(0, 6)))
	s.hear(100, s.says("app", 1, 100), s.says("sink", 2, 100, "app"))
	s.hear(200, s.says("app", 1, 200), s.says("sink", 2, 200, "app"))
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 3, 0)
	age(five.Add(longAfter * time.Second))
	s.wait(longAfter)
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 3, 0)
	wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 7, 8, 9)
	wantNumbers(t, "pending", s.names(0, "app", "sink", "pending"))
}

func TestAnEmitterThatIsDarkForAYearStillHoldsItsLane(t *testing.T) {
	s, age := agingScene(t)
	s.hear(30, saw(s.says("app", 1, 30), 0, span(0, 9)), saw(s.says("sink", 2, 30, "app"), 0, span(0, 9)), s.says("app", 3, 30))
	s.hear(100, s.says("app", 1, 100), s.says("sink", 2, 100, "app")) // 3 went dark
	const year = 365 * 24 * 3600
	age(five.Add(year * time.Second))
	minute := year / 60
	s.hear(year+30, saw(s.says("app", 1, year+30), minute, span(10, 19)), saw(s.says("sink", 2, year+30, "app"), minute, span(10, 19)))
	s.hear(year+600, s.says("app", 1, year+600), s.says("sink", 2, year+600, "app"))
	s.wait(year + 1000)
	v := s.verdict(minute, "app", "sink")
	s.want(v, store.Unknown, 0, 0)
	if !slices.ContainsFunc(v.Reasons, func(r store.Reason) bool { return r.Code == "emitter-dark" && r.Emitter == id(3).String() }) {
		t.Fatalf("reasons %+v, want the emitter that is dark", v.Reasons)
	}
}

func TestAWindowThatNobodyJudgedInTimeIsUnknownAndNotEmpty(t *testing.T) {
	s, age := agingScene(t)
	var received []store.Received
	for _, r := range []*wire.Report{
		saw(s.says("app", 1, 30), 0, span(0, 9)), saw(s.says("sink", 2, 30, "app"), 0, span(0, 6)), s.says("app", 1, 200), s.says("sink", 2, 200, "app"),
	} {
		s.number[r.Emitter]++
		r.Number = s.number[r.Emitter]
		received = append(received, store.Received{Report: *r, At: r.SentAt})
	}
	if err := s.store.Insert(t.Context(), received); err != nil { // and nobody makes a pass
		t.Fatal(err)
	}
	s.now = five.Add(longAfter * time.Second)
	age(s.now)
	s.want(s.verdict(0, "app", "sink"), store.Unknown, 0, 0)
	s.wait(longAfter)
	for minute := range 3 {
		v := s.verdict(minute, "app", "sink")
		s.want(v, store.Unknown, 0, 0)
		if len(v.Reasons) != 1 || v.Reasons[0].Code != "evidence-expired" {
			t.Fatalf("reasons of minute %d: %+v", minute, v.Reasons)
		}
	}
}

// Whatever is looked at anew, and whatever is closed by hand, once its evidence is gone: no window turns complete, none that was is another, and none vanishes.
func TestNoWindowTurnsCompleteBecauseItsEvidenceIsGone(t *testing.T) {
	s, age := agingStore(t)
	st := &stage{t: t, store: s, clock: map[string]time.Time{}}
	for i := range 12 {
		if p := newPlay("aged", i, model.Histories().Example(4200+i)); len(p.history.Steps) > 0 {
			p.now = p.history.Steps[len(p.history.Steps)-1].Now
			st.plays = append(st.plays, p)
		}
	}
	finish(t, s, st.plays)
	before := map[string]map[string]store.Verdict{}
	var end time.Time
	for _, p := range st.plays {
		before[p.stream] = stands(t, s, p.stream, p.now)
		p.now = p.now.Add(longAfter * time.Second)
		st.clock[p.stream] = p.now
		end = later(end, p.now)
	}
	age(end)
	for _, p := range st.plays {
		closeAll(t, st, p)
	}
	for range 2 { // a pass examines a day's worth of windows
		if _, err := st.pass(s, farOff); err != nil {
			t.Fatal(err)
		}
	}
	states := map[store.State]int{}
	for _, p := range st.plays {
		after := stands(t, s, p.stream, p.now)
		for window, was := range before[p.stream] {
			is, there := after[window]
			states[was.State]++
			wants := was.State
			if wants == store.Open || wants == store.Settling {
				wants = store.Unknown
			}
			if !there || is.State != wants || was.State == wants && is.Counts != was.Counts {
				t.Errorf("%s, %s: %s with %+v became %s with %+v (there: %v)", p.stream, window, was.State, was.Counts, is.State, is.Counts, there)
			}
		}
	}
	if states[store.Complete] == 0 || states[store.Unknown]+states[store.Settling] == 0 || states[store.Incomplete] == 0 {
		t.Fatalf("the histories hold %v: not of each state", states)
	}
}

// closeAll has a person close every emitter and every lane of a stream from the beginning on, and so all its windows looked at anew.
func closeAll(t *testing.T, st *stage, p *play) {
	t.Helper()
	began := five.Add(-48 * time.Hour)
	all := map[model.Close]bool{}
	for _, step := range p.history.Steps {
		if step.Report == nil {
			continue
		}
		all[model.Close{Emitter: step.Report.Emitter, At: began}] = true
		for lane := range step.Report.Lanes {
			all[model.Close{Hop: step.Report.Hop, Lane: lane, At: began}] = true
		}
	}
	for c := range all {
		st.close(t.Context(), p, &c)
	}
}
