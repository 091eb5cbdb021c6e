package store

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/latency"
)

// measured is a report of one emitter with a histogram of the window that starts at start.
func measured(emitter byte, number uint64, l *wire.Latency) Received {
	r := report("orders", number, roaring.BitmapOf(uint32(number)))
	r.Hop, r.Emitter, r.Windows[0].Latency = "sink", wire.UID{emitter}, l
	return r
}

func insertAll(t *testing.T, s *Store, reports ...Received) {
	t.Helper()
	if err := s.Insert(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
}

func latenciesOf(t *testing.T, s *Store, stream string) map[LatencyKey]latency.Histogram {
	t.Helper()
	found, err := s.Latencies(t.Context(), stream, start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A report that tells nothing of latency was stored with the scale 0, so that the buckets of an emitter with a negative
// scale were read as narrow ones: a minute became milliseconds.
func TestAReportWithoutLatencyLeavesTheScaleOfItsEmitter(t *testing.T) {
	s := migrated(t)
	silent := measured(1, 2, nil)
	silent.Windows[0].Reasons = []wire.ReasonTally{{Kind: wire.Filtered, Reason: "rule-7", Count: 1}}
	insertAll(t, s, measured(1, 1, &wire.Latency{Scale: -3, Counts: map[int32]uint64{1: 5}}), silent)
	want := map[LatencyKey]latency.Histogram{{start, "sink"}: {Scale: -3, Counts: map[int32]uint64{1: 5}}}
	if d := cmp.Diff(want, latenciesOf(t, s, "orders")); d != "" {
		t.Error(d)
	}
}

func TestAnEmitterThatMeasuredNothingMakesNobodyCoarser(t *testing.T) {
	s := migrated(t)
	silent := measured(2, 1, nil)
	silent.Windows[0].Reasons = []wire.ReasonTally{{Kind: wire.Filtered, Reason: "rule-7", Count: 1}}
	elsewhere := silent
	elsewhere.Hop = "relay"
	insertAll(t, s, measured(1, 1, &wire.Latency{Scale: 3, Counts: map[int32]uint64{80: 5}}), silent, elsewhere,
		measured(3, 1, &wire.Latency{Scale: -10, Zero: 2, Negative: 1}))
	want := map[LatencyKey]latency.Histogram{{start, "sink"}: {Scale: 3, Counts: map[int32]uint64{80: 5}, Zero: 2, Negative: 1}}
	if d := cmp.Diff(want, latenciesOf(t, s, "orders")); d != "" {
		t.Error(d)
	}
}

// growing is what one emitter says of one window from report to report: cumulative, at a scale of its own.
func growing(dice *rand.Rand, reports int) (said []*wire.Latency, events latency.Histogram) {
	scale := []int32{3, 3, 3, -10, -1, 0, 5, 20}[dice.IntN(8)]
	now := wire.Latency{Scale: scale, Counts: map[int32]uint64{}}
	furthest := int32(max(1, math.Ldexp(60, int(scale))))
	for range reports {
		for range dice.IntN(20) {
			now.Counts[dice.Int32N(2*furthest)-furthest] += 1 + dice.Uint64N(3)
		}
		now.Zero += dice.Uint64N(3)
		now.Negative += dice.Uint64N(2)
		said = append(said, &wire.Latency{Scale: scale, Counts: maps.Clone(now.Counts), Zero: now.Zero, Negative: now.Negative})
	}
	return said, latency.Histogram{Scale: scale, Counts: now.Counts, Zero: now.Zero, Negative: now.Negative}
}

// TestLatenciesOfAnySplitAreThoseOfAllEvents lets emitters of several scales and epochs share windows, each in some reports, stores these in
// any order and some of them again, with and without a merge of the table between, and holds what is read against all the events.
func TestLatenciesOfAnySplitAreThoseOfAllEvents(t *testing.T) {
	s := migrated(t)
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 1))
	var all []Received
	want := map[LatencyKey]latency.Histogram{}
	for w := range 20 {
		k := LatencyKey{start.Add(time.Duration(w) * time.Minute), "sink"}
		for e := range 1 + dice.IntN(5) {
			said, events := growing(dice, 1+dice.IntN(4))
			sum := want[k]
			sum.Add(events)
			want[k] = sum
			for i, l := range said {
				r := measured(byte(1+e), uint64(1+i), l)
				r.Windows[0].Start, r.Epoch = k.Start, uint32(e%2)
				all = append(all, r)
			}
		}
	}
	for range 40 {
		all = append(all, all[dice.IntN(len(all))])
	}
	dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, part := range slices.Collect(slices.Chunk(all, 1+len(all)/3)) {
		insertAll(t, s, part...)
		if i == 1 {
			if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE tallies FINAL"); err != nil {
				t.Fatal(err)
			}
		}
	}
	maps.DeleteFunc(want, func(_ LatencyKey, h latency.Histogram) bool { return h.Empty() })
	if d := cmp.Diff(want, latenciesOf(t, s, "orders")); d != "" {
		t.Errorf("seed %d (-of all +read):\n%s", seed, d)
	}
}

