package latency

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// keeper takes every report.
type keeper struct {
	mu      sync.Mutex
	reports []wire.Report
}

func (k *keeper) Send(_ context.Context, b wire.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reports = append(k.reports, b.Reports...)
	return nil
}

// join is what the store does with cumulative histograms: of one emitter the greatest count of each bucket.
func join(reports []wire.Report) map[wire.UID]Histogram {
	joined := map[wire.UID]Histogram{}
	for _, r := range reports {
		for _, w := range r.Windows {
			if w.Latency == nil {
				continue
			}
			h := joined[r.Emitter]
			if h.Counts == nil {
				h.Counts = map[int32]uint64{}
			}
			h.Scale, h.Zero, h.Negative = w.Latency.Scale, max(h.Zero, w.Latency.Zero), max(h.Negative, w.Latency.Negative)
			for i, n := range w.Latency.Counts {
				h.Counts[i] = max(h.Counts[i], n)
			}
			joined[r.Emitter] = h
		}
	}
	return joined
}

// TestWhatHopsReportGivesTheQuantilesOfAllEvents lets instances of a hop share the events of one window, each reporting
// when it likes, repeats and reorders the reports, and holds the quantiles of what comes of them against the events.
func TestWhatHopsReportGivesTheQuantilesOfAllEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k, start := &keeper{}, audit.WindowOf(time.Now(), time.Minute)
		var all []int64
		for range rapid.IntRange(1, 4).Draw(rt, "emitters") {
			all = append(all, emit(t, rt, k, start)...)
		}
		again := rapid.SliceOf(rapid.SampledFrom(k.reports)).Draw(rt, "repeated")
		parts := join(rapid.Permutation(slices.Concat(k.reports, again)).Draw(rt, "order"))
		var h Histogram
		for _, part := range parts {
			h.Add(part)
		}
		sorted := slices.DeleteFunc(slices.Clone(all), func(ms int64) bool { return ms < 0 })
		if h.Measured() != uint64(len(sorted)) || h.Negative != uint64(len(all)-len(sorted)) {
			rt.Fatalf("%d measured and %d negative of %v", h.Measured(), h.Negative, all)
		}
		if len(sorted) == 0 {
			return
		}
		slices.Sort(sorted)
		h.Negative = 0
		for i, v := range h.Quantiles(500, 950, 990, 1000) {
			ms, _ := exact(sorted, 0, []uint64{500, 950, 990, 1000}[i])
			if exactly := float64(ms); !(v.Lower < exactly && exactly <= v.Upper && v.Upper < 1.0906*exactly || ms == 0 && v.Upper == 0) {
				rt.Fatalf("quantile %d of %v is %d, told as %+v", i, sorted, ms, v)
			}
		}
	})
}

// emit runs one instance over some events, with reports in between, and returns their latencies.
func emit(t *testing.T, rt *rapid.T, k *keeper, start time.Time) (all []int64) {
	h, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: k})
	if err != nil {
		rt.Fatal(err)
	}
	h.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	source := wire.UID{6: 0x80, 8: 0x80}
	if _, err := rand.Read(source[9:12]); err != nil {
		rt.Fatal(err)
	}
	usual := rapid.OneOf(rapid.Int64Range(-50, 3000), rapid.Int64Range(0, 100*3_600_000))
	for range rapid.IntRange(1, 4).Draw(rt, "reports") {
		for range rapid.IntRange(0, 30).Draw(rt, "events") {
			ms := usual.Draw(rt, "ms")
			hdr := audit.Header{Flags: wire.FlagNumbered, UID: source.WithSequence(uint32(len(all))), ProducedAt: start}
			h.Observe(hdr, 0, 10, start.Add(time.Duration(ms)*time.Millisecond))
			all = append(all, ms)
		}
		if err := h.Flush(ctx); err != nil {
			rt.Fatal(err)
		}
	}
	if err := h.Close(ctx); err != nil {
		rt.Fatal(err)
	}
	return all
}
