package reconcile

import "sync"

// fanDepth is how many changes a subscriber may fall behind before it is dropped.
const fanDepth = 64

// Fan tells subscribers what changed. Telling never blocks: the channel of a subscriber that fell behind is closed, and it begins anew from
// a snapshot. The zero value is ready.
type Fan[T any] struct {
	mu   sync.Mutex
	subs map[chan []T]struct{}
}

// Subscribe returns a channel of changes and what ends the subscription. The channel is closed when the subscriber fell
// behind or ended.
func (f *Fan[T]) Subscribe() (<-chan []T, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subs == nil {
		f.subs = map[chan []T]struct{}{}
	}
	c := make(chan []T, fanDepth)
	f.subs[c] = struct{}{}
	return c, func() { f.drop(c) }
}

func (f *Fan[T]) drop(c chan []T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.subs[c]; there {
		delete(f.subs, c)
		close(c)
	}
}

func (f *Fan[T]) publish(changes []T) {
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
