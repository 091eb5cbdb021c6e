package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheStandingOfAnHourIsItsLastEntryHoweverManyCopyIt(t *testing.T) {
	s := migrated(t)
	all := []Certificate{
		entryAt("orders", 1, 4, "certify", 9), entryAt("orders", 2, 5, "certify", 10), entryAt("orders", 3, 6, "certify", 11), entryAt("orders", 4, 5, "revoke", 14),
		entryAt("orders", 5, 7, "certify", 15), entryAt("billing", 1, 5, "certify", 12), entryAt("flights", 1, 5, "certify", 13),
	}
	for range 2 {
		if err := s.AddCertificates(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	five := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	got, err := s.LastEntries(t.Context(), []string{"orders", "billing"}, five, five.Add(2*time.Hour))
	want := map[WindowKey]Standing{
		{"orders", five}: {4, "revoke"}, {"orders", five.Add(time.Hour)}: {3, "certify"}, {"billing", five}: {1, "certify"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	actions, err := s.Standings(t.Context(), []string{"billing"}, five, five.Add(time.Hour))
	if diff := cmp.Diff(map[WindowKey]string{{"billing", five}: "certify"}, actions); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for hour, want := range map[time.Time]uint64{five: 4, five.Add(time.Hour): 3, five.Add(9 * time.Hour): 0} {
		last, there, err := s.LastCertificate(t.Context(), "orders", hour)
		if err != nil || last.Number != want || there != (want > 0) {
			t.Errorf("hour %s: entry %d, %v, %v; want %d", hour, last.Number, there, err, want)
		}
	}
}

func TestAStreamIsCertifiedUntilTheFirstHourThatIsNot(t *testing.T) {
	s := migrated(t)
	all := []Certificate{
		entryAt("whole", 1, 4, "certify", 1), entryAt("whole", 2, 5, "certify", 2), entryAt("whole", 3, 6, "certify", 3), entryAt("whole", 4, 5, "revoke", 4), entryAt("whole", 5, 5, "supersede", 5),
		entryAt("gap", 1, 4, "certify", 11), entryAt("gap", 2, 6, "certify", 12), entryAt("gap", 3, 7, "certify", 13),
		entryAt("revoked", 1, 4, "certify", 21), entryAt("revoked", 2, 5, "certify", 22), entryAt("revoked", 3, 6, "certify", 23), entryAt("revoked", 4, 5, "revoke", 24),
		entryAt("none", 1, 4, "certify", 31), entryAt("none", 2, 4, "revoke", 32), entryAt("old", 1, 3, "certify", 41),
	}
	for range 2 {
		if err := s.AddCertificates(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	at := func(hour int) time.Time { return time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC) }
	got, err := s.CertifiedUntil(t.Context(), at(4))
	if diff := cmp.Diff(map[string]time.Time{"whole": at(7), "gap": at(5), "revoked": at(5), "none": at(4)}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}
