package store

import (
	"testing"
	"time"
)

func TestSettingsAreThoseOfWhoChangedThemLast(t *testing.T) {
	s, now := migrated(t), time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	want := func(who string, grace time.Duration) {
		t.Helper()
		all, err := s.Settings(t.Context(), []string{"orders"})
		if err != nil {
			t.Fatal(err)
		}
		if got := all["orders"]; got.Who != who || got.Grace != grace {
			t.Errorf("grace %s by %q; want %s by %q", got.Grace, got.Who, grace, who)
		}
	}
	put := func(who string, grace time.Duration) {
		t.Helper()
		settings := DefaultSettings("orders")
		settings.Who, settings.Grace, settings.Document = who, grace, []byte(`{"owner":"<growth>"}`)
		if err := s.PutSettings(t.Context(), settings, now); err != nil {
			t.Fatal(err)
		}
	}
	want("", 10*time.Second)
	put("anna", time.Second)
	want("anna", time.Second)
	put("bert", time.Second) // the same settings: nothing was changed
	want("anna", time.Second)
	put("bert", 2*time.Second)
	want("bert", 2*time.Second)
}
