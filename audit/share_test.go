package audit

import (
	"sync"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// TestManyObserversShareAHop has goroutines observe the events of many sources, each
// number once, while the reporter reports without a pause and windows are swept.
func TestManyObserversShareAHop(t *testing.T) {
	srv := newServer()
	h := mustHop(t, HopConfig{Transport: srv, Heartbeat: time.Second, Limits: Limits{Sources: 20}})
	h.Start()
	sources := make([]UID, 64)
	for i := range sources {
		sources[i] = newID(time.Now())
	}
	const workers, each = 4, 3000
	var observers, flusher sync.WaitGroup
	done := make(chan struct{})
	flusher.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if err := h.Flush(t.Context()); err != nil {
					t.Error(err)
					return
				}
				h.Stats()
			}
		}
	})
	for w := range workers {
		observers.Go(func() {
			for n := range uint32(each) {
				now := time.Now()
				e := event(sources[int(n)%len(sources)], n*workers+uint32(w), now.Add(-time.Duration(n%3)*time.Minute))
				h.Observe(e, 7, 1, now)
				if n%10 == 0 {
					h.Filter(e, "tenth")
				}
			}
		})
	}
	observers.Wait()
	close(done)
	flusher.Wait()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	var seen, filtered uint64
	for _, r := range srv.rolls(wire.Seen) {
		seen += r.GetCardinality()
	}
	for _, r := range srv.rolls(wire.Filtered) {
		filtered += r.GetCardinality()
	}
	if seen != workers*each || filtered != workers*each/10 || len(srv.rolls(wire.Repeated)) != 0 {
		t.Fatalf("seen %d, filtered %d, repeated of %d sources; want %d, %d and 0", seen, filtered, len(srv.rolls(wire.Repeated)), workers*each, workers*each/10)
	}
}
