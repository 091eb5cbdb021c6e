package api

import "time"

// Latency holds percentiles, in ms since production, of the events that arrived and were measured, each the upper bound of its
// histogram bucket. What did not arrive is told beside them.
type Latency struct {
	P50           float64  `json:"p50"`
	P95           float64  `json:"p95"`
	P99           float64  `json:"p99"`
	Max           float64  `json:"max"`
	RelativeError float64  `json:"relativeError,omitempty" doc:"no figure exceeds the true one by more than this share of it"`
	Negative      uint64   `json:"negative,omitempty" doc:"events taken over before their production, by the clocks; counted apart"`
	NotArrived    uint64   `json:"notArrived,omitempty" doc:"events lost or pending on the edge"`
	Beyond        []string `json:"beyond,omitempty" doc:"those of p50, p95, p99, max that are not arrived once these events are counted"`
}

// Quantile is one figure of a distribution: it lies above lower and not above upper, in ms (0 and 0: within the millisecond of production), or
// it is an event that has not arrived and has no number.
type Quantile struct {
	Lower      *float64 `json:"lower,omitempty"`
	Upper      *float64 `json:"upper,omitempty"`
	NotArrived bool     `json:"notArrived,omitempty"`
}

// Bucket counts events whose latency lies above lower and not above upper, in ms.
type Bucket struct {
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
	Count uint64  `json:"count"`
}

// Distribution says how long after production a hop took events over, those that have not arrived included. A figure is absent where
// nothing was measured.
type Distribution struct {
	P50              *Quantile `json:"p50,omitempty"`
	P95              *Quantile `json:"p95,omitempty"`
	P99              *Quantile `json:"p99,omitempty"`
	Max              *Quantile `json:"max,omitempty"`
	RelativeError    float64   `json:"relativeError" doc:"an upper bound exceeds the true figure by no more than this share of it"`
	Measured         uint64    `json:"measured" doc:"events taken over with a latency of 0 ms or more, repeats included"`
	Negative         uint64    `json:"negative" doc:"events taken over before their production, by the clocks; they count as arrived and give no figure"`
	Untold           uint64    `json:"untold,omitempty" doc:"events that arrived, at least, and of which no hop told when; they give no figure, and the measured ones stand for them"`
	OfHop            bool      `json:"ofHop,omitempty" doc:"other edges lead to the hop too: measured, negative, the buckets and the order of what arrived are of all that it took over, since nobody measures by edge; arrived and notArrived are of this edge"`
	Arrived          uint64    `json:"arrived" doc:"events that the figures speak of beside those that have not arrived: measured, negative and untold, or, of one of several edges, those that it delivered"`
	NotArrived       uint64    `json:"notArrived" doc:"events lost or pending: on the edge, or on all edges on the way to the hop"`
	NotArrivedAtMost bool      `json:"notArrivedAtMost,omitempty" doc:"notArrived may be less: an event that is missing on one way to the hop may have come on another"`
	Buckets          []Bucket  `json:"buckets" doc:"what was measured, ascending, in buckets at least 19 % wide that are the same in every row unless a hop measures more coarsely"`
}

// LatencyOf is the latency of an edge, of a hop, or end to end. The latency of an edge is that of its later hop.
type LatencyOf struct {
	Edge     string `json:"edge,omitempty" doc:"absent in a row of a hop"`
	Hop      string `json:"hop" doc:"the hop that took the events over"`
	EndToEnd bool   `json:"endToEnd,omitempty" doc:"the row is of a hop that no other comes after"`
	Distribution
}

// LatencyWhole is a latency in all windows of a range, merged, with how many of them may still change it.
type LatencyWhole struct {
	LatencyOf
	Standing
}

// LatencyWindow is a latency in one window.
type LatencyWindow struct {
	Start   time.Time `json:"start"`
	Seconds uint32    `json:"seconds"`
	LatencyOf
}

// Freshness says when the newest event that an edge delivered was produced, as exactly as its window, or since when nothing was.
type Freshness struct {
	Edge             string     `json:"edge"`
	Start            *time.Time `json:"start,omitempty" doc:"start of the window in which the event was produced; absent where nothingSince is there"`
	Seconds          uint32     `json:"seconds,omitempty"`
	AgeMillis        int64      `json:"ageMillis" doc:"its age at most: since the window's start; or since nothingSince, which it exceeds"`
	AgeAtLeastMillis int64      `json:"ageAtLeastMillis" doc:"its age at least: since the window's end, or since nothingSince"`
	NothingSince     *time.Time `json:"nothingSince,omitempty" doc:"no event produced since then was delivered: 7 days ago, or when the stream was first heard of"`
}

// Clock says what is known of a host's clock.
type Clock struct {
	Host         string `json:"host"`
	AtLeastAhead *int64 `json:"atLeastAheadMillis,omitempty" doc:"how far the clock is ahead of the server's, behind where negative: the greatest sentAt minus time of receipt, so that the truth is this and the way of the quickest report. Of a range, the greatest of its 5 minutes"`
	Lowest       *int64 `json:"lowestAheadMillis,omitempty" doc:"the least of the estimates of 5 minutes each: a clock that was behind for a part of the range is there with its worst"`
	Transit      *int64 `json:"usualTransitMillis,omitempty" doc:"the median of how much longer than the quickest of its 5 minutes a report took: if the ways are as short, the estimates are wrong by about as much"`
	Reports      uint64 `json:"reports" doc:"that the estimate rests on"`
	Measured     uint64 `json:"measured"`
	Negative     uint64 `json:"negative" doc:"events taken over before their production: this clock is behind those of the producers, or theirs are ahead"`
}

// LatencyPage answers GET /streams/{stream}/latency. All but items and next is on the first page only.
type LatencyPage struct {
	Items     []LatencyWindow `json:"items" doc:"by window; one in which nothing was measured and nothing is missing has no row"`
	Next      string          `json:"next,omitempty"`
	Whole     []LatencyWhole  `json:"whole,omitempty" doc:"all windows of the range merged, exactly"`
	Freshness []Freshness     `json:"freshness,omitempty" doc:"by edge, as of now"`
	Clocks    []Clock         `json:"clocks,omitempty" doc:"by host, the most skewed first; at most 1000"`
}
