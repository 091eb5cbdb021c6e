package audit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The tests here run the reporter itself, in a bubble with a clock of its own.

// pass lets the bubble's clock run on.
func pass(d time.Duration) { <-time.After(d) }

func closeHop(t *testing.T, h *Hop) {
	t.Helper()
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestHelloGoesAtOnceAndThenEveryHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Transport: srv})
		h.Start()
		synctest.Wait()
		if n := len(srv.reports()); n != 1 {
			t.Fatalf("%d reports at the start", n)
		}
		pass(3*DefaultHeartbeat + time.Second)
		synctest.Wait()
		if n := len(srv.reports()); n != 4 {
			t.Fatalf("%d reports after three heartbeats", n)
		}
		closeHop(t, h)
		srv.check(t)
		all := srv.reports()
		if last := all[len(all)-1]; last.State != wire.Closed || all[0].State != wire.Running {
			t.Fatalf("the first is %v, the last %v", all[0].State, last.State)
		}
	})
}

func TestLaneOfASourceIsReportedBehindWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		src := mustSource(t, SourceConfig{})
		h := mustHop(t, HopConfig{Transport: srv, Source: src})
		h.Start()
		uid, at := src.Next(time.Now())
		h.Observe(event(uid.Source(), 0, at), 7, 1, at)
		pass(time.Minute)
		synctest.Wait()
		r := srv.reports()[len(srv.reports())-1]
		if w := r.Lanes[""]; w.After(at) || r.Spool.Events != 1 {
			t.Fatalf("lane at %v with an event held since %v; spool %d", w, at, r.Spool.Events)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := h.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 events have not left") {
			t.Fatalf("closed with an event held: %v", err)
		}
		for _, r := range srv.reports() {
			if r.State == wire.Closed {
				t.Fatal("CLOSED was said with an event held")
			}
		}
	})
}

func TestCloseWaitsForWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		fly := NewInFlight()
		h := mustHop(t, HopConfig{Transport: srv, InFlight: fly})
		h.Start()
		held := fly.Enter(time.Now())
		time.AfterFunc(7*time.Second, func() { fly.Leave(held) })
		start := time.Now()
		closeHop(t, h)
		if d := time.Since(start); d != 7*time.Second {
			t.Fatalf("closed after %v", d)
		}
	})
}

// TestWindowMetAgainAfterItWasDroppedIsReportedByAFreshEmitter: counters that begin
// anew under the old id would be lost in the server's join.
func TestWindowMetAgainAfterItWasDroppedIsReportedByAFreshEmitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Transport: srv})
		h.Start()
		id, at := newID(time.Now()), time.Now()
		h.Observe(event(id, 0, at), 7, 10, at)
		pass(DefaultKeep + time.Minute)
		h.SetLane("", time.Now())
		h.Observe(event(id, 0, at), 7, 10, time.Now())
		h.Observe(event(id, 1, at), 7, 10, time.Now())
		pass(time.Minute)
		synctest.Wait()
		old, fresh := srv.join()[joinKey{h.Emitter(), WindowOf(at, time.Minute), id}], (*joined)(nil)
		for k, j := range srv.join() {
			if k.emitter != h.Emitter() {
				fresh = j
			}
		}
		if old.observations != 1 || fresh == nil || fresh.observations != 2 || fresh.rolls[wire.Seen].GetCardinality() != 2 {
			t.Fatalf("the old emitter says %+v, the fresh one %+v", old, fresh)
		}
		if s := h.Stats(); s.SideEmitters != 1 || s.Emitters != 2 || s.WindowsDropped != 1 || s.WindowsLost != 0 {
			t.Fatalf("%+v", s)
		}
		pass(DefaultKeep + time.Minute)
		h.SetLane("", time.Now())
		pass(time.Minute)
		if s := h.Stats(); s.Emitters != 1 {
			t.Fatalf("the fresh emitter stays after all its events left: %+v", s)
		}
		closeHop(t, h)
		srv.check(t)
	})
}

func TestBothEmittersAreClosedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Transport: srv})
		h.Start()
		id, at := newID(time.Now()), time.Now()
		h.Observe(event(id, 0, at), 7, 10, at)
		pass(DefaultKeep + time.Minute)
		h.Observe(event(id, 1, at), 7, 10, at)
		closeHop(t, h)
		srv.check(t)
		if len(srv.emitters) != 2 {
			t.Fatalf("%d emitters", len(srv.emitters))
		}
		for id, reports := range srv.emitters {
			if reports[uint64(len(reports))].State != wire.Closed {
				t.Errorf("emitter %s is not closed", id)
			}
		}
	})
}

