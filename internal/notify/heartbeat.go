package notify

import (
	"context"
	"time"
)

// withheld is the outcome of a heartbeat that is not sent because not all is well.
const withheld = "withheld"

// beat asks an address each minute while all is well. Whoever answers there notices when it is asked no more: this process died, is cut off, or is
// blind.
type beat struct {
	*watch
	receiver *target
}

func (b *beat) run(ctx context.Context) {
	defer b.receiver.client.CloseIdleConnections()
	next := time.NewTimer(b.config.Look) // by then the checks were made once
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		next.Reset(b.once(ctx))
	}
}

// once sends a heartbeat, unless something is wrong, and returns when to come again.
func (b *beat) once(ctx context.Context) time.Duration {
	now := b.Now()
	if !b.well(now) {
		b.beats.WithLabelValues(b.receiver.Name, withheld).Inc()
		return b.config.Look
	}
	if _, err := b.receiver.send(ctx, message{now: now}, b.config); err != nil {
		if ctx.Err() == nil {
			b.beats.WithLabelValues(b.receiver.Name, outcomeOf(err)).Inc()
			b.Log.Warn("a heartbeat was not taken", "receiver", b.receiver.Name, "error", err)
		}
		return min(b.config.Beat, max(b.config.First, waitOf(err)))
	}
	b.beats.WithLabelValues(b.receiver.Name, sent).Inc()
	return b.config.Beat
}
