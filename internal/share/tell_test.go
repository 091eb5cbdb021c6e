package share

import (
	"testing"
	"time"
)

func TestAShareIsHandedOverOnlyWhenWhatIsKeptOfItIsDone(t *testing.T) {
	f := newField(t)
	first := f.member("first")
	f.until("one member holds all", func() bool { return share(first) })
	var kept []func()
	for _, c := range first.Held() {
		done, ok, err := first.Keep(t.Context(), c)
		if err != nil || !ok {
			t.Fatalf("claim %v is not kept: %v", c, err)
		}
		kept = append(kept, done)
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
	for _, done := range kept {
		done()
	}
	f.until("both hold some", func() bool { return share(first, second) })
}

func TestAClaimThatAnotherOverruledIsNotKept(t *testing.T) {
	f := newField(t)
	m := f.member("late")
	f.until("one member holds all", func() bool { return share(m) })
	c := m.Held()[0]
	if _, err := f.store.Claim(t.Context(), []uint32{c.Share}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := m.Keep(t.Context(), c); ok || err != nil {
		t.Errorf("kept: %v, %v", ok, err)
	}
}
