package latency

import "math/big"

// Kind says what is known of a quantile.
type Kind uint8

// What a quantile can be.
const (
	Unmeasured Kind = iota // an event that arrived, or none at all; no latency was measured
	Measured               // between the bounds
	NotArrived             // an event that has not arrived: later than any number
)

// Value is what is known of a quantile: it lies above Lower and not above Upper, in ms (both are 0 within the
// millisecond of production). The bounds are 0 where it is not Measured.
type Value struct {
	Kind         Kind
	Lower, Upper float64
}

// Quantiles returns the quantiles at the given thousandths, of all events: 500 is the median, 1000 the greatest. The
// quantile of n events at p is the ⌈p·n/1000⌉-th smallest. Events that have not arrived come last. Those with a negative
// latency, and those nobody told of, arrived and count as that; how long they took is not known, so that the measured ones stand for them.
func (h Histogram) Quantiles(thousandths ...uint64) []Value {
	return h.QuantilesAmong(h.Arrived(), thousandths...)
}

// QuantilesAmong is Quantiles of so many that arrived and those that have not: of one of several ways whose events were measured together, so that
// what was measured stands for those that came by this one.
func (h Histogram) QuantilesAmong(arrived uint64, thousandths ...uint64) []Value {
	buckets, measured := h.Buckets(), h.Measured()
	values := make([]Value, len(thousandths))
	for k, p := range thousandths {
		rank, kind := rankOf(p, measured, arrived, h.NotArrived)
		values[k].Kind = kind
		if kind == Measured {
			values[k].Lower, values[k].Upper = find(buckets, rank)
		}
	}
	return values
}

// rankOf returns which of the measured events, 1 for the smallest, the quantile at p thousandths is.
func rankOf(p, measured, arrived, notArrived uint64) (uint64, Kind) {
	came := whole(arrived)
	at := new(big.Int).Add(came, whole(notArrived)) // p·n, in thousandths
	at.Mul(at, whole(p))
	all := came.Mul(came, whole(1000))
	switch {
	case at.Cmp(all) > 0:
		return 0, NotArrived
	case measured == 0 || arrived == 0:
		return 0, Unmeasured
	}
	at.Mul(at, whole(measured))
	rank, rest := at.QuoRem(at, all, new(big.Int))
	if rest.Sign() > 0 || rank.Sign() == 0 {
		rank.Add(rank, whole(1))
	}
	return rank.Uint64(), Measured
}

func whole(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// find returns the bounds of the bucket that holds the value of a rank that is not beyond the last.
func find(buckets []Bucket, rank uint64) (lower, upper float64) {
	below := uint64(0)
	for _, b := range buckets {
		if below = plus(below, b.Count); rank <= below {
			return b.Lower, b.Upper
		}
	}
	return 0, 0
}
