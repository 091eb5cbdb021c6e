package notify

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// What was told was not remembered while the store did not take it down, and the receiver was called every two seconds.
func TestWhatTheStoreDoesNotTakeDownIsToldOnceAndTakenDownLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, n, stop := answering(t, m, nil, hookReceiver)
		defer stop()
		m.full = true
		m.put(run(1, 0, 0))
		after(20 * time.Minute) // all is read again meanwhile, more than once
		if calls := b.texts(t, "hook"); len(calls) != 1 {
			t.Fatalf("told %q", calls)
		}
		if unstored := gaugeOf(t, n.unstored, "hook"); unstored != 1 {
			t.Errorf("%v are said to be told and not stored", unstored)
		}
		m.mu.Lock()
		m.full = false
		m.mu.Unlock()
		after(5 * time.Second)
		if len(m.told) != 1 || m.told[0].State != store.IncidentOpen || m.told[0].Opening != 1 {
			t.Errorf("taken down: %+v", m.told)
		}
		if unstored := gaugeOf(t, n.unstored, "hook"); unstored != 0 || len(b.of("hook")) != 1 {
			t.Errorf("%v not stored, %d calls", unstored, len(b.of("hook")))
		}
	})
}

// PagerDuty calls nobody of an event whose key it knows as open, and Alertmanager nobody of an alert whose labels it knows.
func TestEachEscalationIsACallOfItsOwnAndTheOneBeforeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, nil, pageReceiver(t), alertReceiver)
		defer stop()
		i := run(1, 0, 0)
		for version, events := range []uint64{10, 100, 1000} {
			i.Events, i.Version = events, uint64(version+1)
			m.put(i)
			after(50 * time.Second)
		}
		m.ack(i.ID)
		after(5 * time.Second)
		m.put(ended(i, time.Now()))
		after(10 * time.Minute)
		key := i.ID.String()
		want := []string{"trigger " + key, "trigger " + key + "/1", "resolve " + key, "trigger " + key + "/2", "resolve " + key + "/1", "acknowledge " + key + "/2", "resolve " + key + "/2"}
		if pages := b.pages(t); !slices.Equal(pages, want) {
			t.Errorf("paged %q, want %q", pages, want)
		}
		firing := map[string]bool{}
		most := 0
		for _, c := range b.of("am") {
			for _, a := range alertsOf(t, c) {
				firing[a.Labels["escalation"]] = a.EndsAt.After(c.at)
				if len(a.Labels["escalation"]) > 0 && !strings.HasPrefix(a.Annotations["summary"], "[") {
					t.Errorf("%+v", a)
				}
			}
			n := 0
			for _, is := range firing {
				if is {
					n++
				}
			}
			most = max(most, n)
		}
		if _, second := firing["2"]; len(firing) != 3 || most != 1 || !second || firing["2"] {
			t.Errorf("alerts %v, %d at once", firing, most)
		}
	})
}

type alertSeen struct {
	Labels, Annotations map[string]string
	EndsAt              time.Time
}

func alertsOf(t *testing.T, c call) (all []alertSeen) {
	t.Helper()
	if err := json.Unmarshal(c.body, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestARepeatHasTheIDThatItHadTheFirstTimeWhateverChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, nil, hookReceiver)
		defer stop()
		i := run(1, 0, 1)
		var ids []string
		for version, events := range []uint64{20, 300, 5000} {
			b.set(b.fails, "hook", true)
			before := len(b.of("hook"))
			for step := range 5 { // while it is tried the incident changes
				i.Events, i.Since, i.Version = events+uint64(step), i.Since.Add(time.Minute), uint64(10*version+step+1)
				m.put(i)
				after(time.Minute)
			}
			b.set(b.fails, "hook", false)
			after(10 * time.Minute)
			calls := b.of("hook")[before:]
			for _, c := range calls {
				if id := eventOf(t, c).ID; id != eventOf(t, calls[0]).ID {
					t.Errorf("it is %s, and was %s", id, eventOf(t, calls[0]).ID)
				}
			}
			if ids = append(ids, eventOf(t, calls[0]).ID); len(calls) < 2 {
				t.Fatalf("%d calls", len(calls))
			}
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != 3 {
			t.Errorf("two things told have the id of one: %q", ids)
		}
	})
}

func TestAReceiverThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		hangs := hookReceiver
		hangs.Name, hangs.URL = "hangs", "https://hangs/in"
		b, n, stop := answering(t, m, nil, hangs, hookReceiver)
		defer stop()
		b.set(b.hangs, "hangs", true)
		for minute := range 30 {
			i := run(byte(minute+1), 2*minute, 2*minute)
			i.Since = time.Now().Add(-time.Minute)
			put := time.Now()
			m.put(i)
			after(10 * time.Second)
			calls := b.of("hook")
			if len(calls) != minute+1 || calls[minute].at.Sub(put) > 2*time.Second {
				t.Fatalf("after minute %d: %d calls, the last %s after it was stored", minute, len(calls), calls[len(calls)-1].at.Sub(put))
			}
		}
		if oldest := gaugeOf(t, n.oldest, "hangs"); oldest < 250 || gaugeOf(t, n.oldest, "hook") > 0 {
			t.Errorf("the oldest has waited %v s for the one that hangs and %v for the other", oldest, gaugeOf(t, n.oldest, "hook"))
		}
		if counterOf(t, n.outcomes, "hangs", sent) > 0 || counterOf(t, n.outcomes, "hangs", retried) == 0 {
			t.Error("the one that hangs counts as told, or is not tried")
		}
	})
}

func TestOnlyWhatChangedIsReadAndRowsThatAreStoredLateAreNotPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for n := range 50 {
			m.put(run(byte(n+1), 2*n, 2*n))
		}
		b, _, stop := answering(t, m, nil, hookReceiver)
		defer stop()
		after(time.Minute)
		m.mu.Lock()
		m.listed, m.wholes = 0, 0
		m.mu.Unlock()
		after(3 * time.Minute)
		if m.listed > 0 || m.wholes > 0 {
			t.Errorf("%d incidents were read, %d times all, though nothing changed", m.listed, m.wholes)
		}
		m.mu.Lock()
		m.clock += 9_000
		m.mu.Unlock()
		m.put(run(100, 200, 200))
		after(5 * time.Second)
		m.mu.Lock() // another process's row, of before, becomes visible only now
		late := run(101, 202, 202)
		m.incidents[late.ID] = late
		m.touched = append(m.touched, store.Touch{Incident: late.ID, StoredAt: time.UnixMilli(m.clock - 8_000), Rows: 2})
		m.mu.Unlock()
		m.put(run(102, 204, 204))
		after(5 * time.Second)
		if n := len(b.of("hook")); n != 53 {
			t.Errorf("%d of 53 were told", n)
		}
		told := store.Told{Receiver: "hook", Incident: wire.UID{15: 103}, State: store.IncidentOpen, Opening: 1, Outcome: sent, Version: 1}
		if err := m.AddTold(t.Context(), told); err != nil { // by a process that had the stream before
			t.Fatal(err)
		}
		m.put(run(103, 206, 206))
		after(10 * time.Minute)
		if n := len(b.of("hook")); n != 53 {
			t.Errorf("%d calls: what another process told is told again", n)
		}
	})
}

// asked counts how often hints are looked up.
type asked int

func (a *asked) Hints(context.Context, *store.Incident, time.Time) ([]store.Hint, error) {
	*a++
	return []store.Hint{{Kind: "host", Short: "web-17 only"}}, nil
}

func TestWhatAlertmanagerHearsAgainSaysWhatWasFoundOutOnceAndIsNotWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, hints := newMemory(), new(asked)
		b, _, stop := answering(t, m, func(_ *Config, d *Deps) { d.Hints = hints }, alertReceiver)
		defer stop()
		m.put(run(1, 0, 0))
		after(time.Hour)
		calls := b.of("am")
		if len(calls) < 58 || *hints != 1 || len(m.told) != 1 {
			t.Errorf("%d calls, hints were asked for %d times, %d rows", len(calls), *hints, len(m.told))
		}
		if last := alertsOf(t, calls[len(calls)-1])[0]; !strings.HasSuffix(last.Annotations["summary"], "web-17 only") {
			t.Errorf("the last says %q", last.Annotations["summary"])
		}
	})
}

