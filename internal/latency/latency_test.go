package latency

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// bucketOf is the definition of the OpenTelemetry data model, word by word: the i with base^i < v ≤ base^(i+1).
func bucketOf(v uint64, scale int32) int32 {
	i := int64(math.Ceil(math.Ldexp(math.Log2(float64(v)), int(scale)))) - 1
	for bound(i, scale) >= float64(v) {
		i--
	}
	for bound(i+1, scale) < float64(v) {
		i++
	}
	return int32(i)
}

// observed is the histogram of an emitter that took events over with these latencies.
func observed(scale int32, latencies ...int64) Histogram {
	h := Histogram{Scale: scale, Counts: map[int32]uint64{}}
	for _, ms := range latencies {
		switch {
		case ms < 0:
			h.Negative++
		case ms == 0:
			h.Zero++
		default:
			h.Counts[bucketOf(uint64(ms), scale)]++
		}
	}
	return h
}

// anyLatency is small, usual, or huge; sometimes on a bound of buckets, and sometimes negative.
func anyLatency() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64Range(0, 5), rapid.Int64Range(0, 60_000), rapid.Int64Range(1, math.MaxInt64/2), rapid.Int64Range(-5000, -1),
		rapid.Map(rapid.IntRange(0, 62), func(e int) int64 { return 1 << e }),
	)
}

// split is the events of a window, parted among emitters that have scales of their own.
type split struct {
	all   []int64
	parts []Histogram
	scale int32 // the coarsest of those that counted something in a bucket
}

func anySplit(t *rapid.T) split {
	s := split{scale: math.MaxInt32}
	for range rapid.IntRange(1, 6).Draw(t, "emitters") {
		scale := rapid.OneOf(rapid.Just(int32(3)), rapid.Int32Range(-10, 20)).Draw(t, "scale")
		events := rapid.SliceOfN(anyLatency(), 0, 40).Draw(t, "events")
		s.all = append(s.all, events...)
		s.parts = append(s.parts, observed(scale, events...))
		if slices.ContainsFunc(events, func(ms int64) bool { return ms > 0 }) {
			s.scale = min(s.scale, scale)
		}
	}
	return s
}

// merge adds the parts one by one, or in groups that are added afterwards.
func merge(t *rapid.T, parts []Histogram) Histogram {
	shuffled := rapid.Permutation(parts).Draw(t, "order")
	groups := make([]Histogram, rapid.IntRange(1, 3).Draw(t, "groups"))
	for i, p := range shuffled {
		groups[i%len(groups)].Add(p)
	}
	var sum Histogram
	for _, g := range groups {
		sum.Add(g)
	}
	return sum
}

func TestMergingAnySplitGivesTheHistogramOfAllEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySplit(t)
		got := merge(t, s.parts)
		want := observed(s.scale, s.all...)
		if len(want.Counts) == 0 {
			want.Counts, want.Scale = nil, 0
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("events %v: (-of all +merged)\n%s", s.all, d)
		}
	})
}

// exact is the ⌈p·n/1000⌉-th smallest of what arrived in order, followed by what did not arrive; ok is false for those.
func exact(sorted []int64, notArrived, p uint64) (ms int64, ok bool) {
	rank := max(1, (p*(uint64(len(sorted))+notArrived)+999)/1000)
	if rank > uint64(len(sorted)) {
		return 0, false
	}
	return sorted[rank-1], true
}

func TestQuantilesOfAnySplitBoundTheExactOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySplit(t)
		h := merge(t, s.parts)
		h.Negative, h.NotArrived = 0, rapid.Uint64Range(0, 50).Draw(t, "not arrived")
		sorted := slices.DeleteFunc(s.all, func(ms int64) bool { return ms < 0 })
		slices.Sort(sorted)
		asked := append(rapid.SliceOfN(rapid.Uint64Range(0, 1000), 0, 5).Draw(t, "asked"), 500, 950, 990, 1000)
		for k, v := range h.Quantiles(asked...) {
			ms, arrived := exact(sorted, h.NotArrived, asked[k])
			if len(sorted)+int(h.NotArrived) > 0 && arrived != (v.Kind == Measured) {
				t.Fatalf("p%d of %v and %d not arrived is %+v", asked[k], sorted, h.NotArrived, v)
			}
			if v.Kind != Measured {
				continue
			}
			exactly := float64(ms)
			within := v.Lower < exactly && exactly <= v.Upper || ms == 0 && v.Upper == 0
			if !within || v.Upper-exactly > h.RelativeError()*exactly*(1+1e-9) {
				t.Fatalf("p%d of %v is %d, told as %+v with error %v", asked[k], sorted, ms, v, h.RelativeError())
			}
		}
	})
}

func TestNoFigureIsInfiniteOrNotANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		huge := rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(math.MaxUint64)))
		h := Histogram{
			Scale:  rapid.Int32().Draw(t, "scale"),
			Counts: rapid.MapOf(rapid.Int32(), huge).Draw(t, "counts"),
			Zero:   huge.Draw(t, "zero"), Negative: huge.Draw(t, "negative"), NotArrived: huge.Draw(t, "not arrived"),
		}
		h.Add(h)
		h.Add(h.Downscale(rapid.Int32().Draw(t, "coarser")))
		figures := []float64{h.RelativeError()}
		for _, b := range h.Buckets() {
			figures = append(figures, b.Lower, b.Upper)
		}
		for _, v := range h.Quantiles(0, 500, 990, 1000, math.MaxUint64) {
			figures = append(figures, v.Lower, v.Upper)
		}
		for _, f := range figures {
			if math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
				t.Fatalf("%v in %v", f, figures)
			}
		}
	})
}

func TestCountsThatAreTooLargeStopAndDoNotWrap(t *testing.T) {
	h := Histogram{Counts: map[int32]uint64{4: math.MaxUint64 - 1, 5: 7}, NotArrived: math.MaxUint64}
	h.Add(Histogram{Counts: map[int32]uint64{4: 9}, NotArrived: 1})
	want := Histogram{Counts: map[int32]uint64{4: math.MaxUint64, 5: 7}, NotArrived: math.MaxUint64}
	if d := cmp.Diff(want, h); d != "" || h.Measured() != math.MaxUint64 {
		t.Errorf("%s, measured %d", d, h.Measured())
	}
	if v := h.Quantiles(500, 501); v[0] != (Value{Measured, 16, 32}) || v[1].Kind != NotArrived {
		t.Errorf("quantiles %+v", v)
	}
}

func TestADownscaledHistogramIsThatOfTheCoarserScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fine := rapid.Int32Range(-10, 20).Draw(t, "scale")
		coarse := rapid.Int32Range(-10, 20).Draw(t, "coarser")
		events := rapid.SliceOf(anyLatency()).Draw(t, "events")
		want := observed(min(fine, coarse), events...)
		if d := cmp.Diff(want, observed(fine, events...).Downscale(coarse)); d != "" {
			t.Fatal(d)
		}
	})
}

func TestAddKeepsNothingOfWhatIsAdded(t *testing.T) {
	part := Histogram{Scale: 3, Counts: map[int32]uint64{1: 1}}
	var sum Histogram
	sum.Add(part)
	sum.Add(part)
	copied := part
	copied.Add(part)
	coarse := part.Downscale(0)
	coarse.Counts[0]++
	if d := cmp.Diff(Histogram{Scale: 3, Counts: map[int32]uint64{1: 1}}, part); d != "" || sum.Counts[1] != 2 {
		t.Errorf("the part has changed: %s; the sum is %+v", d, sum)
	}
}

func TestWhatHasNotArrivedIsLaterThanAnyNumber(t *testing.T) {
	h := Histogram{Counts: map[int32]uint64{3: 98}, NotArrived: 2}
	got := h.Quantiles(500, 980, 981, 990, 1000)
	in, not := Value{Measured, 8, 16}, Value{Kind: NotArrived}
	if d := cmp.Diff([]Value{in, in, not, not, not}, got); d != "" {
		t.Error(d)
	}
}

