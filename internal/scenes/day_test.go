package scenes

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
)

// play runs a scene in simulated time, which begins at midnight: each step is played, then what changes at an instant is done.
func play(t *testing.T, length time.Duration, apps int, hops []string, prepare func(*scene, *memory), at map[string]func(), config notify.Config) *scene {
	t.Helper()
	var c *scene
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c = newScene(t, m, time.Now, apps, hops...)
		prepare(c, m)
		defer c.judge(5 * time.Second)()
		defer c.tell(config)()
		for end := time.Now().Add(length); time.Now().Before(end); {
			next := time.NewTimer(step)
			<-next.C
			if change := at[time.Now().UTC().Format("15:04:05")]; change != nil {
				change()
			}
			c.step()
			synctest.Wait()
		}
	})
	c.T = t // the one of the bubble is done
	return c
}

func TestAQuietNightCallsNobody(t *testing.T) {
	c := play(t, 24*time.Hour, 10, []string{"relay", "sink"}, func(*scene, *memory) {}, nil, notify.Config{})
	c.wantTold()
}

func TestWhatSettlesWithinTheLimitCallsNobody(t *testing.T) {
	var sink *instance
	c := play(t, 2*time.Hour, 5, []string{"sink"}, func(c *scene, _ *memory) { sink = c.hops[0] }, map[string]func(){
		"00:30:00": func() { sink.late = 90 * time.Second },
		"00:50:00": func() { sink.late = 0 },
		"01:10:00": func() { sink.mute = true },
		"01:11:30": func() { sink.mute = false },
	}, notify.Config{})
	c.wantTold()
}

func TestOneDeadHostAmong200IsNamedOnceAndEndsWhenItIsClosed(t *testing.T) {
	var c *scene
	var m *memory
	c = play(t, 2*time.Hour, 200, []string{"relay", "sink"}, func(s *scene, k *memory) { c, m = s, k }, map[string]func(){
		"00:30:00": func() { c.apps[16].dead = true },
		"01:20:00": func() {
			m.close(store.Closing{Stream: stream, Kind: store.CloseEmitter, ID: c.apps[16].id, At: c.now().Truncate(time.Hour).Add(-31 * time.Minute), Why: "it burned", Who: "ada"})
		},
	}, notify.Config{Unacked: -1})
	c.wantTold(
		"[UNKNOWN] flights app→relay 00:00Z: the window is not known since 00:29: emitter … app on web-17 is dark",
		"[RESOLVED] flights app→relay",
	)
}

func TestATotalOutageIsOneCall(t *testing.T) {
	var c *scene
	everything := func(mute bool) func() {
		return func() {
			for _, i := range append(c.apps, c.hops...) {
				i.mute = mute
			}
		}
	}
	c = play(t, 2*time.Hour, 20, []string{"relay", "sink", "store"}, func(s *scene, _ *memory) { c = s },
		map[string]func(){"00:30:00": everything(true), "00:50:00": everything(false)}, notify.Config{})
	c.wantTold("[UNKNOWN] flights relay→sink … sink on sink-1 is dark", "[RESOLVED] flights relay→sink")
}

func TestASlowSinkCallsNobodyUntilItLasts(t *testing.T) {
	var sink *instance
	prepare := func(c *scene, _ *memory) { sink = c.hops[1] }
	short := play(t, 3*time.Hour, 5, []string{"relay", "sink"}, prepare, map[string]func(){
		"00:30:00": func() { sink.late = 20 * time.Minute }, "00:50:00": func() { sink.late = 0 },
	}, notify.Config{})
	short.wantTold()
	long := play(t, 4*time.Hour, 5, []string{"relay", "sink"}, prepare, map[string]func(){
		"00:30:00": func() { sink.late = 80 * time.Minute }, "02:00:00": func() { sink.late = 0 },
	}, notify.Config{Unacked: -1})
	long.wantTold("[DELAYED] flights relay→sink 00:00Z: … pending since 00:29, sink on sink-1 holds them", "[RESOLVED] flights relay→sink")
}

func TestAFlappingEmitterIsOneCallAndOneEnd(t *testing.T) {
	var app *instance
	at := map[string]func(){}
	for minute := 30; minute < 180; minute += 6 {
		clock := time.Date(2000, 1, 1, 0, minute, 0, 0, time.UTC)
		at[clock.Format("15:04:05")] = func() { app.mute = true }
		at[clock.Add(270*time.Second).Format("15:04:05")] = func() { app.mute = false }
	}
	c := play(t, 4*time.Hour, 10, []string{"sink"}, func(c *scene, _ *memory) { app = c.apps[6] }, at, notify.Config{})
	c.wantTold("[UNKNOWN] flights app→sink … app on web-7 is dark", "[RESOLVED] flights app→sink")
}

func TestADeployThatBreaksASchemaIsNamedByItsVersion(t *testing.T) {
	var c *scene
	deploy := func(breaks bool) func() {
		return func() {
			for _, a := range c.apps[:5] {
				a.breaks = breaks
			}
		}
	}
	c = play(t, 5*time.Hour, 20, []string{"sink"}, func(s *scene, m *memory) {
		c = s
		settings := store.DefaultSettings(stream)
		settings.Objectives.Validity = 0.999
		m.settings[stream] = settings
	}, map[string]func(){"03:00:30": deploy(true), "03:20:00": deploy(false)}, notify.Config{Unacked: -1})
	c.wantTold("[INVALID] flights app→sink 03:00Z: … flights version 7 only", "[RESOLVED] flights app→sink 03:00Z: none invalid")
}

