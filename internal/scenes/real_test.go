package scenes

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
	"github.com/rollcallhq/rollcall/reconcile"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// counting is a real store that counts how often a notifier has looked.
type counting struct {
	*store.Store
	looks atomic.Int64
}

func (c *counting) Silences(ctx context.Context, now time.Time) ([]store.Silence, error) {
	c.looks.Add(1)
	return c.Store.Silences(ctx, now)
}

func openStore(t *testing.T) *counting {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return &counting{Store: s}
}

// playReal runs a scene on a real ClickHouse with a clock of its own, which goes on when a step was played, judged and looked at by the notifier.
func playReal(t *testing.T, length time.Duration, apps int, hops []string, prepare func(*scene), at map[string]func()) *scene {
	t.Helper()
	s := openStore(t)
	var clock atomic.Int64
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	clock.Store(now.UnixMilli())
	c := newScene(t, s, func() time.Time { return time.UnixMilli(clock.Load()).UTC() }, apps, hops...)
	prepare(c)
	defer c.tell(notify.Config{Every: 5 * time.Millisecond, Unacked: -1})()
	for end := now.Add(length); now.Before(end); {
		now = now.Add(step)
		clock.Store(now.UnixMilli())
		if change := at[now.Format("15:04:05")]; change != nil {
			change()
		}
		c.step()
		if _, err := reconcile.Pass(t.Context(), s, now); err != nil {
			t.Fatal(err)
		}
		s.await(t, 3) // the round that was under way, one that looked at all of this, and one that begins after that one told
	}
	return c
}

// await waits until the notifier has looked so many times more.
func (c *counting) await(t *testing.T, looks int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for want := c.looks.Load() + looks; c.looks.Load() < want; {
		select {
		case <-ctx.Done():
			t.Fatal("the notifier looks no more")
		case <-tick.C:
		}
	}
}

func TestALossAndItsFillingAreToldTheSameOnARealClickHouse(t *testing.T) {
	var c *scene
	var lost []*batch
	c = playReal(t, 14*time.Minute, 25, []string{"relay", "sink"}, func(s *scene) {
		c = s
		loses := missing(s, 16, "00:02:00", "00:04:00")
		s.loses = func(b *batch, hop string) bool {
			gone := loses(b, hop)
			if gone {
				lost = append(lost, b)
			}
			return gone
		}
	}, map[string]func(){"00:06:00": func() { c.hops[1].unsaid = append(c.hops[1].unsaid, lost...) }})
	c.wantTold(
		"[LOSS] flights relay→sink 00:00Z: 100 of 2\u2009500 missing since 00:02, web-17 only",
		"[RESOLVED] flights relay→sink 00:00Z: nothing is missing any more",
	)
}

func TestAnOutageIsOneCallOnARealClickHouse(t *testing.T) {
	var c *scene
	everything := func(mute bool) func() {
		return func() {
			for _, i := range append(c.apps, c.hops...) {
				i.mute = mute
			}
		}
	}
	c = playReal(t, 16*time.Minute, 5, []string{"relay", "sink"}, func(s *scene) { c = s },
		map[string]func(){"00:02:00": everything(true), "00:08:00": everything(false)})
	c.wantTold("[UNKNOWN] flights relay→sink … sink on sink-1 is dark", "[RESOLVED] flights relay→sink")
}
