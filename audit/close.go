package audit

import (
	"context"
	"errors"
	"fmt"
)

// Close ends the emitter cleanly. Call it once no more events come. It waits until
// all that a Source or InFlight holds has left, then says CLOSED, waits until
// the server has accepted it, and stops the reporter. A hop whose lanes are set by
// hand calls it only after all it took over has left.
//
// When ctx ends first, Close stops without CLOSED and returns why; the lane then stays
// open on the server until the journal or a person closes it.
//
// In durable mode Close sends what stored checkpoints hold; CLOSED is said only
// if Finish was called and a checkpoint made and stored after it.
func (h *Hop) Close(ctx context.Context) error {
	if !h.started.CompareAndSwap(false, true) {
		err := h.closeStarted(ctx)
		h.shutDown()
		return errors.Join(err, h.closeJournal(err == nil && !h.owesClosed()))
	}
	h.shut()
	close(h.stop)
	close(h.stopped)
	return h.closeJournal(false)
}

func (h *Hop) closeStarted(ctx context.Context) error {
	if !h.cfg.Durable { // there, what is held is in the checkpoint for the next start
		if err := h.waitHeld(ctx); err != nil {
			return err
		}
		h.Finish()
	}
	if err := h.Flush(ctx); err != nil {
		return fmt.Errorf("close %s/%s: the last report was not accepted: %w", h.cfg.Stream, h.cfg.Hop, err)
	}
	if h.lanes.held() {
		return fmt.Errorf("close %s/%s: a window was lost for want of memory, so the emitter stays open", h.cfg.Stream, h.cfg.Hop)
	}
	return nil
}

func (h *Hop) waitHeld(ctx context.Context) error {
	var err error
	var held int64
	switch {
	case h.cfg.Source != nil:
		err = h.cfg.Source.wait(ctx)
		held = h.cfg.Source.Held()
	case h.cfg.InFlight != nil:
		err = h.cfg.InFlight.wait(ctx)
		held = h.cfg.InFlight.Held()
	}
	if err != nil {
		return fmt.Errorf("close %s/%s: %d events have not left: %w", h.cfg.Stream, h.cfg.Hop, held, err)
	}
	return nil
}

// owesClosed reports whether the server has heard of the emitter and not of its end: a
// durable hop was closed without Finish.
func (h *Hop) owesClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.primary.closed && h.primary.sent > 0
}

// Finish says that nothing more is taken over and all that was has left. Events
// observed after it are counted in Stats and not reported. In durable mode the next
// Checkpoint carries CLOSED; otherwise Close calls it.
func (h *Hop) Finish() {
	h.shut()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
}

func (h *Hop) shut() {
	h.tell()
	for i := range h.stripes {
		st := &h.stripes[i]
		st.mu.Lock()
		st.closed, st.last = true, nil
		st.mu.Unlock()
	}
}

func (h *Hop) shutDown() {
	h.mu.Lock()
	select {
	case <-h.stop:
	default:
		close(h.stop)
	}
	h.mu.Unlock()
	<-h.stopped
}

// closeJournal removes the journal after CLOSED, and else leaves it for the next start.
func (h *Hop) closeJournal(clean bool) error {
	j := h.cfg.Journal
	if j == nil {
		return nil
	}
	if clean {
		return j.remove()
	}
	return j.release()
}
