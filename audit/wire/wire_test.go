package wire

import (
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
)

// theTime is when the batches of these tests are looked at.
var theTime = time.Date(2026, 11, 22, 5, 10, 8, 0, time.UTC)

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func uid(t testing.TB, text string) UID {
	t.Helper()
	u, err := ParseUID(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// rollOf returns the set of inclusive ranges given as first, last, first, last …
func rollOf(flat ...uint64) *roaring.Bitmap {
	roll := roaring.New()
	for i := 0; i < len(flat); i += 2 {
		roll.AddRange(flat[i], flat[i+1]+1)
	}
	return roll
}

func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b *roaring.Bitmap) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.Equals(b)
	}))
}

// fullBatch is the report of the wire format's documentation with every field used.
func fullBatch(t testing.TB) Batch {
	source := Source{
		ID:           uid(t, "0199f09c-1d2e-8abc-9def-012300000000"),
		Observations: 202, Bytes: 48120,
	}
	source.Rolls = [Kinds]*roaring.Bitmap{
		Seen: rollOf(0, 99, 101, 200), Repeated: rollOf(7, 7), Corrupt: rollOf(8, 8), Invalid: rollOf(9, 12),
		Filtered: rollOf(20, 39), Rejected: rollOf(50, 50), Skewed: rollOf(200, 200),
	}
	window := Window{
		Start: instant(t, "2026-11-22T05:09:00Z"), Seconds: 60,
		Sources: []Source{source},
		Foreign: []Foreign{{UID: "order-77413", Count: 2, Filtered: 1, Rejected: 1, Corrupt: 1, Invalid: 1, Skewed: 1}},
		Latency: &Latency{Scale: 3, Counts: map[int32]uint64{-4: 1, 12: 40}, Zero: 3, Negative: 2},
		Schemas: []SchemaTally{
			{ID: "orders", Version: "3", Outcome: "OK", Count: 198},
			{ID: "orders", Version: "3", Outcome: "INVALID", Reason: "/amount: expected number", Count: 4},
		},
		Reasons:  []ReasonTally{{Filtered, "rule-7", 20}, {Rejected, "too large", 1}},
		Unplaced: Unplaced{TooOld: 1, TooNew: 2, Unreadable: 3, NoUID: 4},
	}
	return Batch{Reports: []Report{{
		Stream: "orders", Hop: "agent", After: []string{"app"},
		Emitter: uid(t, "0199f0a0-0000-8000-8000-0000000000aa"),
		Host:    "web-17", Container: "agent-7c9f", Version: "1.4.2",
		Epoch: 1, Idempotent: true, Heartbeat: 10, Number: 12,
		SentAt: instant(t, "2026-11-22T05:10:07.12Z"), State: Running,
		LaneCount: 8,
		Lanes:     map[string]time.Time{"orders/0": instant(t, "2026-11-22T05:10:05Z"), "": instant(t, "2026-11-22T05:10:04.5Z")},
		Windows:   []Window{window},
		Spool:     Spool{Events: 3, Bytes: 900},
		Ended: []Ended{
			{
				Emitter: uid(t, "0199e000-0000-8000-8000-0000000000bb"), Source: uid(t, "0199e09c-1d2e-8abc-9def-012300000000"),
				Windows: map[time.Time][2]uint32{instant(t, "2026-11-22T05:08:00Z"): {300, 411}}, Reason: "journal",
			},
			{Emitter: uid(t, "0199e000-0000-8000-8000-0000000000cc")},
		},
	}}}
}

// leastBatch holds what is required and nothing else.
func leastBatch(t testing.TB) Batch {
	return Batch{Reports: []Report{{
		Stream: "orders", Hop: "app", Emitter: uid(t, "0199f0a0-0000-8000-8000-0000000000aa"),
		Heartbeat: 5, Number: 1, SentAt: instant(t, "2026-11-22T05:10:07Z"), State: Closed,
	}}}
}

// sparseBatch holds rolls that are smaller as Roaring than as ranges, and two reports.
func sparseBatch(t testing.TB) Batch {
	b := leastBatch(t)
	second := b.Reports[0]
	second.Number = 2
	every := roaring.New()
	for n := uint32(0); n < 900; n += 3 {
		every.Add(n)
	}
	every.Add(1<<32 - 1)
	source := Source{ID: uid(t, "0199f09c-1d2e-8abc-9def-012300000000")}
	source.Rolls[Seen] = every
	second.Windows = []Window{{Start: instant(t, "2026-11-22T05:09:00Z"), Seconds: 60, Sources: []Source{source}}}
	b.Reports = append(b.Reports, second)
	return b
}
