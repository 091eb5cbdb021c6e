package bench

import (
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// weighed is what the bodies of one hop come to, in bytes.
type weighed struct{ plain, gzip, zstd int }

// scales weighs what hops send.
type scales struct {
	hops []weighed
	zstd *zstd.Encoder
}

func (s *scales) weigh(hop int, batch wire.Batch) error {
	body, err := wire.EncodeProto(batch)
	if err != nil {
		return err
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped) // as audit.HTTPTransport does
	if _, err := z.Write(body); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w := &s.hops[hop]
	w.plain += len(body)
	w.gzip += zipped.Len()
	w.zstd += len(s.zstd.EncodeAll(body, nil))
	return nil
}

// BenchmarkWireBytes says how many bytes an event costs on the wire, at the first hop, which sees the numbers in order, and at a later
// one, whose 8 emitters each see a random eighth of them. Everything a report has is counted, hellos and heartbeats too.
func BenchmarkWireBytes(b *testing.B) {
	for _, c := range []struct {
		name string
		plan plan
	}{
		{"31000-a-second", plan{Seconds: 60, After: 5, Sources: 8, Emitters: 8, Hops: 2, PerSecond: 8 * 31_000}},
		{"1000-a-second", plan{Seconds: 60, After: 5, Sources: 8, Emitters: 8, Hops: 2, PerSecond: 8 * 1000}},
		{"20-a-minute", plan{Seconds: 60, After: 5, Sources: 24_000, Emitters: 8, Hops: 2, PerSecond: 8000, InTurn: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.plan.Start = windowStart()
				weighPlan(b, c.plan)
			}
		})
	}
}

func weighPlan(b *testing.B, p plan) {
	b.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		b.Fatal(err)
	}
	s := scales{hops: make([]weighed, p.Hops), zstd: encoder}
	begun := time.Now()
	m, err := newMachine(p, s.weigh)
	if err != nil {
		b.Fatal(err)
	}
	if err := m.play(func(int) error { return nil }); err != nil {
		b.Fatal(err)
	}
	if err := m.close(); err != nil {
		b.Fatal(err)
	}
	for hop, w := range s.hops {
		for _, way := range []struct {
			name string
			n    int
		}{{"plain", w.plain}, {"gzip", w.gzip}, {"zstd", w.zstd}} {
			b.ReportMetric(float64(way.n)/float64(p.events()), hopName(hop)+"-"+way.name+"-B/event")
		}
	}
	b.Logf("%d events in %s", p.events(), time.Since(begun))
}
