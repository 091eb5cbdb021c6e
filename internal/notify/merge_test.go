package notify

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// The run that begins earlier has another id; it was a second call, and who looked at the first one was forgotten.
func TestARunThatTurnsOutToBeginEarlierIsNoSecondCallAndKeepsWhoLooksAtIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, func(c *Config, _ *Deps) { c.Unacked = 30 * time.Minute }, hookReceiver, pageReceiver(t))
		defer stop()
		late := run(7, 7, 7)
		m.put(late)
		after(time.Minute)
		m.ack(late.ID)
		after(time.Minute)
		whole := run(6, 6, 7)
		whole.Since = time.Now() // nobody is told of it for a while yet
		m.merge(late.ID, whole.ID)
		m.put(whole)
		after(2 * time.Hour)
		if calls := b.texts(t, "hook"); !slices.Equal(calls, []string{"[LOSS] run 7"}) {
			t.Fatalf("told %q", calls)
		}
		m.put(ended(whole, time.Now()))
		after(10 * time.Minute)
		if calls := b.texts(t, "hook"); !slices.Equal(calls, []string{"[LOSS] run 7", "[RESOLVED] run 6"}) {
			t.Errorf("told %q", calls)
		}
		if pages, key := b.pages(t), late.ID.String(); !slices.Equal(pages, []string{"trigger " + key, "acknowledge " + key, "resolve " + key}) {
			t.Errorf("paged %q", pages)
		}
	})
}

func TestNobodyIsGivenMoreTimeToLookBecauseARunTurnsOutToBeginEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, func(c *Config, _ *Deps) { c.Unacked = 30 * time.Minute }, hookReceiver)
		defer stop()
		late := run(7, 7, 7)
		m.put(late)
		after(20 * time.Minute)
		whole := run(6, 6, 7)
		whole.OpenedAt, whole.Since = late.OpenedAt, late.Since
		m.merge(late.ID, whole.ID)
		m.put(whole)
		after(9 * time.Minute)
		if calls := b.texts(t, "hook"); len(calls) != 1 {
			t.Fatalf("told %q", calls)
		}
		after(2 * time.Minute)
		if calls := b.texts(t, "hook"); len(calls) < 2 || !strings.HasPrefix(calls[1], "[ESCALATED] [LOSS] run 6") {
			t.Errorf("told %q", calls)
		}
	})
}

func TestWhoLooksAtOneOfTwoRunsThatMeetLooksAtBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, func(c *Config, _ *Deps) { c.Unacked = 30 * time.Minute }, hookReceiver, pageReceiver(t))
		defer stop()
		early, late := run(5, 5, 5), run(7, 7, 7)
		m.put(early, late)
		after(time.Minute)
		m.ack(late.ID)
		after(time.Minute)
		whole := run(5, 5, 7)
		whole.Version = 9
		m.merge(late.ID, whole.ID)
		m.put(whole)
		after(2 * time.Hour)
		if calls := b.texts(t, "hook"); len(calls) != 3 || !strings.HasPrefix(calls[2], "[MERGED]") {
			t.Errorf("told %q", calls)
		}
		e, l := early.ID.String(), late.ID.String()
		pages := b.pages(t)
		if slices.Sort(pages[:2]); !slices.Equal(pages[:3], []string{"trigger " + e, "trigger " + l, "acknowledge " + l}) || len(pages) != 5 ||
			!slices.Contains(pages, "resolve "+l) || !slices.Contains(pages, "acknowledge "+e) {
			t.Errorf("paged %q", pages)
		}
	})
}

func TestARunThatGotMuchWorseAsItBecameOneIsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, nil, pageReceiver(t))
		defer stop()
		late := run(7, 7, 7)
		m.put(late)
		after(time.Minute)
		whole := run(6, 6, 7)
		whole.Events = 1000
		m.merge(late.ID, whole.ID)
		m.put(whole)
		after(time.Minute)
		want := []string{"trigger " + late.ID.String(), "trigger " + whole.ID.String() + "/1", "resolve " + late.ID.String()}
		if pages := b.pages(t); !slices.Equal(pages, want) {
			t.Errorf("paged %q, want %q", pages, want)
		}
	})
}

// Whoever says of an edge that went dark with another that it is looked at has answered the call, which named both.
func TestAWordOnWhatJoinedACallIsAWordOnTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		b, _, stop := answering(t, m, func(c *Config, _ *Deps) { c.Unacked = 30 * time.Minute }, pageReceiver(t))
		defer stop()
		app, sink := store.Edge{From: "app", To: "relay"}, store.Edge{From: "relay", To: "sink"}
		for n, edge := range map[byte]store.Edge{5: app, 6: sink} {
			i := dark(n, edge)
			i.OpenedAt = time.Now().Add(-time.Minute)
			i.Since = i.OpenedAt
			m.incidents[i.ID] = i
		}
		after(time.Minute)
		m.ack(wire.UID{15: 6})
		after(2 * time.Hour)
		key := wire.UID{15: 5}.String()
		if pages := b.pages(t); !slices.Equal(pages, []string{"trigger " + key, "acknowledge " + key}) {
			t.Errorf("paged %q", pages)
		}
	})
}
