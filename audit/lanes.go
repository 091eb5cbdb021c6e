package audit

import (
	"maps"
	"sync"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// laneBook holds how far a hop says it has got.
type laneBook struct {
	mu    sync.Mutex
	marks map[string]time.Time
	count uint32
	spool *wire.Spool
	cap   time.Time // no watermark passes it; zero when nothing was lost
}

// SetLane states the watermark of a lane: every event that entered this hop on that
// lane before the instant has left it and was observed. A partition's lane is named as
// lanes of other emitters of this hop would name it, "orders/0"; an emitter without
// partitions uses "". Watermarks only rise: an earlier instant is ignored.
func (h *Hop) SetLane(lane string, watermark time.Time) {
	h.lanes.mu.Lock()
	defer h.lanes.mu.Unlock()
	h.lanes.set(wire.Printable(lane, maxName), watermark)
}

func (b *laneBook) set(lane string, watermark time.Time) {
	if b.marks == nil {
		b.marks = make(map[string]time.Time)
	}
	watermark = watermark.Truncate(time.Millisecond).UTC()
	if was, ok := b.marks[lane]; !ok || watermark.After(was) {
		b.marks[lane] = watermark
	}
}

// SetLaneCount states how many lanes the whole hop has, over all of its emitters:
// the number of partitions. Leave it at 0 where the emitter is the lane.
func (h *Hop) SetLaneCount(n uint32) {
	h.lanes.mu.Lock()
	defer h.lanes.mu.Unlock()
	h.lanes.count = n
}

// SetSpool states what the hop holds now. A hop with a Source or InFlight need not
// call it for its number of events.
func (h *Hop) SetSpool(events, bytes uint64) {
	h.lanes.mu.Lock()
	defer h.lanes.mu.Unlock()
	h.lanes.spool = &wire.Spool{Events: events, Bytes: bytes}
}

// readLanes is the first step of a seal: what the lanes say now covers only events
// that were observed before, and the rolls are read after it.
func (h *Hop) readLanes(now time.Time) (marks map[string]time.Time, count uint32, spool wire.Spool) {
	h.lanes.mu.Lock()
	defer h.lanes.mu.Unlock()
	b := &h.lanes
	switch {
	case h.cfg.Source != nil:
		b.set("", h.cfg.Source.Watermark(now))
		spool.Events = uint64(h.cfg.Source.Held())
	case h.cfg.InFlight != nil:
		b.set("", h.cfg.InFlight.Watermark(now))
		spool.Events = uint64(h.cfg.InFlight.Held())
	}
	if b.spool != nil {
		spool = *b.spool
	}
	marks = maps.Clone(b.marks)
	if !b.cap.IsZero() {
		for lane, at := range marks {
			marks[lane] = earliest(at, b.cap)
		}
	}
	return marks, b.count, spool
}

// hold keeps every watermark from passing an instant, for good: what this emitter
// knew of the window that begins there is lost, so nobody may call it complete.
func (b *laneBook) hold(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cap.IsZero() {
		b.cap = at
	}
	b.cap = earliest(b.cap, at)
}

func (b *laneBook) held() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.cap.IsZero()
}

// lowest returns the smallest watermark of all lanes; false when there is none.
func (b *laneBook) lowest() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var low time.Time
	for _, at := range b.marks {
		if low.IsZero() || at.Before(low) {
			low = at
		}
	}
	return low, len(b.marks) > 0
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
