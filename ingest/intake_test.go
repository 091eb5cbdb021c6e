package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// together posts the bodies at once and returns the answers.
func together(in *Intake, bodies ...[]byte) []*httptest.ResponseRecorder {
	answers := make([]*httptest.ResponseRecorder, len(bodies))
	var all sync.WaitGroup
	for i, b := range bodies {
		all.Go(func() { answers[i] = post(in, b) })
	}
	all.Wait()
	return answers
}

func TestRequestsThatComeTogetherShareOneInsert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		in := started(t, m, Config{})
		var bodies [][]byte
		for n := range 20 {
			bodies = append(bodies, bodyOf(t, reportOf("orders", uint64(n+1), "")))
		}
		for _, w := range together(in, bodies...) {
			wantAccepted(t, w, 1)
		}
		if len(m.inserts) != 1 || len(m.inserts[0]) != 20 {
			t.Errorf("%d inserts", len(m.inserts))
		}
		if in.Accepted() != 20 || counted(t, in.metrics.accepted, viaHTTP) != 20 || counted(t, in.metrics.requests, viaHTTP) != 20 {
			t.Errorf("%d counted as accepted", in.Accepted())
		}
	})
}

func TestAnInsertTakesNoMoreReportsThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		in := started(t, m, Config{BatchReports: 4})
		var bodies [][]byte
		for n := range 10 {
			bodies = append(bodies, bodyOf(t, reportOf("orders", uint64(n+1), "")))
		}
		together(in, bodies...)
		for _, batch := range m.inserts {
			if len(batch) > 4 {
				t.Errorf("an insert of %d reports", len(batch))
			}
		}
		if got := len(m.stored()); got != 10 {
			t.Errorf("%d reports stored", got)
		}
	})
}

func TestTheAnswerComesOnlyAfterTheInsertReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := newMemory(), make(chan struct{})
		m.gate = gate
		in := started(t, m, Config{})
		answered := make(chan *httptest.ResponseRecorder, 1)
		go func() { answered <- post(in, bodyOf(t, reportOf("orders", 1, ""))) }()
		<-time.After(5 * time.Second) // of the bubble's clock: everything that can happen has happened
		synctest.Wait()
		select {
		case w := <-answered:
			t.Fatalf("answered %d before the insert returned", w.Code)
		default:
		}
		close(gate)
		wantAccepted(t, <-answered, 1)
	})
}

func TestARefusedRequestDoesNotHarmTheOthersOfItsInsert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		in := started(t, m, Config{})
		wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, "a"))), 1)
		wrongLength := reportOf("orders", 3, "a")
		wrongLength.Windows[0].Seconds = 10
		answers := together(in,
			bodyOf(t, reportOf("orders", 1, "b")),
			bodyOf(t, reportOf("orders", 2, "a")),
			bodyOf(t, wrongLength),
			bodyOf(t, reportOf("orders", 1, "a")), // sent again unchanged
		)
		wantProblem(t, answers[0], http.StatusBadRequest)
		wantAccepted(t, answers[1], 1)
		wantProblem(t, answers[2], http.StatusBadRequest)
		wantAccepted(t, answers[3], 1)
		if d := cmp.Diff([]uint64{1, 2}, m.stored()); d != "" {
			t.Error(d)
		}
	})
}

func TestARequestThatTheStoreDoesNotTakeIsFoundAndTheOthersAreStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.refuses = "poison"
		in := started(t, m, Config{})
		answers := together(in, bodyOf(t, reportOf("orders", 1, "")), bodyOf(t, reportOf("poison", 2, "")), bodyOf(t, reportOf("clicks", 3, "")))
		wantAccepted(t, answers[0], 1)
		if p := wantProblem(t, answers[1], http.StatusInternalServerError); strings.Contains(p.Detail, "code 6") {
			t.Errorf("the answer tells of the inside: %s", p.Detail)
		}
		wantAccepted(t, answers[2], 1)
	})
}

