package audit

import (
	"math"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

// numbers draws sequences as hops meet them: runs, gaps, repeats, disorder, outliers.
func numbers(t *rapid.T) []uint32 {
	base := rapid.SampledFrom([]uint32{0, 1, 63, 64, 65_500, 1 << 20, math.MaxUint32 - 3000}).Draw(t, "base")
	var out []uint32
	for range rapid.IntRange(1, 12).Draw(t, "pieces") {
		at := base + rapid.Uint32Range(0, 2500).Draw(t, "at")
		step := rapid.SampledFrom([]int{1, 1, 1, 2, 8, -1, -3}).Draw(t, "step")
		for i := range rapid.IntRange(1, 200).Draw(t, "length") {
			out = append(out, uint32(int64(at)+int64(i*step)))
		}
		if rapid.IntRange(0, 5).Draw(t, "far") == 0 {
			out = append(out, rapid.Uint32Range(0, math.MaxUint32-1).Draw(t, "outlier"))
		}
	}
	return out
}

func TestRollHoldsExactlyWhatWasAddedAndKnowsRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fresh roll
		var old settled
		all, sealed := roaring.New(), roaring.New()
		for _, n := range numbers(t) {
			isNew := !old.contains(n) && fresh.add(n)
			if want := all.CheckedAdd(n); isNew != want {
				t.Fatalf("number %d: new is %v, want %v", n, isNew, want)
			}
			if !fresh.contains(n) && !old.contains(n) {
				t.Fatalf("number %d was added and is not there", n)
			}
			if rapid.IntRange(0, 40).Draw(t, "seal") == 0 {
				sealed.Or(old.seal(&fresh))
			}
		}
		sealed.Or(old.seal(&fresh))
		if !sealed.Equals(all) {
			t.Fatalf("the sealed deltas are %v, want %v", sealed, all)
		}
		checkCovers(t, &old, all)
	})
}

func checkCovers(t *rapid.T, s *settled, all *roaring.Bitmap) {
	first, last := all.Minimum(), all.Maximum()
	whole := all.GetCardinality() == uint64(last)-uint64(first)+1
	if got := s.covers(first, last); got != whole {
		t.Fatalf("covers(%d, %d) is %v, want %v", first, last, got, whole)
	}
	if !s.covers(first, first) {
		t.Fatalf("covers(%d, %d) is false for a member", first, first)
	}
}

func TestRollOfANumberFarOffStaysSmall(t *testing.T) {
	var r roll
	for n := range uint32(1000) {
		r.add(2 * n)
	}
	r.add(math.MaxUint32 - 1)
	r.add(1 << 31)
	if r.size() > 16<<10 {
		t.Fatalf("%d bytes for 1002 numbers", r.size())
	}
}

func TestLatencyBucketHoldsItsValues(t *testing.T) {
	base := math.Pow(2, 1.0/8)
	check := func(v uint64) {
		i := float64(bucketOf(v))
		low, high := math.Pow(base, i), math.Pow(base, i+1)
		const tiny = 1e-9 // the floats', not ours
		if float64(v) <= low*(1-tiny) || float64(v) > high*(1+tiny) {
			t.Fatalf("%d ms is in bucket %v (%v, %v]", v, i, low, high)
		}
	}
	for v := uint64(1); v < 100_000; v++ {
		check(v)
	}
	for e := range 40 {
		v := uint64(1) << e
		if bucketOf(v) != e*8-1 {
			t.Fatalf("2^%d ms is in bucket %d, want %d: upper bounds are inclusive", e, bucketOf(v), e*8-1)
		}
	}
}

func TestTableFindsEverySourceAndNoOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newTable()
		want := make(map[UID]*entry)
		now := time.Now()
		for i := range rapid.IntRange(0, 300).Draw(t, "sources") {
			id := newID(now)
			if i%3 == 0 { // ids that differ in one byte only
				id = UID{0, 1, 2, 3, 4, 5, 0x80, 0, 0x80, 0, byte(i >> 8), byte(i)}
			}
			high, low := key(&id)
			if table.find(high, low) != want[id] {
				t.Fatal("found a source that was not added")
			}
			want[id] = &entry{id: id}
			table.add(high, low, want[id])
		}
		for id, e := range want {
			if high, low := key(&id); table.find(high, low) != e {
				t.Fatalf("source %s is not found", id)
			}
		}
	})
}
