package reconcile

import (
	"math"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// sweep goes through the counted reports of a partitioned hop by sentAt and finds the first instant at which all lanes stated
// so far had passed the target.
type sweep struct {
	h      *history
	from   *lanes
	target int64
	lanes  map[string]*lane
	stated map[string]bool
	own    map[wire.UID]bool // emitters that state a lane of their own
	count  int               // highest number of lanes stated
	passed int
}

func (h *history) closePartitions(c *closing, l *lanes, t int64) epochClosing {
	s := sweep{h: h, from: l, target: t, lanes: map[string]*lane{}, stated: map[string]bool{}, own: map[wire.UID]bool{}}
	h.startSweep(&s, c, l)
	k := int64(notYet)
	if len(l.counted) == 0 && s.done() {
		k = c.end
	}
	for i, r := range l.counted {
		if k != notYet && r.SentAt > k {
			break // what was added later does not hold this window
		}
		s.add(r)
		if k == notYet && (i+1 == len(l.counted) || l.counted[i+1].SentAt > r.SentAt) && s.done() {
			k = r.SentAt
		}
	}
	e := epochClosing{judged: true, partitioned: true, k: k, missing: max(0, s.count-len(s.lanes))}
	for _, one := range s.lanes {
		e.lanes = append(e.lanes, *one)
	}
	slices.SortFunc(e.lanes, func(a, b lane) int { return strings.Compare(a.name, b.name) })
	return e
}

// startSweep begins with the lanes that were stated before the reports at hand, and those a person closed.
func (h *history) startSweep(s *sweep, c *closing, l *lanes) {
	for name, first := range l.summary.LaneFirst {
		if first < h.Since {
			s.state(name)
		}
	}
	for n, first := range l.summary.LaneCounts {
		if first < h.Since {
			s.count = max(s.count, int(n))
		}
	}
	for _, closed := range h.Closings {
		if closed.Kind == store.CloseLane && closed.Hop == l.hop && h.closedByHand(store.CloseLane, wire.UID{}, l.hop, closed.Lane, c.start) {
			s.closeByHand(closed.Lane)
			c.byHand["lane "+closed.Lane+" of "+l.hop] = true
		}
	}
}

// state makes sure the lane is known as one that a report states.
func (s *sweep) state(name string) *lane {
	one := s.lanes[name]
	if one == nil {
		one = &lane{hopEpoch: s.from.hopEpoch, name: name, watermark: math.MinInt64, passedAt: notYet}
		s.lanes[name] = one
	}
	if !s.stated[name] {
		s.stated[name] = true
		one.stated = s.from.receipt(name)
	}
	return one
}

func (s *sweep) closeByHand(name string) {
	one := s.lanes[name]
	if one == nil {
		one = &lane{hopEpoch: s.from.hopEpoch, name: name, watermark: math.MinInt64}
		s.lanes[name] = one
	}
	if !one.closed {
		one.closed, one.passedAt = true, math.MinInt64
		s.passed++
	}
}

func (s *sweep) add(r *report) {
	s.count = max(s.count, int(r.LaneCount))
	for name, watermark := range r.Lanes {
		s.pass(s.state(name), watermark, r)
	}
	if _, states := r.Lanes[""]; states {
		s.own[r.Emitter] = true
	}
	if r.Closed && s.own[r.Emitter] {
		s.lanes[""].closed = true
		s.pass(s.lanes[""], math.MaxInt64-1, r)
	}
}

func (s *sweep) pass(one *lane, watermark int64, r *report) {
	if e := s.h.emitters[hopEmitter{r.Hop, r.Emitter}]; e != nil && r.ReceivedAt >= one.heard {
		one.heard, one.heartbeat = r.ReceivedAt, e.heartbeat
	}
	one.watermark = max(one.watermark, watermark)
	if one.passedAt == notYet && s.target != notYet && watermark >= s.target {
		one.passedAt, one.countedAt = r.SentAt, r.countedAt
		s.passed++
	}
}

// done says whether every lane has passed, of which at least one was stated by a report.
func (s *sweep) done() bool {
	return s.target != notYet && len(s.stated) > 0 && s.passed == len(s.lanes) && s.passed >= s.count
}
