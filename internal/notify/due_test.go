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
	if err := s.store.AddAck(t.Context(), store.Ack{Incident: other.ID, Version: other.Version, At: time.Now(), Who: "ada"}); err != nil {
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
	s.until("all to be over", func() bool {
		open, err := s.store.ToldOpen(t.Context(), "hook", nil)
		return err == nil && len(open) == 0
	})
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

// dark is an unknown incident of an edge of flights.
func dark(n byte, edge store.Edge) store.Incident {
	i := loss()
	i.ID, i.Edge, i.Cause, i.Lost, i.Text = wire.UID{15: n}, edge, store.CauseUnknown, 0, "[UNKNOWN] flights "+edge.String()
	return i
}

func TestWhatGoesDarkOnSeveralEdgesIsOneCallUnlessTheFirstIsMuted(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	s.put(func() store.Incident { i := done(); i.Version = 9; return i }())
	app, sink := store.Edge{From: "app", To: "relay"}, store.Edge{From: "relay", To: "sink"}
	s.put(dark(5, app))
	s.put(dark(6, sink))
	silence := store.Silence{ID: wire.UID{15: 9}, Stream: "flights", Edge: app, Starts: five, Ends: time.Now().Add(time.Hour), Author: "ada", Reason: "planned work"}
	if err := s.store.PutSilence(t.Context(), silence, time.Now()); err != nil {
		t.Fatal(err)
	}
	stop := s.start(func(c *Config) { c.Calm = time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("the call of the edge that is not muted", func() bool { return s.counted("hook", sent) == 1 })
	s.idle()
	if got := r.texts(t); len(got) != 1 || got[0] != "[UNKNOWN] flights relay..sink" {
		t.Fatalf("%q", got)
	}
	stop()
	other := newReceiver(t, nil)
	silence.Ends, silence.EndedBy = time.Now(), "ada"
	if err := s.store.PutSilence(t.Context(), silence, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s.start(func(c *Config) { c.Calm = time.Hour }, Receiver{Name: "other", Type: Webhook, URL: other.URL, AllowPrivate: true})
	s.until("the call", func() bool { return s.counted("other", sent) == 1 && s.counted("other", joined) == 1 })
	s.idle()
	if got := other.texts(t); len(got) != 1 || got[0] != "[UNKNOWN] flights app..relay; and relay→sink" {
		t.Fatalf("%q", got)
	}
}

func TestAMuchGreaterLossIsCalledThoughItComesSoonAfterASmallOne(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	i := loss()
	i.Events, i.Version = 3, 2
	s.put(i)
	s.start(func(c *Config) { c.Calm = time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("the call", func() bool { return s.counted("hook", sent) == 1 })
	over := done()
	over.Since, over.Version = time.Now(), 3
	s.put(over)
	next := loss()
	next.ID, next.First, next.Events = wire.UID{15: 2}, five.Add(time.Hour), 29
	s.put(next)
	s.until("the next one to be joined", func() bool { return s.counted("hook", joined) == 1 })
	next.Events, next.Version = 30, 2
	s.put(next)
	s.until("the call of one that grew", func() bool { return s.counted("hook", sent) == 2 })
	third := loss()
	third.ID, third.First, third.Events = wire.UID{15: 3}, five.Add(2*time.Hour), 30_000
	s.put(third)
	s.until("the call of a great one", func() bool { return s.counted("hook", sent) == 3 })
}

// An edge that is muted after it was told led the next one that went dark, of which nobody was called.
func TestWhatGoesDarkAfterAMutedEdgeIsToldByItself(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	s.put(func() store.Incident { i := done(); i.Version = 9; return i }())
	app, sink := store.Edge{From: "app", To: "relay"}, store.Edge{From: "relay", To: "sink"}
	s.put(dark(5, app))
	s.start(func(c *Config) { c.Calm = time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("the call of the first", func() bool { return s.counted("hook", sent) == 1 })
	silence := store.Silence{ID: wire.UID{15: 9}, Stream: "flights", Edge: app, Starts: five, Ends: time.Now().Add(time.Hour), Author: "ada", Reason: "planned work"}
	if err := s.store.PutSilence(t.Context(), silence, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.put(dark(6, sink))
	s.until("the call of the second", func() bool { return s.counted("hook", sent) == 2 })
}

// Who joined a call that was never made was called of by nobody.
func TestADarkEdgeJoinsNoCallThatWasNotMade(t *testing.T) {
	s := newScene(t)
	s.put(func() store.Incident { i := done(); i.Version = 9; return i }())
	app, sink := store.Edge{From: "app", To: "relay"}, store.Edge{From: "relay", To: "sink"}
	s.put(dark(5, app))
	s.put(dark(6, sink))
	s.start(func(c *Config) { c.Calm, c.First, c.Most = time.Hour, time.Hour, time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: "http://127.0.0.1:1", AllowPrivate: true})
	s.until("an attempt to fail", func() bool { return s.counted("hook", retried) > 0 })
	s.idle()
	if n := s.counted("hook", joined); n > 0 {
		t.Fatalf("%v joined a call that was not made", n)
	}
}

func TestAWordCountsForTheIncidentAsItIsWhateverTheClocksSay(t *testing.T) {
	for _, c := range []struct {
		told []store.Told
		ack  uint64
		want bool
	}{
		{nil, 7, true},
		{[]store.Told{{State: store.IncidentOpen, Opening: 1, Version: 7}}, 7, true},
		{[]store.Told{{State: store.IncidentOpen, Opening: 1, Version: 7}}, 5, true},                                                           // before anybody was called
		{[]store.Told{{State: store.IncidentResolved, Opening: 1, Version: 8}, {State: store.IncidentOpen, Opening: 2, Version: 9}}, 7, false}, // before it opened again
		{[]store.Told{{State: store.IncidentEscalated, Opening: 1, Escalation: 1, Version: 9}}, 8, false},                                      // before it got worse
		{[]store.Told{{State: store.IncidentEscalated, Opening: 1, Escalation: 1, Version: 9}}, 9, true},
		{[]store.Told{{State: store.IncidentOpen, Opening: 2, Version: 9}, {State: store.IncidentEscalated, Opening: 1, Escalation: 3, Version: 6}}, 5, true},
	} {
		r := &record{}
		for _, t := range c.told {
			r.take(t)
		}
		if got := r.noticed([]store.Ack{{Version: c.ack}}); got != c.want {
			t.Errorf("%+v, a word on %d: noticed %v", c.told, c.ack, got)
		}
	}
}
