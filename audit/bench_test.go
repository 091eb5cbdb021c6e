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
