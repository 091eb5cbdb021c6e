package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// manyIncidents stores a year's worth of incidents: so many streams with so many each, of which none has to do with another.
func manyIncidents(t *testing.T, s *Store, streams, each int) {
	t.Helper()
	var all []Incident
	for i := range streams * each {
		at := start.Add(time.Duration(i%each) * time.Hour)
		one := Incident{
			Stream: fmt.Sprintf("stream-%05d", i/each), Edge: Edge{"app", "sink"}, Cause: CauseLoss, First: at, Last: at, FirstBad: at, OpenedAt: at, Since: at,
		}
		binary.BigEndian.PutUint64(one.ID[:], uint64(i)*0x9e3779b97f4a7c15)
		all = append(all, one)
	}
	if err := s.AddIncidents(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func TestAFewIncidentsAreFoundByIDWithoutReadingAllOfThem(t *testing.T) {
	s := migrated(t)
	const streams, each = 2000, 100
	manyIncidents(t, s, streams, each)
	wanted := Incident{
		ID: wire.UID{1, 2, 3}, Stream: "stream-00700", Edge: Edge{"app", "sink"}, Cause: CauseLoss, First: start, Last: start, FirstBad: start, Bad: 1, Version: 9,
	}
	if err := s.AddIncidents(t.Context(), []Incident{wanted}); err != nil {
		t.Fatal(err)
	}
	var read uint64
	ctx := clickhouse.Context(t.Context(), clickhouse.WithProgress(func(p *clickhouse.Progress) { read += p.Rows }))
	found, err := s.Incidents(ctx, IncidentFilter{IDs: []wire.UID{wanted.ID}})
	if err != nil || !slices.ContainsFunc(found, func(i Incident) bool { return i.ID == wanted.ID }) || len(found) != 1 {
		t.Fatalf("found %+v, %v", found, err)
	}
	if read == 0 || read > streams*each/4 {
		t.Fatalf("%d rows were read for one of %d incidents", read, streams*each)
	}
	t.Logf("%d rows read", read)
}

func TestTheLastTrafficIsFoundWithoutReadingAllWindowsThereEverWere(t *testing.T) {
	s := migrated(t)
	const windows = 100_000
	last := time.Now().UTC().Truncate(time.Minute)
	var verdicts []Verdict
	for n := range windows {
		verdicts = append(verdicts, Verdict{
			Stream: "orders", Start: last.Add(-time.Duration(n) * time.Minute), Seconds: 60, Edge: Edge{"app", "sink"}, State: Complete, Revision: 1, Counts: Counts{Produced: 1},
		})
	}
	old := verdicts[windows/2]
	old.Stream = "flights" // stopped a month ago
	if err := s.AddVerdicts(t.Context(), append(verdicts, old)); err != nil {
		t.Fatal(err)
	}
	var read uint64
	ctx := clickhouse.Context(t.Context(), clickhouse.WithProgress(func(p *clickhouse.Progress) { read += p.Rows }))
	found, err := s.LastTraffic(ctx, []string{"orders"})
	if err != nil || len(found) != 1 || !found["orders"].Equal(last.Add(time.Minute)) {
		t.Fatalf("found %v, %v", found, err)
	}
	if read == 0 || read > windows/4 {
		t.Errorf("%d rows were read of %d windows", read, windows)
	}
	found, err = s.LastTraffic(t.Context(), []string{"orders", "flights"})
	if err != nil || !found["flights"].Equal(old.Start.Add(time.Minute)) || !found["orders"].Equal(last.Add(time.Minute)) {
		t.Errorf("found %v, %v", found, err)
	}
}
