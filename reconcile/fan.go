package reconcile

import (
	"sync"

	"github.com/rollcallhq/rollcall/internal/store"
)

// fanDepth is how many changes a subscriber may fall behind before it is dropped.
const fanDepth = 64

// fan tells subscribers what changed. Telling never blocks: the channel of a subscriber that fell behind is closed, and it begins anew from
// a snapshot. The zero value is ready.
type fan struct {
	mu   sync.Mutex
	subs map[chan store.Changes]struct{}
}

// Subscribe returns a channel of changes and what ends the subscription. The channel is closed when the subscriber fell
// behind or ended.
func (f *fan) Subscribe() (<-chan store.Changes, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs == nil {
		f.subs = map[chan store.Changes]struct{}{}
	}
	c := make(chan store.Changes, fanDepth)
	f.subs[c] = struct{}{}
	return c, func() { f.drop(c) }
}

func (f *fan) drop(c chan store.Changes) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.subs[c]; there {
		delete(f.subs, c)
		close(c)
	}
}

func (f *fan) publish(changes store.Changes) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subs {
		select {
		case c <- changes:
		default:
			delete(f.subs, c)
			close(c)
		}
	}
}
