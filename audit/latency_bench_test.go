package audit

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// BenchmarkObserveLatency measures what counting its latency adds to observing an event. It observes with and without it by turns, so
// that both have the same machine, and gives both figures, the difference and the ratio of one run.
func BenchmarkObserveLatency(b *testing.B) {
	const turn = 1024 // events observed one way before it is the other's turn
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	ways := [2]func(Header, uint32, int, time.Time) Mark{h.Observe, h.observeUnmeasured}
	headers, took, next := [2]Header{}, [2]time.Duration{}, [2]uint32{}
	for w := range headers {
		headers[w] = Header{Flags: wire.FlagNumbered, UID: newID(now), ProducedAt: now, Checksum: 7}
	}
	b.ReportAllocs()
	turns := 0
	for b.Loop() {
		for w, observe := range ways {
			began := time.Now()
			for range turn {
				binary.BigEndian.PutUint32(headers[w].UID[12:], next[w])
				at := now.Add(time.Duration(next[w]%4096) * time.Millisecond)
				observe(headers[w], 7, 100, at)
				next[w]++
			}
			took[w] += time.Since(began)
		}
		turns++
	}
	events := float64(turns) * turn
	with, without := float64(took[0])/events, float64(took[1])/events
	b.ReportMetric(with, "with-ns/event")
	b.ReportMetric(without, "without-ns/event")
	b.ReportMetric(with-without, "latency-ns/event")
	b.ReportMetric(with/without, "ratio")
}

// observeUnmeasured is Observe of a numbered event but for its latency.
func (h *Hop) observeUnmeasured(hdr Header, sum uint32, size int, at time.Time) Mark {
	high, low := key(&hdr.UID)
	if !numbered(hdr.Flags, high, low) {
		return h.observeForeign(hdr.UID.String(), hdr.ProducedAt, at, sum != hdr.Checksum)
	}
	if at.IsZero() {
		at = time.Now()
	}
	ms := hdr.ProducedAt.UnixMilli()
	st := h.stripe(low)
	st.mu.Lock()
	p := st.last
	if p == nil || uint64(ms-p.start) >= uint64(h.length) {
		if p = h.turn(st, ms, at, 1); p == nil {
			st.mu.Unlock()
			return MarkUnplaced
		}
	}
	e, n := p.source(high, low), hdr.UID.Sequence()
	p.touch(e)
	var m Mark
	if e.see(n, size) {
		m |= MarkRepeated
	}
	if sum != hdr.Checksum {
		e.mark(wire.Corrupt, n)
		m |= MarkCorrupt
	}
	st.mu.Unlock()
	return m
}

// The benchmark would measure something else if the two parted.
func TestObservingWithoutLatencyTellsAllElse(t *testing.T) {
	now := time.Now()
	source := newID(now)
	tell := func(observe func(*Hop) func(Header, uint32, int, time.Time) Mark) (wire.Window, []Mark) {
		h := mustHop(t, HopConfig{Transport: discard{}})
		var marks []Mark
		for _, n := range []uint32{0, 1, 2, 2, 9} {
			hdr := Header{Flags: wire.FlagNumbered, UID: source.WithSequence(n), ProducedAt: now, Checksum: 7}
			marks = append(marks, observe(h)(hdr, 7+n/9, 100, now))
		}
		h.seal(0)
		_, r := h.nextReport()
		return r.Windows[0], marks
	}
	with, marks := tell(func(h *Hop) func(Header, uint32, int, time.Time) Mark { return h.Observe })
	without, same := tell(func(h *Hop) func(Header, uint32, int, time.Time) Mark { return h.observeUnmeasured })
	if with.Latency == nil || with.Latency.Zero != 5 || without.Latency != nil {
		t.Errorf("latencies %+v and %+v", with.Latency, without.Latency)
	}
	with.Latency = nil
	if !slices.Equal(marks, same) || wire.Digest(wire.Report{Windows: []wire.Window{with}}) != wire.Digest(wire.Report{Windows: []wire.Window{without}}) {
		t.Errorf("%v %+v\n%v %+v", marks, with, same, without)
	}
}