func TestSkewedEventsCountAsArrivedAndGiveNoNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Histogram
		want []Value // p50, p99, max
	}{
		{"nothing", Histogram{}, []Value{{}, {}, {}}},
		{"all skewed", Histogram{Negative: 1000}, []Value{{}, {}, {}}},
		{"all skewed, one lost", Histogram{Negative: 1000, NotArrived: 1}, []Value{{}, {}, {Kind: NotArrived}}},
		{"nothing arrived", Histogram{NotArrived: 1}, []Value{{Kind: NotArrived}, {Kind: NotArrived}, {Kind: NotArrived}}},
		{"nobody measured, some lost", Histogram{Untold: 995, NotArrived: 5}, []Value{{}, {}, {Kind: NotArrived}}},
		{"the measured stand for the skewed", Histogram{Zero: 1, Counts: map[int32]uint64{3: 1}, Negative: 1000}, []Value{{Kind: Measured}, {Measured, 8, 16}, {Measured, 8, 16}}},
		{"and do so where one is lost", Histogram{Zero: 1, Counts: map[int32]uint64{3: 1}, Negative: 1000, NotArrived: 1}, []Value{{Measured, 8, 16}, {Measured, 8, 16}, {Kind: NotArrived}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, c.in.Quantiles(500, 990, 1000)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTheErrorIsTheWidthOfABucket(t *testing.T) {
	one := map[int32]uint64{0: 1}
	for _, c := range []struct {
		in   Histogram
		want float64
	}{
		{Histogram{Scale: 3, Zero: 5}, 0},
		{Histogram{Scale: 3, Counts: one}, 0.0905},
		{Histogram{Scale: 0, Counts: one}, 1},
		{Histogram{Scale: -1, Counts: one}, 3},
		{Histogram{Scale: 20, Counts: one}, 6.6104e-07},
		{Histogram{Scale: -10, Counts: one}, math.MaxFloat64},
	} {
		if got := c.in.RelativeError(); math.Abs(got-c.want) > 1e-4*c.want {
			t.Errorf("scale %d: error %v, want %v", c.in.Scale, got, c.want)
		}
	}
}

// TestRanksAreExactBeyondWhatAFloatHolds asks for a rank that rounding would put one bucket further.
func TestRanksAreExactBeyondWhatAFloatHolds(t *testing.T) {
	const n = uint64(1) << 62
	h := Histogram{Counts: map[int32]uint64{0: n / 2, 1: n / 2}}
	if v := h.Quantiles(500)[0]; v != (Value{Measured, 1, 2}) {
		t.Errorf("the median of %v is %+v", h.Counts, v)
	}
	rank, _ := rankOf(999, n, n, 0)
	want := new(big.Int).Mul(whole(999), whole(n))
	want.Add(want, whole(999)).Div(want, whole(1000))
	if rank != want.Uint64() {
		t.Errorf("rank %d, want %d", rank, want)
	}
}

// TestWhatIsMeasuredTogetherDoesNotHideWhatIsMissingOnOneWay has two ways lead to a hop: one brings half of its ten events, the other all of 9990.
func TestWhatIsMeasuredTogetherDoesNotHideWhatIsMissingOnOneWay(t *testing.T) {
	h := Histogram{Zero: 5000, Counts: map[int32]uint64{3: 4995}, NotArrived: 5}
	if v := h.Quantiles(990); v[0].Kind != Measured {
		t.Fatalf("of the hop p99 is %+v", v)
	}
	got := h.QuantilesAmong(5, 250, 500, 501, 1000)
	want := []Value{{Kind: Measured}, {Measured, 8, 16}, {Kind: NotArrived}, {Kind: NotArrived}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, none := range []Histogram{{Zero: 3}, {}} {
		if v := none.QuantilesAmong(0, 0, 500)[1]; v.Kind != Unmeasured {
			t.Errorf("of no event the median is %+v", v)
		}
	}
}

func TestQuantilesAmongAllThatArrivedAreTheQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := merge(t, anySplit(t).parts)
		h.NotArrived = rapid.Uint64Range(0, 50).Draw(t, "not arrived")
		h.Deliver(rapid.Uint64Range(0, 500).Draw(t, "delivered"))
		p := rapid.Uint64Range(0, 1000).Draw(t, "asked")
		if d := cmp.Diff(h.Quantiles(p), h.QuantilesAmong(h.Arrived(), p)); d != "" {
			t.Fatal(d)
		}
		// Twice of all is the same at every quantile: it is shares that count.
		double := h
		double.Add(h)
		if d := cmp.Diff(h.QuantilesAmong(h.Arrived(), p), double.QuantilesAmong(double.Arrived(), p)); d != "" {
			t.Fatal(d)
		}
	})
}