// missing loses the events that one host made between two instants, at the sink.
func missing(c *scene, host int, from, to string) func(*batch, string) bool {
	return func(b *batch, hop string) bool {
		at := b.made.Format("15:04:05")
		return hop == "sink" && b.source == c.apps[host].id && at >= from && at < to
	}
}

func TestALossThatUsesUpTheBudgetCallsOfTheObjectiveToo(t *testing.T) {
	c := play(t, 6*time.Hour, 25, []string{"sink"}, func(c *scene, m *memory) {
		c.loses = missing(c, 3, "03:00:00", "03:40:00")
		settings := store.DefaultSettings(stream)
		settings.Objectives.Completeness = 0.999
		m.settings[stream] = settings
	}, nil, notify.Config{Unacked: -1})
	c.wantTold(
		"[LOSS] flights app→sink 03:00Z: 100 of 2\u2009500 missing, web-4 only",
		"[BURN] flights 03:00Z: … lost in 3 d, 1.08 times what the objective of 99.9 % allows", // of a stream that has not three days yet
		"[BURN] flights 03:00Z: … lost in 1 h, 16 times what the objective of 99.9 % allows",
		"[RESOLVED] flights 03:00Z: the budget of completeness no longer burns too fast",
	)
}

func TestPlannedWorkUnderASilenceCallsNobodyAndHidesNothing(t *testing.T) {
	var c *scene
	var m *memory
	c = play(t, 2*time.Hour, 5, []string{"relay", "sink"}, func(s *scene, k *memory) {
		c, m = s, k
		k.silences = []store.Silence{{ID: wire.UID{15: 1}, Stream: stream, Starts: c.now(), Ends: c.now().Add(time.Hour), Author: "ada", Reason: "the warehouse moves"}}
	}, map[string]func(){
		"00:20:00": func() { c.hops[1].mute = true }, "00:40:00": func() { c.hops[1].mute = false },
		"00:55:00": func() { c.hops[1].mute = true }, "01:20:00": func() { c.hops[1].mute = false },
	}, notify.Config{})
	c.wantTold("01:00 [UNKNOWN] flights relay→sink 00:00Z", "[RESOLVED] flights relay→sink") // what is still open when the silence ends
	if found, err := m.Incidents(t.Context(), store.IncidentFilter{}); err != nil || len(found) != 2 {
		t.Errorf("kept: %d incidents, %v", len(found), err)
	}
}

func TestALossThatIsFilledLaterResolvesByItself(t *testing.T) {
	var c *scene
	var lost []*batch
	c = play(t, 2*time.Hour, 25, []string{"relay", "sink"}, func(s *scene, _ *memory) {
		c = s
		loses := missing(s, 16, "00:31:00", "00:34:00")
		s.loses = func(b *batch, hop string) bool {
			gone := loses(b, hop)
			if gone {
				lost = append(lost, b)
			}
			return gone
		}
	}, map[string]func(){"01:00:00": func() { c.hops[1].unsaid = append(c.hops[1].unsaid, lost...) }}, notify.Config{})
	c.wantTold(
		"[LOSS] flights relay→sink 00:00Z: 100 of 2\u2009500 missing since 00:31, web-17 only",
		"[RESOLVED] flights relay→sink 00:00Z: nothing is missing any more",
	)
}

func TestAReplayEndsTheLossItFillsAndDuplicatesNothing(t *testing.T) {
	var c *scene
	c = play(t, 3*time.Hour, 25, []string{"sink"}, func(s *scene, k *memory) {
		c = s
		s.loses = missing(s, 16, "00:31:00", "00:34:00")
		settings := store.DefaultSettings(stream)
		settings.AlertOn = []store.Cause{store.CauseDuplicated}
		k.settings[stream] = settings
	}, map[string]func(){"01:30:00": func() { c.replay(16, 60*rate, 70*rate) }}, notify.Config{Unacked: -1})
	c.wantTold("[LOSS] flights app→sink 00:00Z … web-17 only", "[RESOLVED] flights app→sink 00:00Z")
}

// replay delivers events of one app again under epoch 1, through an emitter of its own.
func (c *scene) replay(host int, from, to uint32) {
	r := &instance{hop: "sink", after: []string{"app"}, host: "replay-1", epoch: 1, id: wire.UID{0: 3, 6: 0x80, 8: 0x80}}
	for n := from; n < to; n += rate {
		made := time.Date(2000, 1, 1, 0, 0, int(n/rate)*30+15, 0, time.UTC)
		r.unsaid = append(r.unsaid, &batch{source: c.apps[host].id, made: made, from: n, to: n + rate, entered: c.now()})
	}
	reports := r.report(nil, c.now().UTC())
	reports[0].State = wire.Closed
	if err := c.store.Insert(c.Context(), reports); err != nil {
		c.Fatal(err)
	}
}
