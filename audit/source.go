package audit

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// clockJump is how far the wall clock may move against the monotonic clock before
// the process is taken for a copy restored from a snapshot, or for one that was
// suspended: it then goes on as a new source.
const clockJump = 5 * time.Second

// SourceConfig configures a Source; the zero value is good.
type SourceConfig struct {
	Window  time.Duration // the stream's window length; 1 minute when zero
	Journal *Journal      // nil: numbers die with the process
}

// Source numbers the events of one stream in one process. It gives the number and
// the produced time together, in order, so that its events of one window are a
// contiguous range. Safe for concurrent use.
//
// Each event that Next numbered is held until Left is called for it: the
// watermark of the first hop is the produced time of the oldest event held.
type Source struct {
	mu      sync.Mutex
	id      UID // with sequence zero
	next    uint32
	lastNow int64     // Unix ms: the clock when an event was last numbered
	last    int64     // Unix ms: produced time of the last event, or a watermark stated
	at      time.Time // last
	end     int64     // Unix ms: end of the window of the last event
	window  int64     // ms
	started time.Time
	wall    int64 // Unix ns: the wall clock at started
	holds   holds
	journal *Journal
	slot    *journalSlot
	guard   *forkGuard
	sources uint64
	stray   uint64
	clock   clock
	taking  run   // numbered by Take and not yet told the hop
	taken   []run // likewise, of earlier windows and sources
	exits   exits
	waited  atomic.Bool // somebody waits until nothing is held
}

// NewSource starts a source under a fresh id. It returns an error when the window
// length is none that a stream may have, or the journal belongs to another source.
func NewSource(cfg SourceConfig) (*Source, error) {
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if err := checkWindow(cfg.Window); err != nil {
		return nil, err
	}
	if cfg.Journal != nil {
		if err := cfg.Journal.claim(); err != nil {
			return nil, err
		}
	}
	return &Source{window: cfg.Window.Milliseconds(), journal: cfg.Journal, guard: newForkGuard()}, nil
}

// newID returns a UUIDv8 that starts at now, with 42 random bits and sequence zero.
func newID(now time.Time) UID {
	var u UID
	binary.BigEndian.PutUint64(u[:8], uint64(now.UnixMilli())<<16)
	rand.Read(u[6:12]) // crypto/rand.Read never fails
	u[6] = 0x80 | u[6]&0x0f
	u[8] = 0x80 | u[8]&0x3f
	return u
}

// Next numbers one event at now, before any queue that could drop it. It returns
// the event's UID and its produced time: now in ms, or the time of the event
// before where the clock stepped back. The event is held until Left.
//
// A new source begins, with a new id and number 0, when the numbers are used up,
// in a forked child, and when the wall clock jumped against the monotonic clock,
// as it does in a restored snapshot.
func (s *Source) Next(now time.Time) (UID, time.Time) {
	ms := now.UnixMilli() // before the lock: a division takes as long as the lock does
	s.mu.Lock()
	n := s.number(now, ms)
	id, at := s.id, s.at
	s.mu.Unlock()
	return id.WithSequence(n), at
}

// Header numbers one event like Next and returns the header to send with it:
// produced now, with the checksum of the payload.
func (s *Source) Header(now time.Time, payload []byte) Header {
	uid, at := s.Next(now)
	return Header{Flags: wire.FlagNumbered, UID: uid, ProducedAt: at, Checksum: wire.Checksum(payload)}
}

// number gives the next number at now, ms in Unix time, under the lock.
func (s *Source) number(now time.Time, ms int64) uint32 {
	if s.next == math.MaxUint32 || s.sources == 0 || s.guard.forked() {
		s.renew(now)
	}
	if ms != s.lastNow {
		s.tick(now, ms)
	}
	n := s.next
	s.next++
	if s.slot != nil {
		s.slot.setLast(n)
	}
	s.holds.enter(s.last)
	return n
}

// tick takes note that the clock moved: what it costs is shared by the events of a ms.
func (s *Source) tick(now time.Time, ms int64) {
	if s.jumped(now) {
		s.renew(now)
	}
	s.lastNow = ms
	s.last = max(s.last, ms)
	s.at = time.UnixMilli(s.last).UTC()
	if s.last >= s.end {
		s.turn(s.last)
	}
}

func (s *Source) jumped(now time.Time) bool {
	moved := now.Sub(s.started) // by the monotonic clock, where both have a reading
	d := time.Duration(now.UnixNano()-s.wall) - moved
	return d > clockJump || d < -clockJump
}

func (s *Source) renew(now time.Time) {
	if s.guard.forked() {
		s.journal = nil // it belongs to the parent
		s.guard = newForkGuard()
	}
	s.id, s.next, s.started, s.end, s.slot = newID(now), 0, now, 0, nil
	s.wall, s.lastNow = now.UnixNano(), math.MinInt64
	s.sources++
	s.endRun()
}

func (s *Source) turn(ms int64) {
	start := windowStart(ms, s.window)
	s.end = start + s.window
	s.endRun()
	if s.journal != nil {
		s.slot = s.journal.open(s.id, start, s.next)
	}
}

// Left says that one event numbered at producedAt, as Next returned it, has left:
// every next hop or its log acknowledged it, or it was recorded as filtered or
// rejected. Call it exactly once an event, after the event was observed.
func (s *Source) Left(producedAt time.Time) { s.LeftMany(producedAt, 1) }

// LeftMany is Left for n events numbered at one instant.
func (s *Source) LeftMany(producedAt time.Time, n int) {
	s.exits.add(producedAt.UnixMilli(), int64(n))
	if s.waited.Load() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle()
	}
}

// settle takes note of what has left, under the lock.
func (s *Source) settle() { s.stray += uint64(s.exits.settle(&s.holds)) }

// Watermark returns the instant before which every event numbered has left. No
// later event is produced before it, even if the clock steps back.
func (s *Source) Watermark(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	w := s.holds.watermark(max(now.UnixMilli(), s.last))
	s.last, s.lastNow = max(s.last, w), math.MinInt64
	return time.UnixMilli(w).UTC()
}

// Held returns how many events were numbered and have not left.
func (s *Source) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.holds.total
}

// ID returns the current source id; zero before the first event.
func (s *Source) ID() UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Renew starts a new source with the next event. Call it where the process knows
// that it was copied, as after a restored snapshot that was taken seconds ago.
func (s *Source) Renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources, s.next = 0, 0
}

func (s *Source) strays() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.stray
}

func (s *Source) wait(ctx context.Context) error {
	s.waited.Store(true) // before the look, so that whoever leaves after it looks too
	s.mu.Lock()
	s.settle()
	drained := s.holds.drained()
	s.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
