package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

func (s *scene) settings(who, document string, at time.Time) {
	s.t.Helper()
	settings := store.DefaultSettings(s.stream)
	settings.Who, settings.Document = who, []byte(document)
	if err := s.store.PutSettings(s.t.Context(), settings, at); err != nil {
		s.t.Fatal(err)
	}
}

// of is the only incident of a cause.
func (s *scene) of(cause string) store.Incident {
	s.t.Helper()
	found, err := s.store.Incidents(s.t.Context(), store.IncidentFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(i store.Incident) bool { return string(i.Cause) != cause })
	if len(found) != 1 {
		s.t.Fatalf("%d incidents %s", len(found), cause)
	}
	return found[0]
}

// They stayed open for ever: nothing that could end them was looked at any more.
func TestMarksThatAreNoLongerWatchedResolveAndSayWhoTookTheSettingBack(t *testing.T) {
	for name, c := range map[string]struct{ before, after, cause, says string }{
		"alertOn":        {`{"alertOn":["duplicated"]}`, `{}`, "duplicated", "no longer watched: setting taken back by ada"},
		"alertOn of one": {`{"alertOn":["duplicated","corrupt"]}`, `{"alertOn":["corrupt"]}`, "duplicated", "no longer watched: setting taken back by ada"},
		"a target":       {`{"objectives":{"validity":0.9999}}`, `{}`, "invalid", "no longer watched: setting taken back by ada"},
		"a lower target": {`{"objectives":{"validity":0.9999}}`, `{"objectives":{"validity":0.5}}`, "invalid", "as few as the settings allow since they were changed by ada"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.settings("bob", c.before, five)
			s.hear(200, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 190), 0, span(0, 9)),
				saw(s.says("sink", 2, 199, "app"), 0, span(0, 9), span(3, 3), nil, span(4, 4)))
			if i := s.of(c.cause); i.State() != store.IncidentOpen {
				t.Fatalf("at first it is %s", i.State())
			}
			s.settings("ada", c.after, five.Add(210*time.Second))
			s.hear(270, s.says("app", 1, 260), s.says("sink", 2, 269, "app"))
			if i := s.of(c.cause); i.State() != store.IncidentResolved || !strings.HasPrefix(i.Text, "[RESOLVED]") || !strings.HasSuffix(i.Text, c.says) {
				t.Errorf("it is %s and says %q", i.State(), i.Text)
			}
		})
	}
}
