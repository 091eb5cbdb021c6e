package reconcile

import (
	"math"
	"slices"
	"sort"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Stream is all that is known of a stream from an instant on: what judging its windows needs besides their rolls.
type Stream struct {
	Settings  store.Settings
	Since     int64 // Unix ms: reports that speak only of earlier instants are known by Hops alone
	Hops      []store.HopSummary
	Emitters  []store.Emitter // those not closed long before Since
	Reports   []store.Report  // in any order
	Closings  []store.Closing
	Epochs    []store.Epoch
	Uncovered []store.Uncovered
}

// hopEpoch names one epoch of a hop; lanes of different epochs are kept apart.
type hopEpoch struct {
	hop   string
	epoch uint32
}

type hopEmitter struct {
	hop string
	id  wire.UID
}

// report is a stored report with what its place among the others says.
type report struct {
	*store.Report
	counted   bool
	countedAt int64 // Unix ms; when it became counted
}

// emitter is one lane of a hop without partitions.
type emitter struct {
	id            wire.UID
	host          string
	firstSent     int64
	firstReceived int64 // 0 when it was long ago
	closedAt      int64 // sentAt of its counted CLOSED; math.MaxInt64 while there is none
	lastReceived  int64
	heartbeat     int64
	gap           uint64    // the first report number that is missing; 0 when none is
	reports       []*report // by sentAt
}

// lanes holds what one epoch of a hop has reported.
type lanes struct {
	hopEpoch
	summary  store.HopSummary
	emitters []*emitter
	counted  []*report          // by sentAt
	stated   map[string]*report // lane → of the reports at hand, the first by sentAt that states it
}

// history is a Stream indexed for judging window after window.
type history struct {
	Stream
	lanes    map[hopEpoch]*lanes
	mentions map[int64][]*report // by window start, Unix ms
	hosts    map[wire.UID]string
	emitters map[hopEmitter]*emitter
	digests  map[uint64]bool
}

func newHistory(s Stream) *history {
	h := &history{Stream: s, lanes: map[hopEpoch]*lanes{}, mentions: map[int64][]*report{}, hosts: map[wire.UID]string{}, digests: map[uint64]bool{}}
	for _, summary := range s.Hops {
		key := hopEpoch{summary.Hop, summary.Epoch}
		h.lanes[key] = &lanes{hopEpoch: key, summary: summary}
	}
	known := map[hopEmitter]*store.Emitter{}
	for i := range s.Emitters {
		e := &s.Emitters[i]
		known[hopEmitter{e.Hop, e.ID}] = e
		h.hosts[e.ID] = e.Host
	}
	reports := h.countReports(known)
	h.addEmitters(known, reports)
	for _, l := range h.lanes {
		l.sort()
	}
	return h
}

// awaits says whether one of the reports announced for the window that starts at start was not read and may still be stored. One is given up whose
// number was stored with other content, or whose emitter has ended, or was closed by a person from then on: its sender will not send it again.
func (h *history) awaits(announced []store.Announced, start int64) bool {
	return slices.ContainsFunc(announced, func(a store.Announced) bool {
		if h.digests[a.Digest] || h.closedByHand("emitter", a.Emitter, "", "", start) {
			return false
		}
		e := h.emitters[hopEmitter{a.Hop, a.Emitter}]
		return e == nil || e.closedAt == math.MaxInt64 && (e.gap == 0 || a.Number >= e.gap) && !e.has(a.Number)
	})
}

// strange says whether one of the emitters is not known and may be a lane of the window that starts at start.
func (h *history) strange(announcers []store.HopEmitter, start int64) bool {
	return slices.ContainsFunc(announcers, func(a store.HopEmitter) bool {
		return h.emitters[hopEmitter{a.Hop, a.Emitter}] == nil && !h.closedByHand("emitter", a.Emitter, "", "", start)
	})
}

// has says whether a report of that number was read.
func (e *emitter) has(number uint64) bool {
	return slices.ContainsFunc(e.reports, func(r *report) bool { return r.Number == number && !r.Ended })
}

// countReports says of each report whether, and since when, all before it are stored. An old ended entry whose carrier is not known came from
// an emitter that closed long ago with all its reports stored.
func (h *history) countReports(known map[hopEmitter]*store.Emitter) []*report {
	sort.Slice(h.Reports, func(i, j int) bool {
		a, b := &h.Reports[i], &h.Reports[j]
		if a.Number != b.Number {
			return a.Number < b.Number
		}
		return a.SentAt < b.SentAt
	})
	latest := map[hopEmitter]int64{}
	reports := make([]*report, 0, len(h.Reports))
	for i := range h.Reports {
		r := &report{Report: &h.Reports[i]}
		h.digests[r.Digest] = true
		carrier := hopEmitter{r.Hop, r.Carrier}
		if r.ReceivedAt > latest[carrier] {
			latest[carrier] = r.ReceivedAt
		}
		e := known[carrier]
		r.counted = e != nil && r.Number <= e.Counted || e == nil && r.Ended && r.SentAt < h.Since
		r.countedAt = latest[carrier]
		reports = append(reports, r)
		for _, start := range r.Windows {
			h.mentions[start.UnixMilli()] = append(h.mentions[start.UnixMilli()], r)
		}
	}
	return reports
}

func (h *history) addEmitters(known map[hopEmitter]*store.Emitter, reports []*report) {
	made := map[hopEmitter]*emitter{}
	h.emitters = made
	obtain := func(key hopEmitter, epoch uint32) *emitter {
		e := made[key]
		if e == nil {
			e = newEmitter(key.id, known[key])
			made[key] = e
			l := h.lanesOf(hopEpoch{key.hop, epoch})
			l.emitters = append(l.emitters, e)
		}
		return e
	}
	for key, e := range known {
		obtain(key, e.Epoch)
	}
	for _, r := range reports {
		e := obtain(hopEmitter{r.Hop, r.Emitter}, r.Epoch)
		e.add(r)
		h.lanesOf(hopEpoch{r.Hop, r.Epoch}).noteFirst(r)
		if !r.Ended {
			h.lanesOf(hopEpoch{r.Hop, r.Epoch}).add(r)
		}
	}
}

func (l *lanes) add(r *report) {
	if r.counted {
		l.counted = append(l.counted, r)
	}
	for name := range r.Lanes {
		if first := l.stated[name]; first == nil || r.SentAt < first.SentAt {
			if l.stated == nil {
				l.stated = map[string]*report{}
			}
			l.stated[name] = r
		}
	}
}

// noteFirst takes a report into the summary, which was read before it: a hop is there, and comes after others, as soon as a report says so.
func (l *lanes) noteFirst(r *report) {
	l.summary.FirstSent = min(l.summary.FirstSent, r.SentAt)
	for _, hop := range r.After {
		if at, known := l.summary.AfterFirst[hop]; !known || r.SentAt < at {
			first := map[string]int64{hop: r.SentAt}
			for other, at := range l.summary.AfterFirst {
				if other != hop {
					first[other] = at
				}
			}
			l.summary.AfterFirst = first
		}
	}
}

// receipt is when the report was received that first states the lane; 0 when it is not at hand, since that was long ago.
func (l *lanes) receipt(name string) int64 {
	first := l.stated[name]
	if at, known := l.summary.LaneFirst[name]; first == nil || known && at < first.SentAt {
		return 0
	}
	return first.ReceivedAt
}

func (h *history) lanesOf(key hopEpoch) *lanes {
	l := h.lanes[key]
	if l == nil {
		l = &lanes{hopEpoch: key, summary: store.HopSummary{Hop: key.hop, Epoch: key.epoch, FirstSent: math.MaxInt64}}
		h.lanes[key] = l
	}
	return l
}

func newEmitter(id wire.UID, e *store.Emitter) *emitter {
	made := &emitter{id: id, firstSent: math.MaxInt64, closedAt: math.MaxInt64}
	if e == nil {
		return made
	}
	made.host, made.firstSent = e.Host, e.FirstSent.UnixMilli()
	made.heartbeat = e.Heartbeat.Milliseconds()
	if !e.LastReceived.IsZero() {
		made.lastReceived = e.LastReceived.UnixMilli()
	}
	if !e.ClosedAt.IsZero() && e.Counted == e.Highest {
		made.closedAt = e.ClosedAt.UnixMilli()
	}
	if e.Counted < e.Highest {
		made.gap = e.Counted + 1
	}
	return made
}

func (e *emitter) add(r *report) {
	e.reports = append(e.reports, r)
	if r.SentAt <= e.firstSent {
		e.firstSent, e.firstReceived = r.SentAt, r.ReceivedAt
	}
	if r.Closed && r.counted {
		e.closedAt = min(e.closedAt, r.SentAt)
	}
	if e.host == "" {
		e.host = r.Host
	}
}

func (l *lanes) sort() {
	bySentAt := func(a, b *report) int { return compareInt(a.SentAt, b.SentAt) }
	slices.SortStableFunc(l.counted, bySentAt)
	for _, e := range l.emitters {
		slices.SortStableFunc(e.reports, bySentAt)
	}
	slices.SortFunc(l.emitters, func(a, b *emitter) int { return slices.Compare(a.id[:], b.id[:]) })
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// closedByHand says whether a person closed the thing from an instant at or before start.
func (h *history) closedByHand(kind store.ClosingKind, id wire.UID, hop, lane string, start int64) bool {
	for _, c := range h.Closings {
		if c.Kind == kind && c.ID == id && c.Hop == hop && c.Lane == lane && c.At.UnixMilli() <= start {
			return true
		}
	}
	return false
}