// TestMemoryThatRunsOutIsNeverALoss: a window that had to be dropped unreported keeps
// the lane below it, so that no later hop's events are called unexpected or lost.
func TestMemoryThatRunsOutIsNeverALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.fate = func(wire.Report) fate { return lost }
		var told []error
		h := mustHop(t, HopConfig{Transport: srv, Memory: 20_000, OnError: func(err error) {
			if !errors.Is(err, errLink) {
				told = append(told, err)
			}
		}})
		h.Start()
		synctest.Wait() // the hello is on its way: nothing more is sealed
		first := WindowOf(time.Now(), time.Minute)
		for range 10 {
			for range 20 {
				h.Observe(event(newID(time.Now()), 0, time.Now()), 7, 10, time.Now())
			}
			h.SetLane("", time.Now())
			pass(time.Minute)
		}
		if len(told) == 0 || h.Stats().WindowsLost == 0 {
			t.Fatalf("nothing was told of: %+v", h.Stats())
		}
		srv.mu.Lock()
		srv.fate = nil
		srv.mu.Unlock()
		pass(2 * time.Minute)
		for _, r := range srv.reports() {
			if r.Lanes[""].After(first) {
				t.Fatalf("the lane passed window %v, which was lost, to %v", first, r.Lanes[""])
			}
		}
		if err := h.Close(t.Context()); err == nil {
			t.Fatal("closed cleanly after a window was lost")
		}
		srv.check(t)
	})
}

// TestOutageEndsWithOneReportOfAllThatCame: an hour without a server costs the state of
// its windows and no queue of reports.
func TestOutageEndsWithOneReportOfAllThatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.fate = func(wire.Report) fate { return lost }
		h := mustHop(t, HopConfig{Transport: srv})
		h.Start()
		id := newID(time.Now())
		for n := range uint32(3600) {
			h.Observe(event(id, n, time.Now()), 7, 10, time.Now())
			pass(time.Second)
		}
		if s := h.Stats(); s.Waiting != 1 || s.Failed < 100 || s.Failed > 300 {
			t.Fatalf("%+v", s)
		}
		srv.mu.Lock()
		srv.fate = nil
		srv.mu.Unlock()
		closeHop(t, h)
		srv.check(t)
		if seen := srv.rolls(wire.Seen)[id]; seen.GetCardinality() != 3600 || len(srv.reports()) > 3 {
			t.Fatalf("%d events in %d reports", seen.GetCardinality(), len(srv.reports()))
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		h := mustHop(t, HopConfig{Transport: transportFunc(func() error {
			if at = append(at, time.Now()); len(at) == 1 {
				return &SendError{RetryAfter: 90 * time.Second, Err: errLink}
			}
			return nil
		})})
		h.Start()
		closeHop(t, h)
		if d := at[1].Sub(at[0]); d < 90*time.Second || d > 91*time.Second {
			t.Fatalf("asked again after %v", d)
		}
	})
}

type transportFunc func() error

func (f transportFunc) Send(context.Context, wire.Batch) error { return f() }

func TestEventsAfterCloseAreCountedAndNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Transport: srv})
		h.Start()
		closeHop(t, h)
		if m := h.Observe(event(newID(time.Now()), 0, time.Now()), 7, 1, time.Now()); m != MarkUnplaced {
			t.Errorf("marked %b", m)
		}
		h.NoUID(time.Now())
		if s := h.Stats(); s.AfterClose != 2 {
			t.Fatalf("%+v", s)
		}
	})
}

// TestWindowThatGrewTooOldOnItsWayIsTakenOut: a refused report with a window that the
// server does not take any more would stand in the way for ever.
func TestWindowThatGrewTooOldOnItsWayIsTakenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.fate = func(wire.Report) fate { return lost }
		h := mustHop(t, HopConfig{Transport: srv})
		id := newID(time.Now())
		for n := range uint32(5) {
			h.Observe(event(id, n, time.Now()), 7, 1, time.Now())
		}
		h.Start()
		pass(8 * 24 * time.Hour)
		srv.mu.Lock()
		srv.fate = func(r wire.Report) fate {
			for _, w := range r.Windows {
				if time.Since(w.Start) > 7*24*time.Hour+time.Minute {
					return refused
				}
			}
			return stored
		}
		srv.mu.Unlock()
		closeHop(t, h)
		srv.check(t)
		var u uint64
		for _, r := range srv.reports() {
			for _, w := range r.Windows {
				u = max(u, w.Unplaced.TooOld)
			}
		}
		if u != 5 || h.Stats().Refused != 1 {
			t.Fatalf("%d events are told of as too old, want 5; %+v", u, h.Stats())
		}
	})
}
