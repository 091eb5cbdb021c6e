package store

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Rows come from processes whose clocks differ, and by a retry twice.
func TestWhatWasToldIsOrderedByWhatItSaysAndNoClock(t *testing.T) {
	s, ctx := migrated(t), t.Context()
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	row := func(incident byte, state string, opening, escalation uint32, hours int) Told {
		return Told{
			Receiver: "hook", Incident: wire.UID{15: incident}, State: state, Opening: opening, Escalation: escalation, Since: at, Version: 7, Outcome: "sent",
			Attempts: 1, At: at.Add(time.Duration(hours) * time.Hour), Events: 3,
		}
	}
	rows := []Told{
		row(1, IncidentOpen, 1, 0, 9), row(1, IncidentEscalated, 1, 1, 8), row(1, IncidentEscalated, 1, 2, 7), row(1, IncidentResolved, 1, 2, 1),
		row(2, IncidentOpen, 1, 0, 1), row(2, IncidentResolved, 1, 0, 9), row(2, IncidentOpen, 2, 0, 2),
		row(3, IncidentOpen, 1, 0, 1), row(3, IncidentEscalated, 1, 1, 1), row(3, ToldAcknowledged, 1, 1, 0),
	}
	for _, some := range [][]Told{rows[5:], rows[:5], rows[:5]} {
		if err := s.AddTold(ctx, some...); err != nil {
			t.Fatal(err)
		}
	}
	of := func(told []Told, err error) map[byte]int {
		if err != nil {
			t.Fatal(err)
		}
		n := map[byte]int{}
		for i := range told {
			if told[i].StoredAt.IsZero() {
				t.Errorf("%+v was stored at no instant", told[i])
			}
			told[i].StoredAt = time.Time{}
			if !slices.Contains(rows, told[i]) {
				t.Errorf("%+v was not told", told[i])
			}
			n[told[i].Incident[15]]++
		}
		return n
	}
	if n := of(s.ToldOpen(ctx, "hook", nil)); n[1] != 0 || n[2] != 3 || n[3] != 3 {
		t.Errorf("open are %v", n)
	}
	if n := of(s.ToldOpen(ctx, "hook", []wire.UID{{15: 1}})); n[1] != 4 || n[2] != 3 || n[3] != 3 {
		t.Errorf("open, and one that is over: %v", n)
	}
	if n := of(s.ToldOpen(ctx, "other", nil)); len(n) != 0 {
		t.Errorf("another receiver was told %v", n)
	}
	if n := of(s.ToldOf(ctx, wire.UID{15: 1})); n[1] != 4 {
		t.Errorf("of the first %v", n)
	}
	now, err := s.Now(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := of(s.ToldSince(ctx, "hook", now.Add(time.Hour), []wire.UID{{15: 3}})); n[3] < 3 || len(n) != 1 {
		t.Errorf("of the third alone %v", n)
	}
	if n := of(s.ToldSince(ctx, "hook", now.Add(-time.Minute), nil)); len(n) != 3 {
		t.Errorf("since a minute ago %v", n)
	}
}

func TestWhatBecamePartOfAnIncidentIsFoundWithIt(t *testing.T) {
	s, ctx := migrated(t), t.Context()
	five := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	run := func(n byte, first, last int) Incident {
		return Incident{
			ID: wire.UID{15: n}, Stream: "flights", Edge: Edge{From: "app", To: "sink"}, Cause: CauseLoss, Version: 1, Bad: 1,
			First: five.Add(time.Duration(first) * time.Minute), Last: five.Add(time.Duration(last) * time.Minute),
		}
	}
	other := run(4, 6, 6)
	other.Stream = "orders"
	if err := s.AddIncidents(ctx, []Incident{run(1, 5, 7), run(2, 7, 7), run(3, 9, 9), other}); err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string][]byte{"": {1}, IncidentMerged: {1, 2}} {
		found, err := s.Incidents(ctx, IncidentFilter{IDs: []wire.UID{{15: 1}}, State: state})
		if err != nil {
			t.Fatal(err)
		}
		var ids []byte
		for i := range found {
			ids = append(ids, found[i].ID[15])
		}
		if !slices.Equal(ids, want) {
			t.Errorf("state %q: found %v, want %v", state, ids, want)
		}
	}
}
