package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
)

// told is what came of a number of stories.
type told struct {
	stories, points, ended, lives int
	failed                        [faults]int // calls of the disk that failed, by how
	err                           error       // the first promise that was broken
}

// tell tells one story and crashes it at every point.
func (sum *told) tell(seed uint64, failAt int, failAs fault, deaf string) {
	s := newStory(seed)
	s.failAt, s.failAs, s.disk.deaf = failAt, failAs, deaf
	lives, err := s.tell()
	sum.stories, sum.lives = sum.stories+1, sum.lives+lives
	if failAt > 0 && s.calls >= failAt {
		sum.failed[failAs]++
	}
	s.disk.before = nil
	if err == nil {
		err = s.whole()
	}
	for i := 0; err == nil && i < len(s.points); i++ {
		err = sum.crash(s, i, seed)
	}
	if err != nil && sum.err == nil {
		sum.err = fmt.Errorf("story %d, where call %d fails in way %d: %w", seed, failAt, failAs, err)
	}
}

// crash crashes a story at one point: with all lost that may be, with some of it lost, and after every fifth of these
// the story goes on to its end.
func (sum *told) crash(s *story, i int, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	sum.points++
	at := s.after(i, rng, nothing)
	if err := at.found(); err != nil {
		return fmt.Errorf("point %d of %d, when nothing outlives that was not synced: %w", i, len(s.points), err)
	}
	at = s.after(i, rng, rng.IntN(3))
	err := at.found()
	if err == nil && i%5 == 0 {
		sum.ended++
		err = at.goOn()
	}
	if err != nil {
		return fmt.Errorf("point %d of %d: %w", i, len(s.points), err)
	}
	return nil
}

func (sum *told) add(more told) {
	sum.stories, sum.lives = sum.stories+more.stories, sum.lives+more.lives
	sum.points, sum.ended = sum.points+more.points, sum.ended+more.ended
	for way, n := range more.failed {
		sum.failed[way] += n
	}
}

// TestWhatIsReportedIsStoredWhereverThePowerIsLost tells stories of the sink, each once as it is and then with calls
// of the disk that fail, and crashes each at every call of the disk and after every report.
func TestWhatIsReportedIsStoredWhereverThePowerIsLost(t *testing.T) {
	seeds, least := uint64(280), 100_000
	if testing.Short() {
		seeds, least = 6, 1_000
	}
	const workers = 2
	sums := make([]told, workers)
	t.Run("stories", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					for seed := uint64(worker); seed < seeds && sums[worker].err == nil; seed += workers {
						sums[worker].tell(seed, 0, healthy, "")
						for n := range uint64(2) {
							at := rand.New(rand.NewPCG(seed, n+1)).IntN(90)
							sums[worker].tell(seed, 1+at, notDone+fault((seed/workers+n)%3), "")
						}
					}
				})
				if err := sums[worker].err; err != nil {
					t.Fatal(err)
				}
			})
		}
	})
	sum := told{}
	for _, s := range sums {
		sum.add(s)
	}
	t.Logf("%d crash points in %d stories of %d processes; %d of them were brought to the end; calls that failed: %d with nothing done, %d half done, %d done",
		sum.points, sum.stories, sum.lives, sum.ended, sum.failed[notDone], sum.failed[halfDone], sum.failed[doneToo])
	if sum.points < least {
		t.Errorf("only %d crash points were tried, want %d", sum.points, least)
	}
	for way := notDone; way < faults; way++ {
		if sum.failed[way] == 0 {
			t.Errorf("no call failed in way %d", way)
		}
	}
}

// TestStepThatDoesNotSyncIsCaught holds the test above: on a disk that only pretends one of the syncs it fails.
func TestStepThatDoesNotSyncIsCaught(t *testing.T) {
	for _, deaf := range []string{"sync of .part", "sync of state.json.new", "sync directory of /out", "sync directory of " + root} {
		t.Run(strings.ReplaceAll(deaf, "/", ""), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sum told
				for seed := uint64(0); seed < 40 && sum.err == nil; seed++ {
					sum.tell(seed, 0, healthy, deaf)
				}
				if sum.err == nil {
					t.Fatalf("%d crash points did not show it", sum.points)
				}
				t.Log(sum.err)
			})
		})
	}
}
