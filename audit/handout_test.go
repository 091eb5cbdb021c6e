package audit

import (
	"context"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// TestServerKnowsWhatTheStepsThatWereDoneHold tells random stories to a hop whose
// reports go into steps of its caller, such as transactions: each step is done, or
// surely not done, or of unknown fate. What was observed for a step that was surely not
// done is forgotten and met again, or kept and reported with the next.
func TestServerKnowsWhatTheStepsThatWereDoneHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Durable: true, Limits: Limits{Roll: 40}})
		source, now := newID(time.Now()), time.Now()
		want := roaring.New()
		next, done := uint32(0), uint32(0)
		told := true // nothing waits that the server may not know
		step := func(fate string) {
			cp, err := h.Checkpoint()
			if err != nil {
				t.Fatal(err)
			}
			reports := cp.Reports()
			if fate == "done" || fate == "unknown, done" {
				for _, b := range reports {
					_ = srv.Send(context.Background(), b)
				}
			}
			switch fate {
			case "done":
				if err := cp.Accepted(); err != nil {
					t.Fatal(err)
				}
				done, told = next, true
			case "refused, met again":
				cp.Refused()
				if told { // else what is forgotten may be known, and a caller finds out first
					h.Abandon()
					for n := done; n < next; n++ {
						want.Remove(n)
					}
					next = done
				}
			case "refused, kept":
				cp.Refused()
			default:
				told = false
			}
		}
		fates := []string{"done", "done", "refused, met again", "refused, kept", "unknown, done", "unknown"}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			for range rapid.IntRange(0, 12).Draw(t, "events") {
				h.Observe(event(source, next, now), 7, 10, now)
				want.Add(next)
				next++
			}
			step(rapid.SampledFrom(fates).Draw(t, "fate"))
			if err := h.cycle(context.Background()); err != nil { // the reporter runs beside it
				t.Fatal(err)
			}
		}
		h.Finish()
		step("done")
		step("done")
		srv.check(t)
		checkHandout(t, h, srv, source, want)
	})
}

func checkHandout(t *rapid.T, h *Hop, srv *server, source UID, want *roaring.Bitmap) {
	seen := srv.rolls(wire.Seen)[source]
	if seen == nil {
		seen = roaring.New()
	}
	if !seen.Equals(want) {
		t.Fatalf("the server knows %v, want %v", seen, want)
	}
	if repeated := srv.rolls(wire.Repeated)[source]; repeated != nil && !repeated.IsEmpty() {
		t.Fatalf("events met again were reported as repeated: %v", repeated)
	}
	for id, reports := range srv.emitters {
		if last := reports[uint64(len(reports))]; last.State != wire.Closed {
			t.Fatalf("emitter %s was not closed after %d reports", id, len(reports))
		}
	}
	if s := h.Stats(); s.Waiting != 0 || s.Emitters != 0 {
		t.Fatalf("%d reports wait of %d emitters", s.Waiting, s.Emitters)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestDeadProcessIsClosedByTheStepOfTheNextEvenAfterOneThatFailed(t *testing.T) {
	dir := t.TempDir()
	open := func() *Hop {
		j, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "sink"})
		if err != nil {
			t.Fatal(err)
		}
		return mustHop(t, HopConfig{Durable: true, Journal: j})
	}
	dead := open()
	if err := dead.cfg.Journal.release(); err != nil { // as the kernel does for the dead
		t.Fatal(err)
	}
	h, srv := open(), newServer()
	for _, done := range []bool{false, true} {
		cp, err := h.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		reports := cp.Reports()
		if !done {
			cp.Refused()
			h.Abandon()
			continue
		}
		if err := srv.Send(t.Context(), reports[0]); err != nil {
			t.Fatal(err)
		}
		if err := cp.Accepted(); err != nil {
			t.Fatal(err)
		}
	}
	srv.check(t)
	ended := srv.reports()[0].Ended
	if len(ended) != 1 || ended[0].Emitter != dead.Emitter() || len(ended[0].Windows) != 0 {
		t.Fatalf("ended %+v, want emitter %s and no windows", ended, dead.Emitter())
	}
	h.Finish()
	if len(h.cfg.Journal.Ended()) != 0 {
		t.Fatal("the dead are told of again")
	}
	if err := h.cfg.Journal.release(); err != nil {
		t.Fatal(err)
	}
}
