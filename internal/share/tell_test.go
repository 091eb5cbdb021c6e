package share

import (
	"slices"
	"testing"
	"time"
)

func TestAShareIsHandedOverOnlyWhenWhatIsKeptOfItIsDone(t *testing.T) {
	f := newField(t)
	first := f.member("first")
	f.until("one member holds all", func() bool { return share(first) })
	kept, done, err := first.Keep(t.Context(), first.Held())
	if err != nil || len(kept) != len(first.Held()) {
		t.Fatalf("%d claims are kept: %v", len(kept), err)
	}
	second := f.member("second")
	f.until("the first lets go of some", func() bool { return len(first.Held()) < len(kept) })
	tick, while := time.NewTicker(10*time.Millisecond), time.NewTimer(time.Second)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-tick.C:
			if n := len(second.Held()); n > 0 {
				t.Fatalf("%d shares passed on while they were kept", n)
			}
		case <-while.C:
			waiting = false
		}
	}
	done()
	f.until("both hold some", func() bool { return share(first, second) })
}

func TestAClaimThatAnotherOverruledIsNotKept(t *testing.T) {
	f := newField(t)
	m := f.member("late")
	f.until("one member holds all", func() bool { return share(m) })
	held := m.Held()
	c := held[0]
	if _, err := f.store.Claim(t.Context(), []uint32{c.Share}); err != nil {
		t.Fatal(err)
	}
	kept, done, err := m.Keep(t.Context(), held)
	if err != nil || len(kept) > len(held)-1 || slices.Contains(kept, c) {
		t.Errorf("kept: %v, %v", kept, err)
	}
	done()
}
