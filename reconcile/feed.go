package reconcile

import (
	"sync"

	"github.com/rollcallhq/rollcall/internal/store"
)

// feedDepth is how many changes a subscriber may fall behind before it is dropped.
const feedDepth = 64

// Feed tells subscribers which verdicts changed. Telling never blocks: the channel of a subscriber that
// fell behind is closed, and it begins anew from a snapshot.
type Feed struct {
	mu   sync.Mutex
	subs map[chan []store.Verdict]struct{}
}

func newFeed() *Feed { return &Feed{subs: map[chan []store.Verdict]struct{}{}} }

// Subscribe returns a channel of changes and what ends the subscription. The channel is closed when the subscriber fell
// behind or ended.
func (f *Feed) Subscribe() (<-chan []store.Verdict, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan []store.Verdict, feedDepth)
	f.subs[c] = struct{}{}
	return c, func() { f.drop(c) }
}

func (f *Feed) drop(c chan []store.Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.subs[c]; there {
		delete(f.subs, c)
		close(c)
	}
}

func (f *Feed) publish(verdicts []store.Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subs {
		select {
		case c <- verdicts:
		default:
			delete(f.subs, c)
			close(c)
		}
	}
}
