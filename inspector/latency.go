package inspector

import (
	"math"
	"slices"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// percentiles reads an exponential histogram (OpenTelemetry data model): each figure is the upper
// bound of the bucket that holds it, so it never says less than was measured. Values below
// zero are clock skew, not latency, and are left out. It returns nil where nothing was measured.
func percentiles(h store.Histogram) *api.Latency {
	total := h.Zero
	buckets := make([]int32, 0, len(h.Counts))
	for i, n := range h.Counts {
		if n > 0 {
			buckets = append(buckets, i)
			total += n
		}
	}
	if total == 0 {
		return nil
	}
	slices.Sort(buckets)
	at := func(q float64) float64 { return quantile(h, buckets, uint64(math.Ceil(q*float64(total)))) }
	return &api.Latency{P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: at(1)}
}

// quantile returns the upper bound of the bucket that holds the value of the given rank, 1 for the smallest.
func quantile(h store.Histogram, buckets []int32, rank uint64) float64 {
	below := h.Zero
	if rank <= below {
		return 0
	}
	for _, i := range buckets {
		below += h.Counts[i]
		if rank <= below {
			return upper(i, h.Scale)
		}
	}
	return 0
}

// upper is base^(i+1) with base = 2^(2^-scale), in ms; beyond what a float holds it is the largest float, which JSON can carry.
func upper(i, scale int32) float64 {
	return min(math.Exp2(math.Ldexp(float64(i)+1, -int(scale))), math.MaxFloat64)
}
