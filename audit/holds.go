package audit

import (
	"context"
	"sync"
	"time"
)

// bucketShift makes buckets of 64 ms: a watermark lags by at most that much.
const bucketShift = 6

// holds counts the events that entered and have not left, by the 64 ms in which
// they entered, so that the oldest of them is known without a queue. The current
// bucket is kept outside of the map. Not safe for concurrent use.
type holds struct {
	cur, n int64 // the bucket used last and its count
	counts map[int64]int64
	total  int64
	floor  int64 // Unix ms: no event enters before it, no watermark goes below it
	idle   chan struct{}
}

func (h *holds) enter(ms int64) {
	b := ms >> bucketShift
	if b != h.cur {
		h.turn(b)
	}
	h.n++
	h.total++
}

// leave takes n events out of a bucket and returns how many of them were not held.
func (h *holds) leave(b, n int64) (strays int64) {
	held := h.n
	if b != h.cur {
		held = h.counts[b]
	}
	left := min(n, held)
	switch {
	case b == h.cur:
		h.n -= left
	case left == held:
		delete(h.counts, b)
	default:
		h.counts[b] = held - left
	}
	h.total -= left
	if h.total == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
	return n - left
}

func (h *holds) turn(b int64) {
	if h.counts == nil {
		h.counts = make(map[int64]int64)
	}
	if h.n > 0 {
		h.counts[h.cur] = h.n
	}
	h.cur, h.n = b, h.counts[b]
	delete(h.counts, b)
}

// watermark raises the floor to the instant before which every event has left.
func (h *holds) watermark(nowMs int64) int64 {
	w := nowMs
	if h.total > 0 {
		if h.n > 0 {
			w = min(w, h.cur<<bucketShift)
		}
		for b := range h.counts {
			w = min(w, b<<bucketShift)
		}
	}
	h.floor = max(h.floor, w)
	return h.floor
}

// exits counts the events that have left, until holds takes note of them. It has a
// lock of its own, so that those who see events leave do not wait for those who number
// them: they are different goroutines, and one lock that both want costs more than
// all else that either does.
type exits struct {
	mu     sync.Mutex
	cur, n int64 // the bucket used last and its count
	counts map[int64]int64
}

func (x *exits) add(ms, n int64) {
	b := ms >> bucketShift
	x.mu.Lock()
	if b != x.cur {
		x.turn(b)
	}
	x.n += n
	x.mu.Unlock()
}

func (x *exits) turn(b int64) {
	if x.n > 0 {
		if x.counts == nil {
			x.counts = make(map[int64]int64)
		}
		x.counts[x.cur] += x.n
	}
	x.cur, x.n = b, 0
}

// settle takes what has left out of h and returns how many had not been held.
func (x *exits) settle(h *holds) (strays int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.turn(x.cur)
	for b, n := range x.counts {
		strays += h.leave(b, n)
	}
	clear(x.counts)
	return strays
}

// drained returns a channel that is closed once nothing is held.
func (h *holds) drained() <-chan struct{} {
	if h.total == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if h.idle == nil {
		h.idle = make(chan struct{})
	}
	return h.idle
}

// InFlight knows which events a hop has taken in and not yet handed on, and so
// how far the hop has got. It is for hops that do not number their events; a
// Source keeps its own. Safe for concurrent use.
type InFlight struct {
	mu    sync.Mutex
	holds holds
	stray uint64
}

// NewInFlight returns an empty one.
func NewInFlight() *InFlight { return &InFlight{} }

// Enter counts an event as held from t on: the time it entered this hop, or, at a
// first hop that takes in events numbered by others, the time it was produced.
// Call it before the previous hop may count the event as gone. It returns the
// instant to give to Leave: t, or the watermark already stated where t is older.
func (f *InFlight) Enter(t time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	ms := max(t.UnixMilli(), f.holds.floor)
	f.holds.enter(ms)
	return time.UnixMilli(ms).UTC()
}

// Leave takes one event back out; held is what Enter returned. Call it once the
// event was acknowledged by every next hop, or recorded as filtered or rejected.
func (f *InFlight) Leave(held time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stray += uint64(f.holds.leave(held.UnixMilli()>>bucketShift, 1))
}

// Watermark returns the instant before which every event that entered has left.
// It never goes back, and no later Enter is counted before it.
func (f *InFlight) Watermark(now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.UnixMilli(f.holds.watermark(now.UnixMilli())).UTC()
}

// Held returns how many events are held now.
func (f *InFlight) Held() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.holds.total
}

func (f *InFlight) strays() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stray
}

func (f *InFlight) wait(ctx context.Context) error {
	f.mu.Lock()
	drained := f.holds.drained()
	f.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
