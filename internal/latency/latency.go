// Package latency is the arithmetic of latency histograms: adding them, making them coarser, and reading quantiles with
// the bounds they are known to lie in. It owns these rules and must not know where histograms come from, how they are
// stored or how they are shown.
//
// A histogram is the exponential one of the OpenTelemetry metrics data model. Its buckets have fixed bounds, so that
// adding histograms, over emitters, windows or scales, gives exactly the histogram of all their events.
package latency

import (
	"maps"
	"math"
	"math/bits"
	"slices"
)

// Histogram counts how long after production events were taken over, in ms. Bucket i of Counts holds (base^i, base^(i+1)]
// with base = 2^(2^-Scale). The zero value is empty. Counts stop at the greatest uint64 and never wrap.
type Histogram struct {
	Scale      int32 // means nothing while Counts is empty
	Counts     map[int32]uint64
	Zero       uint64 // taken over within the millisecond of their production
	Negative   uint64 // taken over before their production, by the clocks: they arrived, and how late is not known
	Untold     uint64 // arrived at least, and no hop told when; see Deliver
	NotArrived uint64 // later than any number
}

// Deliver says that at least n events arrived, of which more may not have been told than were measured: a hop need not measure. Repeats that
// were measured hide as many.
func (h *Histogram) Deliver(n uint64) {
	if known := plus(h.Measured(), h.Negative); n > known {
		h.Untold = max(h.Untold, n-known)
	}
}

// Arrived is how many events arrived, whether or not anybody told when, and as often as they were measured.
func (h Histogram) Arrived() uint64 { return plus(plus(h.Measured(), h.Negative), h.Untold) }

// Add adds the events of o. The sum has the coarser of the two scales, which loses nothing else: a coarse bucket is a
// union of finer ones. o is not changed and nothing of it is kept.
func (h *Histogram) Add(o Histogram) {
	h.Zero, h.Negative = plus(h.Zero, o.Zero), plus(h.Negative, o.Negative)
	h.Untold, h.NotArrived = plus(h.Untold, o.Untold), plus(h.NotArrived, o.NotArrived)
	if len(o.Counts) == 0 {
		return
	}
	scale := o.Scale
	if len(h.Counts) > 0 {
		scale = min(scale, h.Scale)
	}
	counts := h.at(scale)
	for i, n := range o.at(scale) {
		counts[i] = plus(counts[i], n)
	}
	h.Scale, h.Counts = scale, counts
}

// Downscale returns the same events at a coarser scale; one that is as coarse already stays as it is.
func (h Histogram) Downscale(scale int32) Histogram {
	if scale < h.Scale {
		h.Scale, h.Counts = scale, h.at(scale)
	}
	return h
}

// at returns the counts of a scale that is not finer, as a map of its own.
func (h Histogram) at(scale int32) map[int32]uint64 {
	if scale == h.Scale && h.Counts != nil {
		return maps.Clone(h.Counts)
	}
	shift := uint64(int64(h.Scale) - int64(scale))
	counts := make(map[int32]uint64, len(h.Counts))
	for i, n := range h.Counts {
		counts[i>>shift] = plus(counts[i>>shift], n)
	}
	return counts
}

// Measured is how many events have a latency of 0 ms or more.
func (h Histogram) Measured() uint64 {
	sum := h.Zero
	for _, n := range h.Counts {
		sum = plus(sum, n)
	}
	return sum
}

// Empty says whether nothing was measured and nothing is missing.
func (h Histogram) Empty() bool { return h.Measured() == 0 && h.Negative == 0 && h.NotArrived == 0 }

// RelativeError is by how much the upper bound of a bucket exceeds its lower one, as a share of it: no value in it is
// exceeded by more. It is 0 where no bucket counts anything, and at most the largest float.
func (h Histogram) RelativeError() float64 {
	if len(h.Counts) == 0 {
		return 0
	}
	return min(math.Expm1(math.Ln2*math.Ldexp(1, -int(h.Scale))), math.MaxFloat64)
}

// Bucket is a count of events whose latency lies above Lower and not above Upper, in ms; 0 and 0 are those within the
// millisecond of their production.
type Bucket struct {
	Lower, Upper float64
	Count        uint64
}

// Buckets returns the buckets that count something, ascending.
func (h Histogram) Buckets() []Bucket {
	buckets := make([]Bucket, 0, len(h.Counts)+1)
	if h.Zero > 0 {
		buckets = append(buckets, Bucket{Count: h.Zero})
	}
	for _, i := range slices.Sorted(maps.Keys(h.Counts)) {
		if n := h.Counts[i]; n > 0 {
			buckets = append(buckets, Bucket{Lower: bound(int64(i), h.Scale), Upper: bound(int64(i)+1, h.Scale), Count: n})
		}
	}
	return buckets
}

// bound is base^i in ms; beyond what a float holds it is the largest float, which JSON can carry.
func bound(i int64, scale int32) float64 {
	return min(math.Exp2(math.Ldexp(float64(i), -int(scale))), math.MaxFloat64)
}

func plus(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}
