package reconcile

import (
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/internal/store"
)

// epochsOf says as which epoch one that a report states counts in a window.
type epochsOf func(window store.WindowKey, stated uint32) uint32

// epochIn is the epoch itself where it was declared for the window that starts at start, else 0: what nobody declared was delivered twice. Lanes
// are kept apart by the epoch stated all the same, so that declaring one never opens or closes a window.
func (h *history) epochIn(stated uint32, start time.Time) uint32 {
	for i := range h.Epochs {
		if e := &h.Epochs[i]; e.Number == stated && e.Holds(start) {
			return stated
		}
	}
	return 0
}

// epochsOfWindows asks the history of each window.
func epochsOfWindows(windows map[store.WindowKey]*window) epochsOf {
	return func(key store.WindowKey, stated uint32) uint32 { return windows[key].h.epochIn(stated, key.Start) }
}

// epochs asks the history of the window, which is the only one.
func (w *window) epochs() epochsOf {
	return func(key store.WindowKey, stated uint32) uint32 { return w.h.epochIn(stated, key.Start) }
}

// replays counts the reports of declared replays that mention the window at a hop of the edge.
func (w *window) replays(edge store.Edge) uint32 {
	var n uint32
	for _, r := range w.h.mentions[w.start] {
		if (r.Hop == edge.From || r.Hop == edge.To) && w.h.epochIn(r.Epoch, w.key().Start) > 0 {
			n++
		}
	}
	return n
}

// epochSeen is what one epoch of a hop saw of a part.
type epochSeen struct {
	epoch uint32 // as which it counts
	seen  *roaring.Bitmap
}

// overlap adds what was seen in an epoch. What another one that counts as the same saw too was taken over twice; what one that counts as another
// saw, the replay delivered again.
func (t *taken) overlap(epoch uint32, seen *roaring.Bitmap) {
	for _, other := range t.epochs {
		if both := and(other.seen, seen); other.epoch == epoch {
			t.twice = or(t.twice, both)
		} else {
			t.replayed = or(t.replayed, both)
		}
	}
	t.epochs = append(t.epochs, epochSeen{epoch, seen})
}
