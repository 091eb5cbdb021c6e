package audit

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// discard is a transport whose server takes everything.
type discard struct{}

func (discard) Send(context.Context, wire.Batch) error { return nil }

func BenchmarkNumber(b *testing.B) {
	src, err := NewSource(SourceConfig{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		src.Next(now)
	}
}

func BenchmarkNumberWithJournal(b *testing.B) {
	j, err := OpenJournal(JournalConfig{Dir: b.TempDir(), Stream: "orders", Hop: "app"})
	if err != nil {
		b.Fatal(err)
	}
	src, err := NewSource(SourceConfig{Journal: j})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		src.Next(now)
	}
}

// BenchmarkReportBytes measures what the reports of one lane of eight cost on the wire,
// at 31 000 events/s of a source and the default heartbeat, per event of that lane.
func BenchmarkReportBytes(b *testing.B) {
	const perBeat = 31_000 * 5
	var bytes, events int
	for b.Loop() {
		h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
		if err != nil {
			b.Fatal(err)
		}
		start := WindowOf(time.Now(), time.Minute)
		e := Header{Flags: wire.FlagNumbered, UID: newID(start), ProducedAt: start}
		for n := range uint32(12 * perBeat) {
			if rand.N(8) == 0 {
				binary.BigEndian.PutUint32(e.UID[12:], n)
				h.Observe(e, 0, 100, start.Add(time.Duration(rand.N(200))*time.Millisecond))
				events++
			}
			if n%perBeat == perBeat-1 {
				h.seal(0)
				for em, r := h.nextReport(); r != nil; em, r = h.nextReport() {
					body, err := zip(wire.Batch{Reports: []wire.Report{*r}})
					if err != nil {
						b.Fatal(err)
					}
					bytes += len(body)
					if err := h.accept(em, r); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
	}
	b.ReportMetric(float64(bytes)/float64(events), "wire-bytes/event")
}

// BenchmarkObserve64Sources observes events of 64 sources, interleaved at random;
// each source's events come in order, all of them or about one in four, as one of
// four partitions gets them.
func BenchmarkObserve64Sources(b *testing.B) {
	for _, c := range []struct {
		name string
		step uint32
	}{{"all", 1}, {"some", 8}} {
		b.Run(c.name, func(b *testing.B) { observe64(b, c.step) })
	}
}

func observe64(b *testing.B, step uint32) {
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	var headers [64]Header
	for i := range headers {
		headers[i] = Header{Flags: wire.FlagNumbered, UID: newID(now), ProducedAt: now.Add(-12 * time.Millisecond), Checksum: 7}
	}
	order := make([]uint8, 1<<14)
	for i := range order {
		order[i] = uint8(rand.N(64))
	}
	var next [64]uint32
	for i := range 64 * 1000 { // past the start, as a hop that runs
		s := i % 64
		binary.BigEndian.PutUint32(headers[s].UID[12:], next[s])
		h.Observe(headers[s], 7, 100, now)
		next[s] += step
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := order[i&(len(order)-1)]
		i++
		binary.BigEndian.PutUint32(headers[s].UID[12:], next[s])
		h.Observe(headers[s], 7, 100, now)
		next[s] += step - uint32(i)&(step-1)
	}
}
