package audit

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func TestRollTakesARunWholeOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r roll
		all := roaring.New()
		base := rapid.SampledFrom([]uint64{0, 63, 65_500, 1 << 22, math.MaxUint32 - 3000}).Draw(t, "base")
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			lo := base + rapid.Uint64Range(0, 2000).Draw(t, "lo")
			hi := lo + rapid.Uint64Range(1, 300).Draw(t, "length")
			if rapid.IntRange(0, 2).Draw(t, "one") == 0 {
				if r.add(uint32(lo)) != all.CheckedAdd(uint32(lo)) {
					t.Fatalf("adding %d alone: new or not is wrong", lo)
				}
				continue
			}
			if r.addRun(lo, hi) {
				if all.IntersectsWithInterval(lo, hi) {
					t.Fatalf("%d to %d was taken as new, %v was there", lo, hi-1, all)
				}
				all.AddRange(lo, hi)
			}
			if got := r.bitmap(); !got.Equals(all) {
				t.Fatalf("after %d to %d it holds %v, want %v", lo, hi-1, got, all)
			}
		}
	})
}

// TestRunIsWhatItsEventsAre observes the same events in runs and one by one.
func TestRunIsWhatItsEventsAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, many := newServer(), newServer()
		singly := mustHop(t, HopConfig{Transport: one})
		runs := mustHop(t, HopConfig{Transport: many})
		now := time.Now()
		source := newID(now)
		for range rapid.IntRange(1, 25).Draw(t, "runs") {
			start := now.Add(-time.Duration(rapid.SampledFrom([]int{0, 1, 70_000, 200 * 3600 * 1000, -600_000}).Draw(t, "ago")) * time.Millisecond)
			hdr := event(source, rapid.SampledFrom([]uint32{0, 40, 5000, math.MaxUint32 - 90}).Draw(t, "base")+rapid.Uint32Range(0, 80).Draw(t, "first"), start)
			if rapid.IntRange(0, 9).Draw(t, "foreign") == 0 {
				hdr.Flags = 0
			}
			sizes := rapid.SliceOfN(rapid.Uint32Range(0, 900), 1, 40).Draw(t, "sizes")
			at := start.Add(time.Duration(rapid.IntRange(-3, 5000).Draw(t, "latency")) * time.Millisecond)
			mark := runs.ObserveRun(hdr, sizes, at)
			var want Mark
			for i, size := range sizes {
				e := hdr
				e.UID = hdr.UID.WithSequence(hdr.UID.Sequence() + uint32(i))
				want |= singly.Observe(e, hdr.Checksum, int(size), at)
			}
			if mark != want {
				t.Fatalf("the run is marked %b, its events %b", mark, want)
			}
			if rapid.IntRange(0, 5).Draw(t, "beat") == 0 {
				beat(t, singly, runs)
			}
		}
		beat(t, singly, runs)
		sameStats(t, singly.Stats(), runs.Stats())
		same(t, one, many)
	})
}

