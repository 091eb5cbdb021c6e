package reconcile

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

// behind is a history in which the clocks of some emitters are minutes or hours behind all others: what they say of themselves is long ago, and
// the windows they speak of are not.
func behind(h model.History, dice *rand.Rand) model.History {
	off, told := map[wire.UID]time.Duration{}, map[*wire.Report]*wire.Report{}
	h.Steps = slices.Clone(h.Steps)
	for i := range h.Steps {
		r := h.Steps[i].Report
		if r == nil {
			continue
		}
		if _, known := off[r.Emitter]; !known {
			off[r.Emitter] = 0
			if dice.IntN(2) == 0 {
				off[r.Emitter] = []time.Duration{10 * time.Minute, 15 * time.Minute, 40 * time.Minute, 5 * time.Hour}[dice.IntN(4)]
			}
		}
		if told[r] == nil {
			told[r] = setBack(*r, off[r.Emitter])
		}
		h.Steps[i].Report = told[r]
	}
	return h
}

func setBack(r wire.Report, by time.Duration) *wire.Report {
	r.SentAt, r.Lanes = r.SentAt.Add(-by), maps.Clone(r.Lanes)
	for lane, at := range r.Lanes {
		r.Lanes[lane] = at.Add(-by)
	}
	return &r
}

// The history read begins a little before the windows that are judged, by what reports say of themselves. An emitter whose clock is hours
// behind speaks of much earlier, and must be heard all the same.
func TestServiceEqualsModelWhereClocksAreHoursBehind(t *testing.T) {
	s := openStore(t)
	n := 40
	if testing.Short() {
		n = 20
	}
	states := map[string]int{}
	compared := newStageOf(t, s, "behind", n, func(i int) model.History {
		return behind(model.Histories().Example(9_000_240+i), rand.New(rand.NewPCG(uint64(i), 7)))
	}).compare(states)
	t.Logf("%d verdicts compared: %v", compared, states)
	for _, state := range []string{"complete", "open", "settling", "unknown", "incomplete"} {
		if states[state] == 0 {
			t.Errorf("no verdict was %s: the histories prove too little", state)
		}
	}
}

// aside is how far the server's clock is ahead of all others in what follows.
const aside = 5 * 3600

func TestAPipelineWhoseClocksAreHoursBehindIsJudgedByThem(t *testing.T) {
	s := newScene(t)
	s.hear(aside+31, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 30), 0, span(0, 4)), s.says("sink", 2, 30, "app"))
	if v := s.verdict(0, "app", "sink"); v.Closed() || v.Pending != 5 {
		t.Fatalf("%s with %d pending while the window runs by the clocks of its hops", v.State, v.Pending)
	}
	s.hear(aside+75, saw(s.says("app", 1, 65), 0, span(5, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 7)))
	s.wait(aside + 75 + 61) // an old window is looked at within a minute
	s.want(s.verdict(0, "app", "sink"), store.Incomplete, 2, 0)
	wantNumbers(t, "lost", s.names(0, "app", "sink", "lost"), 8, 9)
	s.hear(aside+200, saw(s.says("sink", 2, 199, "app"), 0, span(8, 9)), s.says("app", 1, 195))
	s.wait(aside + 261)
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	s.want(s.verdict(1, "app", "sink"), store.Complete, 0, 0)
	if v := s.verdict(4, "app", "sink"); v.Closed() {
		t.Fatalf("minute 4 is %s and no hop has got there by its own clock", v.State)
	}
}