func TestANumberIsUsedForOneReportOnly(t *testing.T) {
	twice := []wire.Report{reportOf("orders", 7, "a"), reportOf("orders", 8, "a"), reportOf("orders", 7, "b")}
	for _, c := range []struct {
		name   string
		before []wire.Report
		sent   []wire.Report
		path   string
	}{
		{"in one request", nil, twice, "reports[2].number"},
		{"in two requests", twice[:1], []wire.Report{reportOf("orders", 8, ""), reportOf("orders", 7, "b")}, "reports[1].number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory()
			in := started(t, m, Config{Linger: time.Nanosecond})
			if len(c.before) > 0 {
				wantAccepted(t, post(in, bodyOf(t, c.before...)), len(c.before))
			}
			p := wantProblem(t, post(in, bodyOf(t, c.sent...)), http.StatusBadRequest)
			if len(p.Errors) != 1 || p.Errors[0].Path != c.path || !strings.Contains(p.Errors[0].Message, "7") {
				t.Errorf("%+v", p.Errors)
			}
			if got := len(m.stored()); got != len(c.before) {
				t.Errorf("%d reports stored", got)
			}
			if counted(t, in.metrics.refused, viaHTTP, reasonConflict) != 1 {
				t.Error("not counted")
			}
		})
	}
}

func TestOnlyOneOfTwoReportsOfANumberThatComeTogetherIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		in := started(t, m, Config{})
		answers := together(in, bodyOf(t, reportOf("orders", 1, "a")), bodyOf(t, reportOf("orders", 1, "b")))
		if codes := answers[0].Code + answers[1].Code; codes != http.StatusOK+http.StatusBadRequest {
			t.Errorf("%d and %d", answers[0].Code, answers[1].Code)
		}
		if len(m.inserts) != 1 || len(m.inserts[0]) != 1 {
			t.Errorf("%v", m.inserts)
		}
	})
}

func TestWindowsMustHaveTheLengthOfTheirStreamAtTheirStart(t *testing.T) {
	start := testNow.Truncate(time.Minute)
	lengths := store.DefaultSettings("orders")
	lengths.Lengths = []store.Length{{Seconds: 60}, {From: start, Seconds: 10}}
	m := newMemory()
	in := started(t, m, Config{Linger: time.Nanosecond})
	ten := reportOf("orders", 1, "")
	ten.Windows[0].Seconds = 10
	old := reportOf("orders", 2, "")
	old.Windows[0].Start = start.Add(-time.Minute)

	p := wantProblem(t, post(in, bodyOf(t, ten)), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Path != "reports[0].windows[0].seconds" || !strings.Contains(p.Errors[0].Message, "which is 60") {
		t.Errorf("%+v", p.Errors)
	}
	m.set(func(m *memory) { m.settings["orders"] = lengths }) // and the settings read a moment ago must not be taken for true
	wantAccepted(t, post(in, bodyOf(t, ten, old)), 2)
	ended := reportOf("orders", 3, "")
	ended.Windows = nil
	ended.Ended = []wire.Ended{{Emitter: wire.UID{1}, Source: sourceID(t), Windows: map[time.Time][2]uint32{start.Add(-10 * time.Second): {0, 5}}, Reason: "journal"}}
	p = wantProblem(t, post(in, bodyOf(t, ended)), http.StatusBadRequest)
	if len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Path, `reports[0].ended[0].windows["2026`) {
		t.Errorf("%+v", p.Errors)
	}
}

