package audit

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// TestWindowInAReportOfAnotherEmitterStaysInTheJournal: the journal lets go of a window once the report that has it is
// accepted, not once some report is.
func TestWindowInAReportOfAnotherEmitterStaysInTheJournal(t *testing.T) {
	srv := newServer()
	j, h := producer(t, t.TempDir(), srv)
	src, now := h.cfg.Source, WindowOf(time.Now(), time.Minute)
	number := func(minutes time.Duration) Header {
		uid, at := src.Next(now.Add(minutes * time.Minute))
		return event(uid.Source(), uid.Sequence(), at)
	}
	late, first, _ := number(-3), number(-2), number(-1)
	h.Observe(first, 7, 1, first.ProducedAt)
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.sweep(time.Now().Add(time.Hour)) // what comes of a window before it now goes to another emitter
	h.Observe(late, 7, 1, late.ProducedAt)
	srv.fate = func(r wire.Report) fate {
		if r.Emitter != h.Emitter() {
			return lost
		}
		return stored
	}
	if err := h.cycle(context.Background()); err == nil {
		t.Fatal("the report of the other emitter is not lost")
	}
	ended, err := readJournal(j.data, bootID(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ended, func(e wire.Ended) bool { return len(e.Windows) > 0 && hasWindow(e, late.ProducedAt) }) {
		t.Errorf("nobody would know of the late event if the process died now: %+v", ended)
	}
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
}

func hasWindow(e wire.Ended, at time.Time) bool {
	_, ok := e.Windows[WindowOf(at, time.Minute)]
	return ok
}

func TestJournalThatLostWindowsClosesNobodyUntilTheyAreAccepted(t *testing.T) {
	srv := newServer()
	srv.fate = func(wire.Report) fate { return lost }
	j, h := producer(t, t.TempDir(), srv)
	src, now := h.cfg.Source, WindowOf(time.Now(), time.Minute)
	for i := range slots + 10 {
		uid, at := src.Next(now.Add(time.Duration(i-slots-10) * time.Minute))
		h.Observe(event(uid.Source(), uid.Sequence(), at), 7, 1, at)
		src.Left(at)
	}
	_ = h.cycle(context.Background()) // lost
	if ended, err := readJournal(j.data, bootID(), time.Now()); err == nil || !strings.Contains(err.Error(), "lost windows") {
		t.Errorf("%d windows do not fit, and %d entries are told of as if they were all (%v)", slots+10, len(ended), err)
	}
	srv.fate = nil
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	if _, err := readJournal(j.data, bootID(), time.Now()); err != nil {
		t.Errorf("all is accepted: %v", err)
	}
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
}

// TestEndedThatGrewTooOldWhileItWasRefusedIsNotSaid: without the window that is too old to be reported it would not be all
// that the dead took over.
func TestEndedThatGrewTooOldWhileItWasRefusedIsNotSaid(t *testing.T) {
	now := time.Now()
	j, h := producer(t, t.TempDir(), discard{})
	var told []error
	h.cfg.OnError = func(err error) { told = append(told, err) }
	dead, other := newID(now), newID(now)
	span := func(age time.Duration) map[time.Time][2]uint32 {
		return map[time.Time][2]uint32{WindowOf(now.Add(-age), time.Minute): {1, 2}}
	}
	h.primary.fixed = []wire.Report{{Ended: []wire.Ended{
		{Emitter: dead, Source: newID(now), Windows: span(oldest + time.Hour)},
		{Emitter: dead, Source: newID(now), Windows: span(time.Hour)},
		{Emitter: other, Source: newID(now), Windows: span(time.Hour)},
	}}}
	h.amend(h.primary, now)
	if left := h.primary.fixed[0].Ended; len(left) != 1 || left[0].Emitter != other {
		t.Errorf("after a window of emitter %s grew too old: %+v", dead, left)
	}
	if n := h.Stats().Damaged; n != 1 || len(told) != 1 {
		t.Errorf("%d are counted, and told of are %v", n, told)
	}
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
}