// The sink speaks of windows that are to come by its own clock, and nothing of what it says of itself is near them.
func TestASinkWhoseClockIsHoursBehindHoldsItsWindowsAndIsNamed(t *testing.T) {
	s := newScene(t)
	s.hear(aside+75, s.says("app", 1, aside), s.says("sink", 2, 1, "app"), // both have just started
		saw(s.says("app", 1, aside+65), aside/60, span(0, 9)), saw(s.says("sink", 2, 74, "app"), aside/60, span(0, 9)))
	s.want(s.verdict(aside/60, "app", "sink"), store.Settling, 0, 0)
	s.wait(aside + 200)
	v := s.verdict(aside/60, "app", "sink")
	s.want(v, store.Unknown, 0, 0)
	if len(v.Reasons) != 1 || v.Reasons[0].Emitter != id(2).String() {
		t.Fatalf("reasons %+v do not name the sink", v.Reasons)
	}
	s.hear(2*aside, s.says("app", 1, 2*aside-5), s.says("sink", 2, aside+90, "app")) // its clock gets there
	s.wait(2*aside + 61)
	s.want(s.verdict(aside/60, "app", "sink"), store.Complete, 0, 0)
}

// What starts while a window settles gives it time from its receipt on, whatever its own clock says of when that was.
func TestAStartHoursAgoByItsOwnClockCountsFromItsReceipt(t *testing.T) {
	minute := aside / 60
	lane := func(r *wire.Report, name string) *wire.Report {
		r.Lanes = map[string]time.Time{name: r.SentAt}
		return r
	}
	for _, name := range []string{"", "sink/1"} {
		t.Run("lane "+name, func(t *testing.T) {
			s, first := newScene(t), ""
			if name != "" {
				first = "sink/0"
			}
			s.hear(aside+75, s.says("app", 1, aside), lane(s.says("sink", 2, aside, "app"), first),
				saw(s.says("app", 1, aside+65), minute, span(0, 9)), saw(lane(s.says("sink", 2, aside+74, "app"), first), minute, span(0, 9)))
			s.want(s.verdict(minute, "app", "sink"), store.Complete, 0, 0)
			s.hear(aside+180, lane(s.says("sink", 3, 180, "app"), name))
			s.wait(aside + 299)
			s.want(s.verdict(minute, "app", "sink"), store.Settling, 0, 0)
			s.wait(aside + 301)
			s.want(s.verdict(minute, "app", "sink"), store.Unknown, 0, 0)
		})
	}
}

// An emitter that came and went hours ago by its own clock, and just now by the server's, holds the window only while it is there.
func TestAnEmitterThatCameAndWentHoursAgoByItsOwnClockHoldsNothing(t *testing.T) {
	s, minute := newScene(t), aside/60
	s.hear(aside+75, s.says("app", 1, aside), s.says("sink", 2, aside, "app"), s.says("app", 3, 50),
		saw(s.says("app", 1, aside+65), minute, span(0, 9)), saw(s.says("sink", 2, aside+74, "app"), minute, span(0, 9)))
	s.want(s.verdict(minute, "app", "sink"), store.Settling, 0, 0)
	closing := s.says("app", 3, 75)
	closing.State = wire.Closed
	s.hear(aside+80, closing)
	s.want(s.verdict(minute, "app", "sink"), store.Complete, 0, 0)
}

// A watermark far in the future held good for all windows to come: a partition that nobody read any more did not keep them open.
func TestAWatermarkOfTheFutureHoldsForMinutesOnly(t *testing.T) {
	s := newScene(t)
	lanes := func(r *wire.Report, second int) *wire.Report {
		at := five.Add(time.Duration(second) * time.Second)
		r.LaneCount, r.Lanes = 2, map[string]time.Time{"orders/0": at, "orders/1": at}
		return r
	}
	mad := lanes(s.says("sink", 3, 5, "app"), 100*365*24*3600)
	s.hear(71, s.says("app", 1, 0), saw(s.says("app", 1, 65), 0, span(0, 9)), mad, lanes(saw(s.says("sink", 2, 70, "app"), 0, span(0, 9)), 70))
	s.want(s.verdict(0, "app", "sink"), store.Complete, 0, 0)
	half := saw(s.says("sink", 2, 610, "app"), 9, span(10, 14))
	half.LaneCount, half.Lanes = 2, map[string]time.Time{"orders/0": five.Add(610 * time.Second)}
	s.hear(611, saw(s.says("app", 1, 605), 9, span(10, 19)), half)
	s.want(s.verdict(9, "app", "sink"), store.Settling, 0, 5)
}
