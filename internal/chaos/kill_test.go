package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// quota is how often each is killed in one round: more than a hundred times together.
func quota() map[string]int {
	return map[string]int{"server": 18, "ClickHouse": 14, "Kafka": 13, "relay": 28, "sink": 28}
}

// longestWork is how long a process may have worked before it is killed.
const longestWork = 800 * time.Millisecond

// Server, ClickHouse, Kafka, relay and sink are killed a hundred times while events pass, each while it works and without regard to the
// others. They come back on the same data and ports, and Rollcall then says of every window what truly happened.
func TestKilledAHundredTimesNothingIsLostCountedTwiceOrSaidWrongly(t *testing.T) {
	quota := quota()
	if testing.Short() {
		quota = map[string]int{"server": 2, "ClickHouse": 2, "Kafka": 2, "relay": 2, "sink": 2}
	}
	for round := range rounds(t) {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) { killAll(t, quota) })
	}
}

// rounds is 1, or what ROLLCALL_SOAK says.
func rounds(t *testing.T) int {
	text := os.Getenv("ROLLCALL_SOAK")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	fatal(t, err)
	return n
}

// dice returns a source of chance whose seed is printed, and is given by ROLLCALL_SEED.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("ROLLCALL_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		fatal(t, err)
	}
	t.Logf("ROLLCALL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func killAll(t *testing.T, quota map[string]int) {
	chance := dice(t)
	s := startSystem(t)
	go s.pipeline.produce()
	begun := time.Now()
	s.killEach(t, quota, chance)
	took := time.Since(begun)

	s.pipeline.finish(t)
	eventually(t, "the end of every event", s.pipeline.through)
	s.pipeline.learn(t, s.brokers)
	verdicts := s.pipeline.truth.agree(t, s.ask)
	s.report(t, verdicts, took, quota)
}

// killEach kills every target as often as its quota says, each at its own random moments.
func (s *system) killEach(t *testing.T, quota map[string]int, chance *rand.Rand) {
	var all sync.WaitGroup
	for _, name := range []string{"server", "ClickHouse", "Kafka", "relay", "sink"} {
		g, own := s.targets[name], rand.New(rand.NewPCG(chance.Uint64(), 0))
		all.Go(func() {
			for g.kills < quota[name] {
				if err := killWithin(t.Context(), g, time.Duration(own.Int64N(int64(longestWork)))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// killWithin is a kill that fails when the process does not come to work.
func killWithin(ctx context.Context, g *target, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, factLimit)
	defer cancel()
	return g.kill(ctx, after)
}

// report says how much was killed and found, and holds that it was enough to prove something.
func (s *system) report(t *testing.T, verdicts []said, took time.Duration, quota map[string]int) {
	t.Helper()
	total := 0
	for name, g := range s.targets {
		total += g.kills
		t.Logf("%s: killed %d times at work, ended by itself %d times, %d lives", name, g.kills, g.deaths, g.lives)
		if g.kills < quota[name] {
			t.Errorf("%s was killed %d times, want %d", name, g.kills, quota[name])
		}
	}
	names := map[string]int{}
	for _, v := range verdicts {
		for kind, uids := range v.Names {
			names[kind] += len(uids)
		}
	}
	t.Logf("%d kills in %s, %d events in %d windows and edges; planted %v, named %v", total, took.Round(time.Second), len(s.pipeline.sent), len(verdicts), s.pipeline.fates, names)
}