func beat(t *rapid.T, hops ...*Hop) {
	for _, h := range hops {
		if err := h.cycle(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func sameStats(t *rapid.T, a, b Stats) {
	if a.Unplaced != b.Unplaced {
		t.Fatalf("%d events are unplaced singly, %d in runs", a.Unplaced, b.Unplaced)
	}
}

// same compares what two servers know, whoever told them.
func same(t *rapid.T, a, b *server) {
	want := make(map[joinKey]*joined)
	for k, j := range a.join() {
		want[joinKey{start: k.start, source: k.source}] = j
	}
	got := b.join()
	if len(got) != len(want) {
		t.Fatalf("%d sources and windows, want %d", len(got), len(want))
	}
	for k, j := range got {
		w := want[joinKey{start: k.start, source: k.source}]
		if w == nil || j.observations != w.observations || j.bytes != w.bytes {
			t.Fatalf("in %v %+v, want %+v", k, j, w)
		}
		for kind := range j.rolls {
			if a, b := j.rolls[kind], w.rolls[kind]; (a == nil) != (b == nil) || a != nil && !a.Equals(b) {
				t.Fatalf("%v is %v, want %v", wire.Kind(kind), a, b)
			}
		}
	}
}

func TestTakenEventsAreSeenWithoutBeingObserved(t *testing.T) {
	srv := newServer()
	src := mustSource(t, SourceConfig{})
	h := mustHop(t, HopConfig{Transport: srv, Source: src})
	now := time.Now()
	for i := range 100 {
		e := src.Take(now.Add(time.Duration(i)*time.Second), []byte("four"))
		if i == 7 {
			h.Reject(e, "refused")
		}
		src.Left(e.ProducedAt)
	}
	src.Renew()
	src.Take(now.Add(2*time.Minute), []byte("of another source"))
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	var seen, rejected, repeated, bytes, observations uint64
	sources := make(map[UID]bool)
	for k, j := range srv.join() {
		sources[k.source] = true
		seen += j.rolls[wire.Seen].GetCardinality()
		if r := j.rolls[wire.Rejected]; r != nil {
			rejected += r.GetCardinality()
		}
		if r := j.rolls[wire.Repeated]; r != nil {
			repeated += r.GetCardinality()
		}
		bytes, observations = bytes+j.bytes, observations+j.observations
	}
	if seen != 101 || rejected != 1 || repeated != 0 || len(sources) != 2 || bytes != 417 || observations != 101 {
		t.Fatalf("%d seen, %d rejected, %d repeated, of %d sources, %d bytes in %d observations", seen, rejected, repeated, len(sources), bytes, observations)
	}
	if s := h.Stats(); s.Held != 1 || s.Strays != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestTakenAfterFinishIsCounted(t *testing.T) {
	srv := newServer()
	src := mustSource(t, SourceConfig{})
	h := mustHop(t, HopConfig{Transport: srv, Source: src})
	src.Take(time.Now(), nil)
	h.Finish()
	src.Take(time.Now(), nil)
	src.Take(time.Now(), nil)
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, j := range srv.join() {
		if j.rolls[wire.Seen].String() != "{0}" {
			t.Fatalf("seen %v, want what was taken before", j.rolls[wire.Seen])
		}
	}
	if n := h.Stats().AfterClose; n != 2 {
		t.Fatalf("%d counted as taken after the end, want 2", n)
	}
}

// TestWatermarkNeverOvertakesTheRollOfATakenEvent has events taken and left on many
// goroutines, 64 ms apart by their clock, some of them rejected, while reports
// are made: no report may state a watermark past an event that no report up to it has.
func TestWatermarkNeverOvertakesTheRollOfATakenEvent(t *testing.T) {
	srv := newServer()
	src := mustSource(t, SourceConfig{Window: time.Hour})
	h := mustHop(t, HopConfig{Transport: srv, Source: src, Window: time.Hour})
	const workers, each = 4, 20_000
	produced := make([]time.Time, workers*each)
	var wg sync.WaitGroup
	var clock atomic.Int64
	base := time.Now()
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				e := src.Take(base.Add(time.Duration(clock.Add(64))*time.Millisecond), nil)
				produced[e.UID.Sequence()] = e.ProducedAt
				if w == 0 && i%5 == 0 {
					h.Reject(e, "refused")
				}
				src.Left(e.ProducedAt)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if err := h.cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	known, next := roaring.New(), uint32(0)
	for _, r := range srv.reports() {
		for _, w := range r.Windows {
			known.Or(w.Sources[0].Rolls[wire.Seen])
		}
		for ; next < workers*each && produced[next].Before(r.Lanes[""]); next++ {
			if !known.Contains(next) {
				t.Fatalf("report %d states %v, and number %d of %v is in no report", r.Number, r.Lanes[""], next, produced[next])
			}
		}
	}
	if known.GetCardinality() != workers*each || src.Held() != 0 {
		t.Fatalf("%d are known, %d held", known.GetCardinality(), src.Held())
	}
}

func TestCloseWaitsForTheLastEventThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		src := mustSource(t, SourceConfig{})
		h := mustHop(t, HopConfig{Transport: srv, Source: src})
		h.Start()
		a, b := src.Take(time.Now(), nil), src.Take(time.Now(), nil)
		src.LeftMany(a.ProducedAt, 1)
		closed := make(chan error)
		go func() { closed <- h.Close(context.Background()) }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("closed with an event held: %v", err)
		default:
		}
		left := time.Now()
		src.Left(b.ProducedAt)
		if err := <-closed; err != nil || time.Since(left) > 0 {
			t.Fatalf("closed %v after the last event left: %v", time.Since(left), err)
		}
	})
}

func TestStraysAreCountedAndHoldBackNothing(t *testing.T) {
	src := mustSource(t, SourceConfig{})
	e := src.Take(time.Now(), nil)
	src.LeftMany(e.ProducedAt, 3)
	src.Left(e.ProducedAt.Add(-time.Hour))
	if src.Held() != 0 || src.strays() != 3 {
		t.Fatalf("%d held, %d strays; want 0 and 3", src.Held(), src.strays())
	}
}

// TestSealReadsTheWatermarkAndThenWaitsForWhoIsTelling stands in the middle of telling
// the hop of an event that has left: a seal may read a watermark past it, and must then
// wait for it.
func TestSealReadsTheWatermarkAndThenWaitsForWhoIsTelling(t *testing.T) {
	srv := newServer()
	src := mustSource(t, SourceConfig{})
	h := mustHop(t, HopConfig{Transport: srv, Source: src})
	e := src.Take(time.Now(), nil)
	src.Left(e.ProducedAt)
	h.telling.Lock()
	runs := src.runs()
	sealed := make(chan error)
	go func() { sealed <- h.cycle(context.Background()) }()
	read := func() bool {
		src.mu.Lock()
		defer src.mu.Unlock()
		return src.lastNow == math.MinInt64 // Watermark was called
	}
	for began := time.Now(); !read(); runtime.Gosched() {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the watermark is not read before what was taken is asked for")
		}
	}
	for range 1000 {
		runtime.Gosched() // a seal that does not wait is done by now
	}
	high, low := key(&e.UID)
	h.observeRun(high, low, runs[0], nil, e.ProducedAt)
	h.telling.Unlock()
	if err := <-sealed; err != nil {
		t.Fatal(err)
	}
	if r := srv.reports()[0]; len(r.Windows) != 1 {
		t.Fatalf("the report states %v without the event of %v", r.Lanes[""], e.ProducedAt)
	}
}
