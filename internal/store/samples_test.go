package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

func aSample(hop, version, reason string, n int) wire.Sample {
	return wire.Sample{
		Stream: "orders", Hop: hop, Emitter: wire.UID{0: 1, 15: 9}, Host: "web-17", Window: sampleStart, Seconds: 60, At: sampleStart.Add(time.Second),
		UID: fmt.Sprintf("o'r\\d\t%02d", n), Schema: "orders", Version: version, Outcome: "INVALID", Reason: reason, Path: "/amount", Payload: `{"a":"<string 4>"}`, Cut: n == 0,
	}
}

var sampleStart = time.Date(2026, 11, 22, 5, 10, 0, 0, time.UTC)

// addSamples stores samples that are kept for an hour by the clock of ClickHouse.
func addSamples(t *testing.T, s *Store, samples ...wire.Sample) {
	t.Helper()
	if err := s.AddSamples(t.Context(), samples, sampleStart, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func sampleQuery(limit int) SampleQuery {
	return SampleQuery{Stream: "orders", From: sampleStart, To: sampleStart.Add(time.Minute), Now: sampleStart, Limit: limit}
}

func TestSamplesAreReadBackAsStoredOncePageByPage(t *testing.T) {
	s := migrated(t)
	var all []wire.Sample
	for n := range 7 {
		all = append(all, aSample("agent", "7", "r", n), aSample("sink", "8", "it's 'odd'\\", n))
	}
	addSamples(t, s, all...)
	addSamples(t, s, all[:5]...)
	var got []wire.Sample
	q := sampleQuery(3)
	for {
		page, next, err := s.Samples(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if q.After = next; next == "" {
			break
		}
		if len(page) != 3 {
			t.Fatalf("a page of %d", len(page))
		}
	}
	byID := func(a, b wire.Sample) int {
		return slices.Compare([]string{a.Hop, a.Version, a.UID}, []string{b.Hop, b.Version, b.UID})
	}
	slices.SortFunc(all, byID)
	if !slices.Equal(got, all) {
		t.Errorf("read back %+v", got)
	}
}

func TestSamplesAreFoundByHopSchemaVersionAndReason(t *testing.T) {
	s := migrated(t)
	addSamples(t, s, aSample("agent", "7", "a", 1), aSample("agent", "", "a", 2), aSample("agent", "7", "", 3), aSample("sink", "7", "a", 4))
	for _, c := range []struct {
		change func(*SampleQuery)
		want   int
	}{
		{func(*SampleQuery) {}, 4},
		{func(q *SampleQuery) { q.Hop = "sink" }, 1},
		{func(q *SampleQuery) { q.Schema = "clicks" }, 0},
		{func(q *SampleQuery) { q.Version = "7" }, 3},
		{func(q *SampleQuery) { q.Hop, q.Version, q.Reason = "agent", "7", "a" }, 1},
		{func(q *SampleQuery) { q.Hop, q.Reason = "agent", aSample("agent", "7", "a", 1).Path+": a" }, 2},
		{func(q *SampleQuery) { q.From, q.To = q.To, q.To.Add(time.Minute) }, 0},
		{func(q *SampleQuery) { q.Stream = "clicks" }, 0},
	} {
		q := sampleQuery(10)
		c.change(&q)
		if got, _, err := s.Samples(t.Context(), q); err != nil || len(got) != c.want {
			t.Errorf("%+v: %d samples, %v; want %d", q, len(got), err, c.want)
		}
	}
}

func TestASampleIsGoneOnceItHasExpired(t *testing.T) {
	s := migrated(t)
	old := time.Now().Add(-2 * time.Hour).UTC()
	if err := s.AddSamples(t.Context(), []wire.Sample{aSample("agent", "7", "r", 1)}, old, old.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	q := sampleQuery(10)
	q.Now = time.Now()
	if got, _, err := s.Samples(t.Context(), q); err != nil || len(got) != 0 {
		t.Errorf("%d samples that have expired are shown, %v", len(got), err)
	}
	if ids, err := s.SampleIDs(t.Context(), []WindowKey{{"orders", sampleStart}}, q.Now); err != nil || len(ids) != 0 {
		t.Errorf("%v take a place, %v", ids, err)
	}
	if err := s.exec(t.Context(), "merge", "OPTIMIZE TABLE samples FINAL"); err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := s.conn.QueryRow(t.Context(), "SELECT count() FROM samples").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows are still on disk, %v", n, err)
	}
}

func TestSamplesAreCountedByStreamAndWhetherItIsKnown(t *testing.T) {
	s := migrated(t)
	received := func(stream string, n int, at time.Time) {
		one := aSample("agent", "7", "r", n)
		one.Stream = stream
		if err := s.AddSamples(t.Context(), []wire.Sample{one}, at, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	received("orders", 1, now)
	received("orders", 2, now)
	received("orders", 3, now.Add(-2*time.Hour))
	received("made-up", 1, now)
	if err := s.Insert(t.Context(), []Received{{At: now, Report: wire.Report{Stream: "orders", Hop: "app", Emitter: wire.UID{15: 1}, Number: 1, SentAt: now, State: wire.Running}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutSettings(t.Context(), Settings{Stream: "planned"}, now); err != nil {
		t.Fatal(err)
	}
	got, err := s.SampleCounts(t.Context(), []string{"planned", "never", "orders"}, now.Add(-time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b SampleCount) int { return strings.Compare(a.Stream, b.Stream) })
	want := []SampleCount{{"made-up", false, 1}, {"never", false, 0}, {"orders", true, 2}, {"planned", true, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got, err := s.SampleCounts(t.Context(), nil, now.Add(-time.Hour), now.Add(2*time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("expired ones are counted: %+v, %v", got, err)
	}
}

func TestACursorThatWasNotGivenIsRefused(t *testing.T) {
	s := migrated(t)
	for _, after := range []string{"x", "[]", `["a","b","c","d","e","f","g","h"]`, `["2026-11-22T05:10:00Z","b","c","d","e","f","g","h"]`} {
		q := sampleQuery(10)
		q.After = after
		if _, _, err := s.Samples(t.Context(), q); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: %v", after, err)
		}
	}
}
