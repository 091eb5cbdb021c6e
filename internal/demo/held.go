package demo

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// heldFor is how long the app holds an event back that is fated to be late, and slow from which latency on an event
// counts as held back: the buckets that tell it are 19 % wide.
const (
	heldFor = 12 * time.Second
	slow    = 11 * time.Second
)

// held is the events that the app has numbered and not yet produced, the oldest first. Their windows stay open
// meanwhile, for the app does not say that they have left.
type held struct{ waiting []waiting }

type waiting struct {
	record *kgo.Record
	header audit.Header
}

func (h *held) add(record *kgo.Record, header audit.Header) {
	h.waiting = append(h.waiting, waiting{record, header})
}

// due takes out the events that were held for long enough by now.
func (h *held) due(now time.Time) []waiting {
	n := 0
	for n < len(h.waiting) && now.Sub(h.waiting[n].header.ProducedAt) >= heldFor {
		n++
	}
	due := h.waiting[:n:n]
	h.waiting = h.waiting[n:]
	return due
}

// release produces the events that were held for long enough.
func (a *app) release(ctx context.Context, now time.Time) {
	for _, w := range a.held.due(now) {
		a.client.Produce(context.WithoutCancel(ctx), w.record, a.left(w.header))
	}
}

// releaseAll waits for the last event that is held to be due; where ctx ends, all go at once.
func (a *app) releaseAll(ctx context.Context) {
	for len(a.held.waiting) > 0 {
		last := a.held.waiting[len(a.held.waiting)-1].header.ProducedAt
		if waitUntil(ctx, last.Add(heldFor)) != nil {
			last = time.Now()
		}
		a.release(ctx, last.Add(heldFor))
	}
}
