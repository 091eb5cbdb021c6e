package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// herd is many streams of two hops, each with one emitter, all alive, that had some events and are quiet since.
type herd struct {
	database
	meter
	streams int
	start   time.Time
	now     time.Time
	numbers []uint64 // of the last report of each stream's emitters
}

func (h *herd) name(i int) string { return fmt.Sprintf("stream-%05d", i) }

// reports are one of each emitter of stream i, sent now, which mention the given windows.
func (h *herd) reports(i int, windows []wire.Window) []store.Received {
	h.numbers[i]++
	var both []store.Received
	for hop := range 2 {
		r := wire.Report{
			Stream: h.name(i), Hop: hopName(hop), Emitter: emitterID(i, hop), Host: "host", Heartbeat: heartbeat, Number: h.numbers[i],
			SentAt: h.now, State: wire.Running, Lanes: map[string]time.Time{"": h.now}, Windows: windows,
		}
		if hop > 0 {
			r.After = []string{hopName(hop - 1)}
		}
		both = append(both, store.Received{Report: r, At: h.now})
	}
	return both
}

func emitterID(i, hop int) wire.UID {
	return wire.UID{1, 2, 3, 4, 5, 6, 0x80, byte(hop), 0x80, byte(i >> 16), byte(i >> 8), byte(i)}
}

func (h *herd) events(i int) []wire.Window {
	src := wire.Source{ID: emitterID(i, 7), Observations: 20, Bytes: 2000}
	src.Rolls[wire.Seen] = roaring.New()
	src.Rolls[wire.Seen].AddRange(0, 20)
	return []wire.Window{{Start: h.start, Seconds: 60, Sources: []wire.Source{src}}}
}

// hear inserts one round of reports of the streams [from, to).
func (h *herd) hear(b *testing.B, from, to int, windows func(i int) []wire.Window) {
	b.Helper()
	var all []store.Received
	for i := from; i < to; i++ {
		all = append(all, h.reports(i, windows(i))...)
	}
	for len(all) > 0 {
		n := min(len(all), 5000)
		if err := h.insert(b.Context(), all[:n]); err != nil {
			b.Fatal(err)
		}
		all = all[n:]
	}
}

func none(int) []wire.Window { return nil }

// tick moves the clock on and makes a pass.
func (h *herd) tick(b *testing.B, d time.Duration) ([]store.Verdict, time.Duration) {
	b.Helper()
	h.now = h.now.Add(d)
	begun := time.Now()
	said, err := reconcile.Pass(b.Context(), h.Store, h.now)
	if err != nil {
		b.Fatal(err)
	}
	return said, time.Since(begun)
}

// newHerd brings the streams to where their window is complete, and every stream has reported within five seconds.
func newHerd(b *testing.B, streams int) *herd {
	b.Helper()
	d := openDatabase(b)
	h := &herd{database: d, meter: newMeter(b), streams: streams, start: windowStart(), numbers: make([]uint64, streams)}
	h.now = h.start.Add(30 * time.Second)
	for i := range streams {
		if i%100 == 0 { // some have settings of their own
			if err := d.PutSettings(b.Context(), store.DefaultSettings(h.name(i)), h.now); err != nil {
				b.Fatal(err)
			}
		}
	}
	h.hear(b, 0, streams, h.events)
	complete := map[string]bool{}
	for range 6 {
		h.now = h.now.Add(10 * time.Second)
		h.hear(b, 0, streams, none)
		said, _ := h.tick(b, time.Second)
		for _, v := range said {
			if v.Start.Equal(h.start) && v.State == store.Complete && v.Delivered == 20 {
				complete[v.Stream] = true
			}
		}
	}
	if len(complete) != streams {
		b.Fatalf("%d of %d streams are complete", len(complete), streams)
	}
	return h
}

// aged gives every emitter an hour of heartbeats, as the reports before say, without a pass.
func (h *herd) aged(b *testing.B) {
	b.Helper()
	const repeat = `
INSERT INTO lanes
SELECT * REPLACE (
    top + k * 5000 AS top, number + k AS number, digest + k AS digest, sent_at + k * 5000 AS sent_at, received_at + k * 5000 AS received_at,
    mapApply((lane, at) -> (lane, at + k * 5000), lanes) AS lanes, first_receipt - k * 5000 AS first_receipt)
FROM (SELECT * FROM lanes WHERE number = ?) ARRAY JOIN CAST(range(1, 721), 'Array(Int64)') AS k`
	if _, err := h.sql(b).ExecContext(b.Context(), repeat, h.numbers[0]); err != nil {
		b.Fatal(err)
	}
	for i := range h.numbers {
		h.numbers[i] += 720
	}
	h.now = h.now.Add(time.Hour)
}

// measure makes passes a second of the herd's time apart, before each of which some streams send their heartbeats, in turn.
func (h *herd) measure(b *testing.B, passes, heard int) {
	b.Helper()
	var took, slowest time.Duration
	var used cpu
	made, next := 0, 0
	for b.Loop() {
		for range passes {
			h.hear(b, next, next+heard, none)
			next = (next + heard) % max(1, heard*heartbeat)
			before := h.cpu()
			_, d := h.tick(b, time.Second)
			used = used.plus(h.cpu().minus(before))
			took, slowest, made = took+d, max(slowest, d), made+1
		}
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(made), "pass-ms")
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-pass-ms")
	b.ReportMetric(float64(used.self.Milliseconds())/float64(made), "server-cpu-ms/pass")
	b.ReportMetric(float64(used.clickHouse.Milliseconds())/float64(made), "clickhouse-cpu-ms/pass")
}

// BenchmarkQuietStreams is a pass over 10 000 streams with live emitters and closed windows: with nothing new from any, and while all send their
// heartbeats, 2 000 of them in each second; and the latter over 500 streams whose
// emitters have an hour of heartbeats behind them.
func BenchmarkQuietStreams(b *testing.B) {
	h := newHerd(b, scaled(b, 10_000))
	heard := h.streams / heartbeat
	b.Run("nothing-new", func(b *testing.B) { h.measure(b, 5, 0) })
	b.Run("heartbeats", func(b *testing.B) { h.measure(b, 15, heard) })
	b.Run("heartbeats-after-an-hour", func(b *testing.B) {
		h := newHerd(b, scaled(b, 500))
		h.aged(b)
		for range heartbeat { // what ended meanwhile is examined before it is measured
			h.hear(b, 0, h.streams, none)
			h.tick(b, time.Second)
		}
		b.ResetTimer()
		h.measure(b, 5, h.streams/heartbeat)
	})
}
