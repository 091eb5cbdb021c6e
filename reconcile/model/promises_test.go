package model

import (
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// stage is a pipeline app → sink with minute windows, grace 10 s, settle limit 2 min and no skew. Instants are in
// seconds since the window [0, 60) began.
type stage struct {
	m       *Model
	numbers map[string]uint64
}

func newStage(edges ...string) *stage {
	return &stage{
		m: New(Settings{WindowSeconds: 60, Grace: 10 * time.Second, Settle: 2 * time.Minute, Edges: edges}), numbers: map[string]uint64{},
	}
}

func at(seconds int) time.Time { return genesis.Add(time.Duration(seconds) * time.Second) }

func named(name string) wire.UID {
	var id wire.UID
	copy(id[:12], name)
	id[6] = 0x80 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return id
}

func numbers(ns ...uint32) *roaring.Bitmap { return roaring.BitmapOf(ns...) }

// report makes the next report of an emitter of a hop.
func (s *stage) report(hop, emitter string, sent int, change ...func(*wire.Report)) wire.Report {
	s.numbers[emitter]++
	r := wire.Report{
		Stream: Stream, Hop: hop, Emitter: named(emitter), Number: s.numbers[emitter], SentAt: at(sent), State: wire.Running,
		Lanes: map[string]time.Time{"": at(sent)},
	}
	if hop != "app" {
		r.After = []string{"app"}
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// send makes a report and lets it be received at the instant it was sent.
func (s *stage) send(hop, emitter string, sent int, change ...func(*wire.Report)) {
	s.m.Receive(s.report(hop, emitter, sent, change...), at(sent))
}

func rolls(start int, kinds map[wire.Kind]*roaring.Bitmap) func(*wire.Report) {
	return func(r *wire.Report) {
		source := wire.Source{ID: named("src")}
		for k, roll := range kinds {
			source.Rolls[k] = roll
		}
		r.Windows = append(r.Windows, wire.Window{Start: at(start), Seconds: 60, Sources: []wire.Source{source}})
	}
}

func seen(start int, ns ...uint32) func(*wire.Report) {
	return rolls(start, map[wire.Kind]*roaring.Bitmap{wire.Seen: numbers(ns...)})
}

func closed(r *wire.Report) { r.State = wire.Closed }

func epoch(n uint32) func(*wire.Report) { return func(r *wire.Report) { r.Epoch = n } }

func lanes(count uint32, marks map[string]int) func(*wire.Report) {
	return func(r *wire.Report) {
		r.LaneCount, r.Lanes = count, map[string]time.Time{}
		for lane, mark := range marks {
			r.Lanes[lane] = at(mark)
		}
	}
}

// want checks the state and the lost and pending names, as sequence numbers, of app..sink in the window that began at start.
func (s *stage) want(t *testing.T, start, now int, state string, lost, pending []uint32) Verdict {
	t.Helper()
	for _, v := range s.m.Verdicts(at(now)) {
		if !v.Start.Equal(at(start)) || v.Edge != "app..sink" {
			continue
		}
		if v.State != state || !slices.Equal(v.Names["lost"], uids(lost)) || !slices.Equal(v.Names["pending"], uids(pending)) {
			t.Errorf("window %d at %d: %s, lost %v, pending %v; want %s, %v, %v",
				start, now, v.State, v.Names["lost"], v.Names["pending"], state, lost, pending)
		}
		return v
	}
	t.Errorf("window %d at %d: no verdict", start, now)
	return Verdict{}
}

func uids(ns []uint32) []string {
	var names []string
	for _, n := range ns {
		names = append(names, named("src").WithSequence(n).String())
	}
	return names
}

func TestMaskingLossesAndDuplicatesNeverCancelOut(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0, 1, 2, 3))
	s.send("sink", "s", 75, rolls(0, map[wire.Kind]*roaring.Bitmap{wire.Seen: numbers(0, 1), wire.Repeated: numbers(0, 1)}))
	v := s.want(t, 0, 80, Incomplete, []uint32{2, 3}, nil)
	if v.Duplicated != 2 || !slices.Equal(v.Names["duplicated"], uids([]uint32{0, 1})) {
		t.Errorf("duplicated %d %v, want 0 and 1 by name", v.Duplicated, v.Names["duplicated"])
	}
}

func TestSilenceIsUnknownAndDrainedNothingIsIncomplete(t *testing.T) {
	s := newStage("app..sink")
	s.send("app", "a", 1)
	s.send("app", "a", 61, seen(0, 0, 1))
	s.want(t, 0, 30, Open, nil, []uint32{0, 1})
	s.want(t, 0, 100, Settling, nil, []uint32{0, 1})
	s.want(t, 0, 181, Unknown, nil, []uint32{0, 1})
	s.send("sink", "s", 1)
	s.send("sink", "s", 200)
	s.want(t, 0, 201, Incomplete, []uint32{0, 1}, nil)
}

func TestOvertakingWatermarkWaitsForTheReportBeforeIt(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0))
	overtaken := s.report("sink", "s", 62, seen(0, 0))
	s.send("sink", "s", 75)
	s.want(t, 0, 80, Settling, nil, []uint32{0})
	s.m.Receive(overtaken, at(81))
	s.want(t, 0, 81, Complete, nil, nil)
}

