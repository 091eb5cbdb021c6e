package inspector

import (
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
)

// shownScale is that of the buckets shown: 2^(1/4), or 19 %, wide. The figures rest on the buckets as they were measured.
const shownScale = 2

// The figures told of a distribution, and the thousandths they stand at.
var (
	figureNames = [...]string{"p50", "p95", "p99", "max"}
	thousandths = []uint64{500, 950, 990, 1000}
)

// percentiles tells the latency of a window's row: each figure is the upper bound of the bucket that holds it, so that it
// never says less than was measured. So many as are delivered came by the edge, whatever the hop took over on others. It returns nil where nothing was
// measured.
func percentiles(h latency.Histogram, delivered uint64) *api.Latency {
	arrived := h
	arrived.NotArrived, arrived.Untold = 0, 0
	at := arrived.Quantiles(thousandths...)
	if at[0].Kind != latency.Measured {
		return nil
	}
	l := &api.Latency{
		P50: at[0].Upper, P95: at[1].Upper, P99: at[2].Upper, Max: at[3].Upper,
		RelativeError: h.RelativeError(), Negative: h.Negative, NotArrived: h.NotArrived,
	}
	for i, v := range h.QuantilesAmong(delivered, thousandths...) {
		if v.Kind == latency.NotArrived {
			l.Beyond = append(l.Beyond, figureNames[i])
		}
	}
	return l
}

func distributionOf(t taken) api.Distribution {
	at := t.QuantilesAmong(t.arrived, thousandths...)
	return api.Distribution{
		P50: quantileOf(at[0]), P95: quantileOf(at[1]), P99: quantileOf(at[2]), Max: quantileOf(at[3]), RelativeError: t.RelativeError(),
		Measured: t.Measured(), Negative: t.Negative, Untold: t.Untold, OfHop: t.ofHop, Arrived: t.arrived, NotArrived: t.NotArrived, NotArrivedAtMost: t.atMost,
		Buckets: rows(t.Downscale(shownScale).Buckets(), func(b latency.Bucket) api.Bucket { return api.Bucket(b) }),
	}
}

func quantileOf(v latency.Value) *api.Quantile {
	switch v.Kind {
	case latency.Measured:
		return &api.Quantile{Lower: &v.Lower, Upper: &v.Upper}
	case latency.NotArrived:
		return &api.Quantile{NotArrived: true}
	}
	return nil
}