func TestTheGreatestCountsThatAreTakenComeBack(t *testing.T) {
	s, most := migrated(t), wire.DefaultLimits().Count
	for e := range byte(3) {
		insertAll(t, s, measured(1+e, 1, &wire.Latency{Scale: 3, Counts: map[int32]uint64{511: most}, Zero: most, Negative: most}))
	}
	want := map[LatencyKey]latency.Histogram{{start, "sink"}: {Scale: 3, Counts: map[int32]uint64{511: 3 * most}, Zero: 3 * most, Negative: 3 * most}}
	if d := cmp.Diff(want, latenciesOf(t, s, "orders")); d != "" {
		t.Error(d)
	}
}

func TestTheNewestDeliveryIsThatOfTheCurrentRevisions(t *testing.T) {
	s := migrated(t)
	at := func(minute int, to string, revision uint32, state State, delivered uint64) Verdict {
		return Verdict{
			Stream: "orders", Start: start.Add(time.Duration(minute) * time.Minute), Seconds: 60, Edge: Edge{"app", to}, Revision: revision, State: state,
			Counts: Counts{Delivered: delivered}, DecidedAt: start.Add(time.Hour),
		}
	}
	err := s.AddVerdicts(t.Context(), []Verdict{
		at(-60, "sink", 1, Complete, 5), at(-60, "old", 1, Complete, 5),
		at(0, "sink", 1, Incomplete, 0), at(0, "sink", 2, Complete, 2),
		at(1, "sink", 1, Open, 0), at(1, "gone", 1, Complete, 1), at(1, "gone", 2, Withdrawn, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Newest(t.Context(), "orders", start.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[Edge]Delivery{{"app", "sink"}: {start, 60}}, got); d != "" {
		t.Error(d)
	}
}

func TestAClockIsAsFarAheadAsTheQuickestReportSays(t *testing.T) {
	s := migrated(t)
	sent := func(host string, emitter byte, number uint64, ahead time.Duration) Received {
		r := measured(emitter, number, &wire.Latency{Scale: 3, Counts: map[int32]uint64{5: 10}, Zero: 1, Negative: number})
		r.Host, r.SentAt = host, r.At.Add(ahead)
		return r
	}
	late := sent("web-17", 1, 2, 3*time.Second)
	late.At = late.At.Add(time.Hour) // received beyond the range
	again := sent("web-17", 1, 1, time.Second)
	again.At = again.At.Add(time.Minute)
	insertAll(t, s, sent("web-17", 1, 1, time.Second), sent("web-17", 2, 1, -20*time.Second), late, again,
		sent("db-1", 3, 1, -7*time.Hour), sent("db-1", 3, 2, -8*time.Hour))
	got, err := s.HostClocks(t.Context(), "orders", start, start.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b HostClock) int { return int(a.Ahead - b.Ahead) })
	want := []HostClock{
		{Host: "db-1", Ahead: -7 * time.Hour, Lowest: -7 * time.Hour, Transit: time.Hour, Reports: 2, Measured: 11, Negative: 2},
		{Host: "web-17", Ahead: time.Second, Lowest: time.Second, Transit: 21 * time.Second, Reports: 2, Measured: 22, Negative: 3},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-told +read)\n%s", d)
	}
}

// A clock that was half a minute behind for the first part of a range, and was set right then, was told as one that is right.
func TestAClockThatWasOffForAPartOfTheRangeIsToldWithItsWorst(t *testing.T) {
	s := migrated(t)
	sent := func(number uint64, after, ahead time.Duration) Received {
		r := measured(1, number, nil)
		r.Host, r.At = "web-17", r.At.Add(after)
		r.SentAt = r.At.Add(ahead)
		return r
	}
	again := sent(2, 12*time.Minute, 0) // sent a second time
	again.SentAt = again.SentAt.Add(-11*time.Minute - 30*time.Second)
	last := sent(5, 31*time.Minute, -2*time.Second) // of the last window, received after it
	insertAll(t, s, sent(1, time.Minute, -31*time.Second), sent(2, time.Minute, -30*time.Second), sent(3, 11*time.Minute, -1*time.Second),
		sent(4, 12*time.Minute, -20*time.Millisecond), again, last)
	got, err := s.HostClocks(t.Context(), "orders", start, start.Add(30*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Ahead != -20*time.Millisecond || got[0].Lowest != -30*time.Second || got[0].Reports != 5 {
		t.Errorf("%+v", got)
	}
}