func TestLateEntryIsPendingWhileUnderWay(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0))
	s.send("sink", "s", 75, seen(0, 0))
	s.want(t, 0, 80, Complete, nil, nil)
	s.send("app", "a", 3600, seen(0, 1), func(r *wire.Report) { r.Lanes[""] = at(3590) })
	s.send("sink", "s", 3605)
	s.want(t, 0, 3606, Settling, nil, []uint32{1})
	s.send("app", "a", 3610)
	s.want(t, 0, 3610, Settling, nil, []uint32{1})
	s.send("sink", "s", 3620)
	s.want(t, 0, 3621, Incomplete, []uint32{1}, nil)
	s.send("sink", "s", 3630, seen(0, 1))
	s.want(t, 0, 3631, Complete, nil, nil)
}

func TestChurnOfEmittersNeverReopensAnOldWindow(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0))
	s.send("sink", "s", 75, seen(0, 0))
	for i, name := range []string{"b", "c", "d", "e"} {
		s.send("app", name, 100+100*i)
		s.send("sink", name+"s", 100+100*i)
		s.want(t, 0, 101+100*i, Complete, nil, nil)
	}
	s.send("archive", "z", 600)
	s.want(t, 0, 601, Complete, nil, nil)
}

func TestChurnOfPartitionsNeverReopensAnOldWindow(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1, lanes(2, map[string]int{"p/0": 1, "p/1": 1}))
	s.send("app", "a", 61, seen(0, 0))
	s.send("sink", "s", 75, seen(0, 0), lanes(2, map[string]int{"p/0": 75}))
	s.want(t, 0, 80, Settling, nil, nil)
	s.send("sink", "s2", 81, lanes(2, map[string]int{"p/1": 80}))
	s.want(t, 0, 82, Complete, nil, nil)
	s.send("sink", "s2", 90, lanes(5, map[string]int{"p/4": 2}))
	s.want(t, 0, 91, Complete, nil, nil)
}

func TestFirstHopShutDownCleanlyLeavesCompleteEmptyWindowsEvenAfterItsRestart(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1, seen(0, 0))
	s.send("sink", "s", 1)
	s.send("app", "a", 59, closed)
	s.send("sink", "s", 75, seen(0, 0))
	s.send("sink", "s", 400)
	for _, start := range []int{0, 60, 120, 240} {
		s.want(t, start, 400, Complete, nil, nil)
	}
	s.send("app", "b", 500)
	s.want(t, 120, 501, Complete, nil, nil)
	if mark := s.m.Watermark(at(400)); mark.Before(at(300)) {
		t.Errorf("watermark %s, want at least %s", mark, at(300))
	}
}

func TestJournalClosesTheDeadAndNamesWhatItHadNumbered(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 30, seen(0, 0, 1))
	s.send("sink", "s", 75, seen(0, 0, 1, 2))
	s.want(t, 0, 80, Settling, nil, nil)
	s.send("app", "b", 82, func(r *wire.Report) {
		r.Ended = []wire.Ended{{Emitter: named("a"), Source: named("src"), Windows: map[time.Time][2]uint32{at(0): {0, 3}}, Reason: "journal"}}
	})
	s.want(t, 0, 83, Settling, nil, []uint32{3})
	s.send("sink", "s", 90)
	v := s.want(t, 0, 91, Incomplete, []uint32{3}, nil)
	if v.Unexpected != 0 || v.Produced != 4 {
		t.Errorf("unexpected %d, produced %d, want 0 and 4", v.Unexpected, v.Produced)
	}
}

