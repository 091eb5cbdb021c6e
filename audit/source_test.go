package audit

import (
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSourceNumbersOfAWindowAreOneRangeUnderConcurrency(t *testing.T) {
	src := mustSource(t, SourceConfig{Window: 10 * time.Second})
	base := time.Now()
	type numbered struct {
		n  uint32
		at time.Time
	}
	const workers, each = 8, 2000
	results := make([][]numbered, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				uid, at := src.Next(base.Add(time.Duration(i*25) * time.Millisecond))
				results[w] = append(results[w], numbered{uid.Sequence(), at})
			}
		})
	}
	wg.Wait()
	at := make([]time.Time, workers*each)
	for _, r := range results {
		for _, e := range r {
			if !at[e.n].IsZero() {
				t.Fatalf("number %d was given twice", e.n)
			}
			at[e.n] = e.at
		}
	}
	for n := 1; n < len(at); n++ {
		if at[n].Before(at[n-1]) {
			t.Fatalf("number %d was produced %v before number %d", n, at[n-1].Sub(at[n]), n-1)
		}
	}
}

func TestSourceProducedTimeNeverGoesBack(t *testing.T) {
	src := mustSource(t, SourceConfig{})
	now := time.Now()
	first, at := src.Next(now)
	second, again := src.Next(now.Add(-3 * time.Second))
	if again.Before(at) {
		t.Fatalf("produced %v, then %v", at, again)
	}
	if second.Source() != first.Source() || second.Sequence() != 1 {
		t.Fatalf("UIDs %s then %s: want the same source and the next number", first, second)
	}
}

func TestSourceBeginsAnewWhenItsNumbersAreUsedUp(t *testing.T) {
	src := mustSource(t, SourceConfig{})
	now := time.Now()
	first, _ := src.Next(now)
	src.next = math.MaxUint32 - 1
	last, _ := src.Next(now)
	if last.Source() != first.Source() || last.Sequence() != math.MaxUint32-1 {
		t.Fatalf("the last number is %s", last)
	}
	after, _ := src.Next(now)
	if after.Source() == first.Source() || after.Sequence() != 0 {
		t.Fatalf("after the last number came %s, of the old source %s", after, first.Source())
	}
}

func TestSourceBeginsAnewInACopy(t *testing.T) {
	for name, copied := range map[string]func(*Source) time.Time{
		"a forked child, whose guard page the kernel wiped": func(s *Source) time.Time {
			if s.guard.page == nil {
				t.Skip("the kernel does not wipe pages on fork")
			}
			s.guard.page[0] = 0
			return time.Now()
		},
		"a restored snapshot, whose wall clock jumped": func(s *Source) time.Time {
			s.wall -= time.Minute.Nanoseconds() // since the start the wall clock moved a minute more than the monotonic one
			return time.Now().Add(time.Millisecond)
		},
		"a copy that the process knows of": func(s *Source) time.Time { s.Renew(); return time.Now() },
	} {
		t.Run(name, func(t *testing.T) {
			src := mustSource(t, SourceConfig{})
			before, _ := src.Next(time.Now())
			now := copied(src)
			after, _ := src.Next(now)
			if after.Source() == before.Source() || after.Sequence() != 0 {
				t.Fatalf("%s follows %s", after, before)
			}
		})
	}
}

func TestUIDsCarryTheVersionOfRFC9562(t *testing.T) {
	src := mustSource(t, SourceConfig{})
	now := time.Now()
	uid, _ := src.Next(now)
	if !uid.Numbered() || uid.StartMillis() != now.UnixMilli() {
		t.Fatalf("%s: start %d, want %d", uid, uid.StartMillis(), now.UnixMilli())
	}
}

// TestWatermarkNeverPassesAnEventThatIsHeld walks random histories of events that
// enter, leave in any order and come with clocks that step, beside a model that
// remembers each of them.
func TestWatermarkNeverPassesAnEventThatIsHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := mustSource(t, SourceConfig{})
		fly := NewInFlight()
		clock := time.Now()
		var numbered, entered []time.Time
		var stated, flown time.Time
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			clock = clock.Add(time.Duration(rapid.IntRange(-400, 900).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				_, at := src.Next(clock)
				numbered = append(numbered, at)
				if at.Before(stated) {
					t.Fatalf("an event was produced %v before the watermark stated", stated.Sub(at))
				}
				entered = append(entered, fly.Enter(clock))
			case 1:
				numbered = leave(t, numbered, src.Left)
			case 2:
				entered = leave(t, entered, fly.Leave)
			default:
				stated = checkMark(t, src.Watermark(clock), stated, numbered)
				flown = checkMark(t, fly.Watermark(clock), flown, entered)
			}
		}
		if src.Held() != int64(len(numbered)) || fly.Held() != int64(len(entered)) {
			t.Fatalf("held %d and %d, want %d and %d", src.Held(), fly.Held(), len(numbered), len(entered))
		}
	})
}

func leave(t *rapid.T, held []time.Time, call func(time.Time)) []time.Time {
	if len(held) == 0 {
		return held
	}
	i := rapid.IntRange(0, len(held)-1).Draw(t, "who")
	call(held[i])
	return append(held[:i:i], held[i+1:]...)
}

func checkMark(t *rapid.T, mark, before time.Time, held []time.Time) time.Time {
	if mark.Before(before) {
		t.Fatalf("the watermark went back from %v to %v", before, mark)
	}
	for _, at := range held {
		if at.Before(mark) {
			t.Fatalf("the watermark %v passed an event held since %v", mark, at)
		}
	}
	return mark
}

func TestWatermarkFollowsTheClockWhenNothingIsHeld(t *testing.T) {
	src := mustSource(t, SourceConfig{})
	now := time.Now().Truncate(time.Millisecond)
	_, at := src.Next(now)
	if w := src.Watermark(now.Add(time.Second)); w.After(at) || at.Sub(w) > 64*time.Millisecond {
		t.Fatalf("watermark %v with an event held since %v", w, at)
	}
	src.Left(at)
	if w := src.Watermark(now.Add(2 * time.Second)); !w.Equal(now.Add(2 * time.Second)) {
		t.Fatalf("watermark %v, want the clock %v", w, now.Add(2*time.Second))
	}
}