func TestEveryReceiverGetsTheWindowTheIncidentAndTheMuteForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, nil, hookReceiver, alertReceiver)
		defer stop()
		i := run(1, 0, 0)
		m.put(i)
		after(5 * time.Second)
		page := "https://rollcall.example/incidents/" + i.ID.String()
		want := []link{{"https://rollcall.example/w/flights/2026-11-22T05:00:00Z?edge=relay..sink", "Window"}, {page, "Incident"}, {page + "/mute", "Mute"}}
		if links := eventOf(t, b.of("hook")[0]).Data.Links; !slices.Equal(links, want) {
			t.Errorf("the webhook gets %v", links)
		}
		for _, l := range want {
			if got := alertsOf(t, b.of("am")[0])[0].Annotations[strings.ToLower(l.Text)]; got != l.Href {
				t.Errorf("%s: Alertmanager gets %q", l.Text, got)
			}
		}
	})
}

func TestWhatWasToldComesOutTheSameInWhateverOrderItIsRead(t *testing.T) {
	at := func(minutes int) time.Time { return five.Add(time.Duration(minutes) * time.Minute) }
	rows := []store.Told{ // by clocks that are hours apart
		{Receiver: "hook", State: store.IncidentOpen, Opening: 1, Version: 1, At: at(300)},
		{Receiver: "hook", State: store.IncidentEscalated, Opening: 1, Escalation: 1, Version: 2, At: at(1)},
		{Receiver: "hook", State: store.IncidentResolved, Opening: 1, Escalation: 1, Version: 3, At: at(400)},
		{Receiver: "hook", State: store.IncidentOpen, Opening: 2, Version: 4, At: at(2)},
		{Receiver: "hook", State: store.ToldAcknowledged, Opening: 2, Version: 4, At: at(900)},
		{Receiver: "hook", State: store.IncidentEscalated, Opening: 2, Escalation: 1, Version: 5, At: at(3)},
	}
	for range 200 {
		r := &record{}
		for _, n := range append(rand.Perm(len(rows)), rand.IntN(len(rows))) { // one of them twice
			r.take(rows[n])
		}
		if r.Told != rows[5] || !r.first.Equal(at(2)) || r.worse != 5 || r.ended != 3 {
			t.Fatalf("%+v", *r)
		}
	}
}

func TestAReceiverIsLeftAloneAsLongAsTheLongestAnswerAsks(t *testing.T) {
	l := &line{tries: map[key]try{}, Notifier: &Notifier{config: Config{}.withDefaults()}}
	for _, wait := range []time.Duration{time.Minute, time.Second} {
		l.note(key{}, five, &answerError{wait: wait})
	}
	if want := five.Add(time.Minute); !l.rest.Equal(want) {
		t.Errorf("until %s, want %s", l.rest, want)
	}
}

// Long after it was over a process has forgotten what it told, and must not take the next opening for the last one.
func TestWhatOpensAgainIsACallOfItsOwnThatAnOldWordDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, func(c *Config, _ *Deps) { c.Unacked = 30 * time.Minute }, hookReceiver)
		defer stop()
		i := run(1, 0, 0)
		m.put(i)
		m.ack(i.ID)
		after(time.Minute)
		m.put(ended(i, time.Now()))
		after(time.Hour)
		m.mu.Lock()
		m.clock += time.Hour.Milliseconds()
		m.mu.Unlock()
		m.put(ended(run(2, 9, 9), time.Now())) // so that the first rows are too old to be read again
		after(time.Minute)
		i.Since, i.Version = time.Now(), 500
		m.put(i)
		after(time.Hour)
		var ids []string
		for _, c := range b.of("hook") {
			ids = append(ids, strings.TrimPrefix(eventOf(t, c).ID, i.ID.String()))
		}
		if !slices.Equal(ids, []string{"/open/1", "/resolved/1", "/open/2", "/escalated/2/1"}) {
			t.Errorf("told %q", ids)
		}
	})
}
