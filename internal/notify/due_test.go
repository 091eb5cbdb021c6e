package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// texts are the lines a webhook was sent, in order.
func (r *receiver) texts(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, g := range r.all() {
		var event struct{ Data data }
		if err := json.Unmarshal(g.body, &event); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, event.Data.Text)
	}
	return lines
}

func TestALossTenTimesAsGreatAsToldIsToldAgainAndAnyLessIsNot(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	i := loss()
	i.Events, i.Version = 312, 2
	s.put(i)
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("the first call", func() bool { return s.counted("hook", sent) == 1 })
	i.Events, i.Version = 3119, 3
	s.put(i)
	s.idle()
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d calls of a loss that grew a little", n)
	}
	i.Events, i.Version = 3120, 4
	s.put(i)
	s.until("the second call", func() bool { return s.counted("hook", sent) == 2 })
	s.idle()
	got := r.texts(t)
	if len(got) != 2 || !strings.HasPrefix(got[1], "[ESCALATED] [LOSS] flights") || !strings.HasSuffix(got[1], "10 times as many events a window as when it was last told") {
		t.Fatalf("%q", got)
	}
	s.put(done())
	i = done()
	i.Version = 9
	s.put(i)
	s.until("the end", func() bool { return s.counted("hook", sent) == 3 })
}

func TestAnIncidentNobodyTookNoticeOfIsToldAgainOnceAndAnAcknowledgedOneIsNot(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	other := loss()
	other.ID, other.Edge = wire.UID{15: 2}, store.Edge{From: "app", To: "relay"}
	s.put(other)
	if err := s.store.AddAck(t.Context(), store.Ack{Incident: other.ID, At: time.Now(), Who: "ada"}); err != nil {
		t.Fatal(err)
	}
	s.start(func(c *Config) { c.Unacked = 100 * time.Millisecond }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("three calls", func() bool { return s.counted("hook", sent) == 3 })
	s.idle()
	got := r.texts(t)
	if len(got) != 3 || !strings.HasPrefix(got[2], "[ESCALATED]") || !strings.Contains(got[2], "nobody took notice of it") {
		t.Fatalf("%q", got)
	}
	told, err := s.store.ToldOf(t.Context(), loss().ID)
	for err == nil && len(told) < 2 { // the counter is ahead of the row
		told, err = s.store.ToldOf(t.Context(), loss().ID)
	}
	if err != nil || told[1].State != store.IncidentEscalated {
		t.Fatalf("kept: %+v, %v", told, err)
	}
}

func TestWhatComesAndGoesIsOneCallUntilItIsCalm(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	s.start(func(c *Config) { c.Calm = time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("the call", func() bool { return s.counted("hook", sent) == 1 })
	over := done()
	over.Since = time.Now()
	s.put(over)
	next := loss()
	next.ID, next.First, next.Last, next.FirstBad = wire.UID{15: 2}, five.Add(time.Hour), five.Add(time.Hour), five.Add(time.Hour)
	s.put(next)
	s.until("the next one to be joined", func() bool { return s.counted("hook", joined) == 1 })
	s.idle()
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d calls: %q", n, r.texts(t))
	}
	next.Bad, next.Since, next.Version = 0, time.Now().Add(-2*time.Hour), 2
	over.Since, over.Version = time.Now().Add(-2*time.Hour), 3
	s.put(next)
	s.put(over)
	s.until("the end", func() bool { return s.counted("hook", sent) == 2 })
	s.until("all to be over", func() bool { open, err := s.store.ToldOpen(t.Context(), "hook"); return err == nil && len(open) == 0 })
	if got := r.texts(t); !strings.HasPrefix(got[1], "[RESOLVED]") {
		t.Fatalf("%q", got)
	}
}

func TestAnIncidentIsHeldBackAsLongAsItSays(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	i := loss()
	i.Since, i.Hold, i.Version = time.Now(), time.Hour, 2
	s.put(i)
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.idle()
	if n := len(r.all()); n > 0 {
		t.Fatalf("called of a backlog that did not last: %q", r.texts(t))
	}
	i.Since, i.Version = time.Now().Add(-time.Hour), 3
	s.put(i)
	s.until("the call", func() bool { return s.counted("hook", sent) == 1 })
}