func TestUncoveredSourceHoldsItsWindowsUntilItIsClosed(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 130)
	s.send("sink", "s", 140, seen(60, 0))
	s.send("app", "a", 200)
	s.send("sink", "s", 220)
	s.want(t, 60, 300, Unknown, nil, nil)
	s.want(t, 120, 330, Unknown, nil, nil)
	s.m.CloseSource(named("src"), at(120))
	s.want(t, 60, 300, Unknown, nil, nil)
	s.want(t, 120, 330, Complete, nil, nil)
	s.m.CloseSource(named("src"), at(60))
	if v := s.want(t, 60, 300, Complete, nil, nil); v.Unexpected != 1 {
		t.Errorf("unexpected %d, want 1", v.Unexpected)
	}
}

func TestADeclaredReplayFillsALossAndIsNoDuplicate(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0, 1))
	s.send("sink", "s", 75, seen(0, 0))
	s.want(t, 0, 80, Incomplete, []uint32{1}, nil)
	s.send("sink", "replay", 500, epoch(1))
	s.send("sink", "replay", 505, epoch(1), seen(0, 0, 1))
	if v := s.want(t, 0, 506, Complete, nil, nil); v.Duplicated != 1 || v.Replayed != 0 {
		t.Errorf("of a replay that nobody declared %d duplicated and %d replayed, want 1 and 0", v.Duplicated, v.Replayed)
	}
	s.m.DeclareEpoch(1, at(60), at(120))
	if v := s.want(t, 0, 506, Complete, nil, nil); v.Duplicated != 1 || v.Replayed != 0 {
		t.Errorf("of a replay declared of another window %d duplicated and %d replayed, want 1 and 0", v.Duplicated, v.Replayed)
	}
	s.m.DeclareEpoch(2, at(0), at(60))
	s.m.DeclareEpoch(1, at(0), at(60))
	if v := s.want(t, 0, 506, Complete, nil, nil); v.Duplicated != 0 || v.Replayed != 1 {
		t.Errorf("of a declared replay %d duplicated and %d replayed, want 0 and 1", v.Duplicated, v.Replayed)
	}
}

func TestClosedIsAnInfiniteWatermark(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1, seen(0, 0))
	s.send("sink", "s", 1)
	s.send("app", "a", 20, closed, func(r *wire.Report) { r.Lanes = nil })
	s.send("sink", "s", 65, seen(0, 0))
	s.want(t, 0, 69, Settling, nil, nil)
	s.want(t, 0, 70, Complete, nil, nil)
}

func TestDarkEmitterHoldsUntilAPersonClosesIt(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("app", "dark", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 61, seen(0, 0))
	s.send("sink", "s", 75)
	s.want(t, 0, 200, Unknown, nil, []uint32{0})
	s.m.CloseEmitter(named("dark"), at(1))
	s.want(t, 0, 200, Unknown, nil, []uint32{0})
	s.m.CloseEmitter(named("dark"), at(0))
	s.want(t, 0, 200, Incomplete, []uint32{0}, nil)
}

func TestIdempotentHopRedelivers(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	idempotent := func(r *wire.Report) { r.Idempotent = true }
	s.send("sink", "s", 1, idempotent)
	s.send("sink", "s2", 1, idempotent)
	s.send("app", "a", 61, seen(0, 0))
	s.send("sink", "s", 75, idempotent, seen(0, 0))
	s.send("sink", "s2", 76, idempotent, seen(0, 0))
	if v := s.want(t, 0, 80, Complete, nil, nil); v.Duplicated != 0 || v.Redelivered != 1 {
		t.Errorf("duplicated %d, redelivered %d, want 0 and 1", v.Duplicated, v.Redelivered)
	}
}

func TestWatermarkNeverJumpsOverABadWindow(t *testing.T) {
	s := newStage()
	s.send("app", "a", 1)
	s.send("sink", "s", 1)
	s.send("app", "a", 200, seen(0, 0), seen(60, 1), seen(120, 2))
	s.send("sink", "s", 220, seen(0, 0), seen(120, 2))
	s.want(t, 60, 250, Incomplete, []uint32{1}, nil)
	s.want(t, 120, 250, Complete, nil, nil)
	if mark := s.m.Watermark(at(250)); !mark.Equal(at(60)) {
		t.Errorf("watermark %s, want the end of the first window, %s", mark, at(60))
	}
}
