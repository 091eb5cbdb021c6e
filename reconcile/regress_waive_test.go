package reconcile

import (
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// shard is a report of the sink that states some of its partitions.
func (s *scene) shard(seconds int, count uint32, reached map[string]int) {
	s.t.Helper()
	r := s.says("sink", 2, seconds, "app")
	r.LaneCount, r.Lanes = count, map[string]time.Time{}
	for name, at := range reached {
		r.Lanes[name] = five.Add(time.Duration(at) * time.Second)
	}
	s.hear(seconds, saw(r, 0, span(0, 0)))
}

// A waiver of a partition that was never heard of is no waiver of the next one.
func TestAWaiverOfASilentPartitionCoversNoOther(t *testing.T) {
	s := newScene(t, appSink)
	s.hear(75, s.says("app", 1, 0), saw(s.says("app", 1, 70), 0, span(0, 9)))
	s.shard(80, 2, map[string]int{"orders/0": 79})
	s.wait(400)
	if v := s.verdict(0, "app", "sink"); v.State != store.Unknown {
		t.Fatalf("one of two partitions is silent: %+v", v)
	}
	s.waive(1, store.WaiveUnknown)
	if v := s.verdict(0, "app", "sink"); !v.Good() {
		t.Fatalf("it is waived: %+v", v)
	}
	s.shard(410, 9, map[string]int{"orders/0": 409})
	s.wait(900)
	if v := s.verdict(0, "app", "sink"); v.Good() {
		t.Errorf("eight of nine partitions are silent, of which one is waived: %+v", v)
	}
}
