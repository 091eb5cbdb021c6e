package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"go.uber.org/goleak"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func TestMain(m *testing.M) {
	if childOfKillTest() {
		return
	}
	goleak.VerifyTestMain(m)
}

// server is the other side of the wire, as a Transport: it stores the join of what
// it takes and refuses what a real one refuses. fate, where set, says what happens
// to each attempt.
type server struct {
	mu       sync.Mutex
	fate     func(wire.Report) fate
	emitters map[UID]map[uint64]wire.Report
	order    []wire.Report
	faults   []error
	arrived  chan struct{} // gets a token for each stored report, when not nil
}

type fate int

const (
	stored  fate = iota
	lostAck      // stored, but the sender is not told
	lost
	refused
)

var errLink = errors.New("the link is down")

func newServer() *server { return &server{emitters: make(map[UID]map[uint64]wire.Report)} }

func (s *server) Send(_ context.Context, b wire.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range b.Reports {
		f := stored
		if s.fate != nil {
			f = s.fate(r)
		}
		if f == lost {
			return errLink
		}
		if f == refused {
			return &SendError{Permanent: true, Err: errors.New("unwelcome")}
		}
		s.store(r)
		if f == lostAck {
			return errLink
		}
	}
	return nil
}

func (s *server) store(r wire.Report) {
	body, err := wire.EncodeProto(wire.Batch{Reports: []wire.Report{r}})
	if err != nil {
		s.fault("report %d cannot be encoded: %w", r.Number, err)
		return
	}
	b, err := wire.DecodeProto(body, wire.DefaultLimits())
	if err != nil {
		s.fault("report %d cannot be read: %w", r.Number, err)
		return
	}
	if err := wire.Validate(b, wire.DefaultLimits(), time.Now()); err != nil {
		s.fault("report %d is refused: %w", r.Number, err)
	}
	r = b.Reports[0]
	known := s.emitters[r.Emitter]
	if known == nil {
		known = make(map[uint64]wire.Report)
		s.emitters[r.Emitter] = known
	}
	if old, twice := known[r.Number]; twice {
		if wire.Digest(old) != wire.Digest(r) {
			s.fault("number %d of %s was used twice with different content", r.Number, r.Emitter)
		}
		return
	}
	if r.Number != uint64(len(known))+1 {
		s.fault("number %d of %s came after %d reports", r.Number, r.Emitter, len(known))
	}
	known[r.Number] = r
	s.order = append(s.order, r)
	if s.arrived != nil {
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}
}

func (s *server) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf(format, args...))
}

func (s *server) reports() []wire.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]wire.Report(nil), s.order...)
}

func (s *server) check(t testingT) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.faults {
		t.Error(err)
	}
}

type testingT interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// joined is what the server knows of one window of one source under one emitter.
type joined struct {
	rolls        [wire.Kinds]*roaring.Bitmap
	observations uint64
	bytes        uint64
}

type joinKey struct {
	emitter UID
	start   time.Time
	source  UID
}

// join unites all that was stored.
func (s *server) join() map[joinKey]*joined {
	out := make(map[joinKey]*joined)
	for _, r := range s.reports() {
		for _, w := range r.Windows {
			for _, src := range w.Sources {
				k := joinKey{r.Emitter, w.Start, src.ID}
				if out[k] == nil {
					out[k] = &joined{}
				}
				out[k].take(src)
			}
		}
	}
	return out
}

func (j *joined) take(src wire.Source) {
	for k, r := range src.Rolls {
		if r == nil {
			continue
		}
		if j.rolls[k] == nil {
			j.rolls[k] = roaring.New()
		}
		j.rolls[k].Or(r)
	}
	j.observations = max(j.observations, src.Observations)
	j.bytes = max(j.bytes, src.Bytes)
}

// seen returns the numbers that the server knows as kind of a source, over all
// windows and emitters.
func (s *server) rolls(k wire.Kind) map[UID]*roaring.Bitmap {
	out := make(map[UID]*roaring.Bitmap)
	for key, j := range s.join() {
		if j.rolls[k] == nil {
			continue
		}
		if out[key.source] == nil {
			out[key.source] = roaring.New()
		}
		out[key.source].Or(j.rolls[k])
	}
	return out
}

func mustHop(t testingT, cfg HopConfig) *Hop {
	t.Helper()
	cfg.Stream, cfg.Hop = "orders", "sink"
	h, err := NewHop(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustSource(t testingT, cfg SourceConfig) *Source {
	t.Helper()
	s, err := NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event(source UID, n uint32, at time.Time) Header {
	return Header{Flags: wire.FlagNumbered, UID: source.WithSequence(n), ProducedAt: at, Checksum: 7}
}
