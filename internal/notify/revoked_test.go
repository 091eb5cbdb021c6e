package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// takenBack is the incident of an hour whose certificate was revoked; again is the same once the hour is certified again.
func takenBack() store.Incident {
	return store.Incident{
		ID: wire.UID{15: 7}, Stream: "orders", Cause: store.CauseRevoked, First: five, Last: five.Add(59 * time.Minute), Seconds: 60, Windows: 1, Bad: 1, FirstBad: five,
		OpenedAt: five.Add(2 * time.Hour), Since: five.Add(2 * time.Hour), Version: 12,
		Text: "[REVOKED] orders hour 2026-11-22T05: certificate taken back by entry 12: 3 lost",
	}
}

func again() store.Incident {
	i := takenBack()
	i.Bad, i.Since, i.Version, i.Text = 0, five.Add(3*time.Hour), 14, "[RESOLVED] orders hour 2026-11-22T05: certified again by entry 14"
	return i
}

func TestARevocationIsCriticalAndLeadsToItsHour(t *testing.T) {
	m := message{incident: takenBack(), state: store.IncidentOpen, page: "http://rollcall.example/", now: five}
	if m.severity() != "critical" || m.text() != takenBack().Text {
		t.Errorf("%s %q", m.severity(), m.text())
	}
	incident := "http://rollcall.example/incidents/" + takenBack().ID.String()
	want := []link{{"http://rollcall.example/h/orders/2026-11-22T05", "Hour"}, {incident, "Incident"}, {incident + "/mute", "Mute"}}
	if diff := cmp.Diff(want, m.links()); diff != "" {
		t.Error(diff)
	}
	text, err := m.alert(Config{Resend: time.Minute})
	if err != nil || !strings.Contains(string(text), `"alertname":"Rollcall_revoked"`) || strings.Contains(string(text), `"edge"`) || !strings.Contains(string(text), "/h/orders/2026-11-22T05") {
		t.Errorf("%v: %s", err, text)
	}
	m.page = ""
	if len(m.links()) > 0 || m.link() != "" {
		t.Errorf("links to nowhere: %v, %q", m.links(), m.link())
	}
}

func TestAReceiverIsToldOfARevocationUnlessSilencedAndThatTheHourIsCertifiedAgain(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	s.put(done()) // the loss that a scene begins with was over before
	silence := store.Silence{ID: wire.UID{15: 9}, Stream: "orders", Starts: five, Ends: time.Now().Add(time.Hour), Author: "ada", Reason: "known"}
	if err := s.store.PutSilence(t.Context(), silence, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.put(takenBack())
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.idle()
	if n := len(r.all()); n > 0 {
		t.Fatalf("called %d times in silence", n)
	}
	silence.Ends, silence.EndedBy = time.Now(), "ada"
	if err := s.store.PutSilence(t.Context(), silence, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s.until("the call after the silence", func() bool { return s.counted("hook", sent) == 1 })
	s.put(again())
	s.until("the call of its end", func() bool { return s.counted("hook", sent) == 2 })
	var got []string
	for _, call := range r.all() {
		var event struct {
			Type string
			Data data
		}
		if err := json.Unmarshal(call.body, &event); err != nil {
			t.Fatal(err)
		}
		if event.Data.Hour != "2026-11-22T05" || event.Data.Edge != "" || event.Data.Cause != "revoked" {
			t.Errorf("%+v", event.Data)
		}
		got = append(got, event.Type+" "+event.Data.Text)
		if want := map[string]uint64{"open": 12, "resolved": 14}[event.Data.State]; event.Data.Entry != want {
			t.Errorf("%s: entry %d", event.Data.State, event.Data.Entry)
		}
	}
	if diff := cmp.Diff([]string{"io.rollcall.incident.open " + takenBack().Text, "io.rollcall.incident.resolved " + again().Text}, got); diff != "" {
		t.Error(diff)
	}
}
