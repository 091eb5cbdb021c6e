package audit

import (
	"math/bits"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// latencyScale is the histogram scale of every emitter: a bucket is 2^(1/8), or 9 %, wide.
const latencyScale = 3

// Buckets -1 … maxBucket hold 1 ms … 34 years; anything longer goes into the last.
const maxBucket = 40 * 8

// eighths are the fractions 2^(k/8), k = 1…7, in units of 2^-63, rounded down.
var eighths = [7]uint64{
	0x8b95c1e3ea8bd6e6, 0x9837f0518db8a96f, 0xa5fed6a9b15138ea, 0xb504f333f9de6484,
	0xc5672a115506dadd, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e,
}

// bucketOf returns the exponential histogram bucket of v ms, v ≥ 1: the i with
// base^i < v ≤ base^(i+1), base = 2^(1/8) (OpenTelemetry metrics data model,
// "ExponentialHistogram"). Only powers of two lie on a bound, so that integers
// decide it exactly.
func bucketOf(v uint64) int {
	e := bits.Len64(v) - 1
	m := v << (63 - e)
	if m == 1<<63 {
		return e*8 - 1
	}
	k := 0
	if m > eighths[3] {
		k = 4
	}
	if m > eighths[k+1] {
		k += 2
	}
	if m > eighths[k] {
		k++
	}
	return e*8 + k
}

// histogram counts latencies; bucket i is at counts[i+1].
type histogram struct {
	counts         []uint64
	zero, negative uint64
}

func (h *histogram) add(ms int64) { h.addMany(ms, 1) }

func (h *histogram) addMany(ms int64, n uint64) {
	if ms <= 0 {
		if ms == 0 {
			h.zero += n
		} else {
			h.negative += n
		}
		return
	}
	i := min(bucketOf(uint64(ms)), maxBucket) + 1
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, i+9-len(h.counts))...)
	}
	h.counts[i] += n
}

// addTo adds the counts to what goes on the wire.
func (h *histogram) addTo(l *wire.Latency) *wire.Latency {
	if h.zero == 0 && h.negative == 0 && h.counts == nil {
		return l
	}
	if l == nil {
		l = &wire.Latency{Scale: latencyScale, Counts: make(map[int32]uint64)}
	}
	l.Zero += h.zero
	l.Negative += h.negative
	for i, n := range h.counts {
		if n > 0 {
			l.Counts[int32(i-1)] += n
		}
	}
	return l
}
