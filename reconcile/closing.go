package reconcile

import (
	"math"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const notYet = math.MaxInt64

// lane is one unit of progress of a hop in one window.
type lane struct {
	hopEpoch
	name      string
	emitter   *emitter // nil for a partition
	watermark int64    // best one stated; math.MinInt64 when none
	closed    bool     // CLOSED, or closed by a person
	passedAt  int64    // sentAt of the report that brought it to the target; notYet while none did
	countedAt int64    // when that report became counted
	stated    int64    // receipt of the report that first stated it; 0 when that is long ago
	heard     int64    // of a partition: receipt of the last counted report at hand that states it; 0 when none does
	heartbeat int64    // of who stated it then
}

// epochClosing is how far one epoch of a hop has closed a window.
type epochClosing struct {
	judged, partitioned bool
	lanes               []lane
	missing             int   // partitions that reports count but none states
	k                   int64 // notYet while open
}

// hopClosing is how far a hop has closed a window; see docs/adr/003-closing-protocol.md, whose sections the functions name.
type hopClosing struct {
	hop    string
	target int64 // notYet while the hops before hand on no K
	k      int64 // notYet while the hop is open
	late   int64 // T of section 3; 0 when there is none
	handed int64 // K handed on; notYet while there is none
	epochs []epochClosing
}

func (c *hopClosing) closed() bool { return c.k != notYet }

// closing is how far all hops have closed the window [start, end).
type closing struct {
	start, end int64
	graph      graph
	hops       map[string]*hopClosing
	uncovered  []wire.UID      // sources that hold the first hops
	base       int64           // the settle limit counts from here
	byHand     map[string]bool // what a person closed that would hold a hop
}

// hold keeps every hop open: the reports at hand are not all there are.
func (c *closing) hold() {
	for _, hop := range c.hops {
		hop.k, hop.handed = notYet, notYet
	}
}

// closes says whether some hop is closed.
func (c *closing) closes() bool {
	for _, hop := range c.hops {
		if hop.k != notYet {
			return true
		}
	}
	return false
}

// judge applies sections 1 to 3 to the window [start, end) at now; all are Unix ms.
func (h *history) judge(start, end, now int64) *closing {
	c := &closing{start: start, end: end, graph: h.windowGraph(start, end), hops: map[string]*hopClosing{}, base: end, byHand: map[string]bool{}}
	for _, u := range h.Uncovered {
		switch {
		case u.Since.UnixMilli() > start:
		case h.closedByHand("source", u.Source, "", "", start):
			c.byHand["source "+u.Source.String()] = true
		default:
			c.uncovered = append(c.uncovered, u.Source)
		}
	}
	for hop := range c.graph.before {
		c.hops[hop] = &hopClosing{hop: hop, target: notYet, k: notYet, handed: notYet}
	}
	tooEarly := now < end+h.Settings.Grace.Milliseconds()
	for _, hop := range c.graph.order {
		h.closeHop(c, c.hops[hop], tooEarly)
	}
	for hop := range c.graph.cyclic {
		h.closeHop(c, c.hops[hop], true)
	}
	for _, r := range h.mentions[start] {
		c.base = max(c.base, r.ReceivedAt)
	}
	return c
}

// closeHop applies sections 2 and 3 to one hop; the hops before it are done.
func (h *history) closeHop(c *closing, hop *hopClosing, held bool) {
	before := c.graph.before[hop.hop]
	hop.target = h.target(c, before)
	hop.epochs = h.epochs(c, hop.hop, hop.target, len(before) == 0)
	for _, e := range hop.epochs {
		for _, l := range e.lanes {
			c.base = max(c.base, l.stated)
			if l.passedAt != notYet && hop.target != notYet {
				c.base = max(c.base, l.countedAt)
			}
		}
	}
	if held || hop.target == notYet || (len(before) == 0 && len(c.uncovered) > 0) {
		return
	}
	hop.k = latestK(hop.epochs)
	if !hop.closed() {
		return
	}
	hop.handed = hop.k
	if hop.late = h.lateEntry(c, hop); hop.late > hop.target {
		hop.handed = latestK(h.epochs(c, hop.hop, hop.late, len(before) == 0))
	}
}

// target is t of section 2.
func (h *history) target(c *closing, before []string) int64 {
	t := c.end
	for _, b := range before {
		handed := c.hops[b].handed
		if handed == notYet {
			return notYet
		}
		t = max(t, handed)
	}
	if len(before) > 0 {
		t += h.Settings.Skew.Milliseconds()
	}
	return t
}

// epochs judges every epoch of a hop against target t.
func (h *history) epochs(c *closing, hop string, t int64, first bool) []epochClosing {
	var found []epochClosing
	live := epochClosing{judged: true, k: notYet}
	if l := h.lanes[hopEpoch{hop, 0}]; l != nil {
		live = h.closeEpoch(c, l, t, first)
	}
	for key, l := range h.lanes {
		if key.hop == hop && key.epoch > 0 && h.mentionedBy(c.start, key) {
			found = append(found, h.closeEpoch(c, l, t, false))
		}
	}
	if len(found) > 0 && len(live.lanes) == 0 {
		return found
	}
	return append(found, live)
}

func (h *history) mentionedBy(start int64, key hopEpoch) bool {
	for _, r := range h.mentions[start] {
		if r.Hop == key.hop && r.Epoch == key.epoch {
			return true
		}
	}
	return false
}

// latestK is the largest K of the epochs; notYet while one is open.
func latestK(epochs []epochClosing) int64 {
	k := int64(math.MinInt64)
	for _, e := range epochs {
		k = max(k, e.k) // notYet is the largest
	}
	return k
}

// lateEntry is T of section 3: the latest sentAt of a report that mentions the window after its own lane had passed; 0 when there is none.
func (h *history) lateEntry(c *closing, hop *hopClosing) int64 {
	passed := map[wire.UID]int64{}
	partitions := map[uint32]int64{}
	for _, e := range hop.epochs {
		for _, l := range e.lanes {
			if l.emitter != nil {
				passed[l.emitter.id] = l.passedAt
				continue
			}
			partitions[l.epoch] = e.k
		}
	}
	var late int64
	for _, r := range h.mentions[c.start] {
		if r.Hop != hop.hop {
			continue
		}
		if k, ok := partitions[r.Epoch]; ok && r.SentAt > k {
			late = max(late, r.SentAt)
		}
		if at, ok := passed[r.Emitter]; ok && r.SentAt > at {
			late = max(late, r.SentAt)
		}
	}
	return late
}

// closeEpoch applies the part of section 2 on lanes to one epoch of a hop.
func (h *history) closeEpoch(c *closing, l *lanes, t int64, first bool) epochClosing {
	if h.partitioned(l) {
		return h.closePartitions(c, l, t)
	}
	return h.closeEmitters(c, l, t, first)
}

func (h *history) closeEmitters(c *closing, l *lanes, t int64, first bool) epochClosing {
	e := epochClosing{judged: true, k: notYet}
	limit := c.end + h.Settings.Grace.Milliseconds()
	grace := limit
	if t != notYet {
		limit = max(limit, t)
	}
	k := int64(math.MinInt64)
	for _, em := range l.emitters {
		if !h.holds(c, em, l.hop, limit) {
			continue
		}
		one := em.lane(l.hopEpoch, t)
		if one.passedAt == notYet && h.closedByHand("emitter", em.id, "", "", c.start) {
			c.byHand["emitter "+em.id.String()] = true
			continue
		}
		e.lanes = append(e.lanes, one)
		k = max(k, one.passedAt)
	}
	switch {
	case len(e.lanes) > 0:
		e.k = k
	case first && t != notYet && l.summary.FirstSent < grace:
		e.k = t
	}
	return e
}

// holds says whether the emitter is a lane of the window.
func (h *history) holds(c *closing, e *emitter, hop string, limit int64) bool {
	for _, r := range h.mentions[c.start] {
		if r.Emitter == e.id && r.Hop == hop {
			return true
		}
	}
	return e.firstSent < limit && e.closedAt >= c.start
}

// lane says how far the emitter's own lane has got with target t.
func (e *emitter) lane(key hopEpoch, t int64) lane {
	l := lane{hopEpoch: key, emitter: e, watermark: math.MinInt64, passedAt: notYet, stated: e.firstReceived}
	if e.closedAt != math.MaxInt64 {
		l.closed = true
		l.passedAt = e.closedAt
	}
	for _, r := range e.reports {
		if !r.counted {
			continue
		}
		w, ok := r.Lanes[""]
		if ok {
			l.watermark = max(l.watermark, w)
		}
		if (ok && w >= t || r.Closed) && r.SentAt <= l.passedAt && l.countedAt == 0 {
			l.passedAt, l.countedAt = r.SentAt, r.countedAt
		}
	}
	if t == notYet && !l.closed {
		l.passedAt = notYet
	}
	return l
}

// partitioned says whether a counted report of the epoch states a named lane or a number of lanes.
func (h *history) partitioned(l *lanes) bool {
	for name, first := range l.summary.LaneFirst {
		if name != "" && first < h.Since {
			return true
		}
	}
	for _, first := range l.summary.LaneCounts {
		if first < h.Since {
			return true
		}
	}
	for _, r := range l.counted {
		if r.LaneCount > 0 {
			return true
		}
		for name := range r.Lanes {
			if name != "" {
				return true
			}
		}
	}
	return false
}