func sourceID(t *testing.T) wire.UID {
	t.Helper()
	id, err := wire.ParseUID("0199f09c-1d2e-8abc-9def-012300000000")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTooMuchIsTurnedAwayAndNothingOfItIsHeld(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
	}{
		{"requests", Config{QueueRequests: 2, AnswerTimeout: time.Minute}},
		{"bytes", Config{QueueBytes: 20_000, AnswerTimeout: time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, gate := newMemory(), make(chan struct{})
				m.gate = gate
				in := started(t, m, c.config)
				answers := make(chan *httptest.ResponseRecorder, 20)
				for n := range 20 {
					go func() { answers <- post(in, bodyOf(t, reportOf("orders", uint64(n+1), ""))) }()
					<-time.After(time.Second)
				}
				close(gate)
				good, full := 0, 0
				for range 20 {
					switch w := <-answers; w.Code {
					case http.StatusOK:
						good++
					default:
						wantProblem(t, w, http.StatusTooManyRequests)
						if w.Header().Get("Retry-After") != "1" {
							t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
						}
						full++
					}
				}
				if good == 0 || full == 0 || good != len(m.stored()) {
					t.Errorf("%d taken, %d turned away, %d stored", good, full, len(m.stored()))
				}
				if counted(t, in.metrics.refused, viaHTTP, reasonFull) != float64(full) {
					t.Error("not counted")
				}
				wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 99, ""))), 1)
				if !in.room.TryAcquire(in.config.QueueBytes) {
					t.Error("room is still held by requests that ended")
				}
			})
		})
	}
}

func TestAStoreThatIsAwayIs503AndCanBeTriedAgain(t *testing.T) {
	m := newMemory()
	in := started(t, m, Config{Linger: time.Nanosecond})
	m.set(func(m *memory) { m.away = true })
	w := post(in, bodyOf(t, reportOf("orders", 1, "")))
	wantProblem(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" || counted(t, in.metrics.refused, viaHTTP, reasonAway) != 1 {
		t.Error("no Retry-After, or not counted")
	}
	m.set(func(m *memory) { m.away = false })
	wantAccepted(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), 1)
}

func TestAStoreThatHangsIs503AfterTheCommitTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.gate = make(chan struct{})
		in := started(t, m, Config{CommitTimeout: 7 * time.Second})
		begin := time.Now()
		wantProblem(t, post(in, bodyOf(t, reportOf("orders", 1, ""))), http.StatusServiceUnavailable)
		if took := time.Since(begin); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("answered after %s", took)
		}
	})
}

func TestStopStoresWhatWaitsAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, gate := newMemory(), make(chan struct{})
		m.gate = gate
		in := started(t, m, Config{BatchReports: 1})
		answers := make(chan *httptest.ResponseRecorder, 5)
		for n := range 5 {
			go func() { answers <- post(in, bodyOf(t, reportOf("orders", uint64(n+1), ""))) }()
		}
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- in.Stop(context.Background()) }()
		synctest.Wait()
		wantProblem(t, post(in, bodyOf(t, reportOf("orders", 9, ""))), http.StatusServiceUnavailable)
		close(gate)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		for range 5 {
			wantAccepted(t, <-answers, 1)
		}
		if d := cmp.Diff([]uint64{1, 2, 3, 4, 5}, m.stored()); d != "" {
			t.Error(d)
		}
	})
}

func TestStopGivesUpWhenItsTimeIsOverAndNobodyIsToldThatTheirReportsAreStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.gate = make(chan struct{})
		in := started(t, m, Config{BatchReports: 1, CommitTimeout: time.Hour})
		answers := make(chan *httptest.ResponseRecorder, 3)
		for n := range 3 {
			go func() { answers <- post(in, bodyOf(t, reportOf("orders", uint64(n+1), ""))) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := in.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		for range 3 {
			wantProblem(t, <-answers, http.StatusServiceUnavailable)
		}
	})
}

func TestMetricsRegisteredTwiceAreAnErrorAndNoPanic(t *testing.T) {
	in := newIntake(t, newMemory(), Config{})
	if _, err := New(in.Deps, Config{}); err == nil || !strings.Contains(fmt.Sprint(err), "register metrics") {
		t.Errorf("%v", err)
	}
}
