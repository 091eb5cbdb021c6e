package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// moveStore is where the watermarks of streams are kept, with how they moved.
type moveStore interface {
	LastWatermarks(ctx context.Context, streams []string, now time.Time) (map[string]store.WatermarkMove, error)
	AddWatermarks(ctx context.Context, moves []store.WatermarkMove) error
}

const (
	moveFirst    = "first"
	moveAdvanced = "advanced"
	moveBackfill = "backfill"
)

// moving is the watermark of one stream on its way from where it last stood. It is carried on from there and not counted anew: before it all was
// good, so that only what was judged in this pass can have it step back.
type moving struct {
	known
	last    store.WatermarkMove // a zero At: there is none yet
	mark    time.Time
	back    *store.Verdict // that it steps back to
	blocked *store.Blocked
	done    bool
}

// noteMoves stores how the watermarks of a group moved with what now stands.
func (p *pass) noteMoves(ctx context.Context, group []*work, histories map[string]*history, standing map[store.WindowKey][]store.Verdict) error {
	streams := make([]string, len(group))
	for i, w := range group {
		streams[i] = w.stream
	}
	last, err := p.store.LastWatermarks(ctx, streams, p.latest)
	if err != nil {
		return err
	}
	marks := map[string]*moving{}
	for _, w := range group {
		if !w.progress.Earliest.IsZero() {
			k := known{settings: w.settings, progress: w.progress, history: histories[w.stream]}
			k.progress.Examined = w.examined()
			mark := later(w.progress.Earliest, last[w.stream].Watermark)
			if mark.After(k.progress.Examined) { // windows before it have come up since
				mark = later(w.progress.Earliest, k.progress.Examined)
			}
			marks[w.stream] = &moving{known: k, last: last[w.stream], mark: mark}
		}
	}
	for key, verdicts := range standing {
		marks[key.Stream].stepBack(verdicts)
	}
	if err := p.advanceMarks(ctx, marks); err != nil {
		return err
	}
	var moves []store.WatermarkMove
	for _, w := range group {
		if m := marks[w.stream]; m != nil && m.moved() {
			moves = append(moves, m.move(w.now))
		}
	}
	return p.store.AddWatermarks(ctx, moves)
}

// counts says whether the watermark waits for an edge.
func (m *moving) counts(edge store.Edge) bool {
	return len(m.settings.Edges) == 0 || slices.Contains(m.settings.Edges, edge)
}

// stepBack takes the mark back to a window before it that is not good any more.
func (m *moving) stepBack(verdicts []store.Verdict) {
	if m == nil {
		return
	}
	for i := range verdicts {
		if v := &verdicts[i]; v.State != store.Withdrawn && m.counts(v.Edge) && !v.Good() && v.Start.Before(m.mark) {
			m.mark, m.back = v.Start, v
		}
	}
}

// advanceMarks carries the marks on over the windows that are good, each time some more of them: mostly there is one, and after a backfill many.
func (p *pass) advanceMarks(ctx context.Context, marks map[string]*moving) error {
	most := max(2, 4*chunkWindows/max(1, len(marks)))
	for some := 2; ; some = min(4*some, most) {
		var keys []store.WindowKey
		ahead := map[string][]time.Time{}
		for stream, m := range marks {
			for start := range m.starts(m.mark, m.progress.Examined, m.progress.Examined) {
				if m.done || len(ahead[stream]) == some {
					break
				}
				ahead[stream] = append(ahead[stream], start)
				keys = append(keys, store.WindowKey{Stream: stream, Start: start})
			}
		}
		if len(keys) == 0 {
			return nil
		}
		verdicts, err := p.store.VerdictsOf(ctx, keys)
		if err != nil {
			return err
		}
		for stream, starts := range ahead {
			marks[stream].walkOn(starts, verdicts)
		}
	}
}

// walkOn goes over windows for as long as they are good. One that was examined and has no verdict is complete and empty, or has no edge.
func (m *moving) walkOn(starts []time.Time, verdicts map[store.WindowKey][]store.Verdict) {
	first := firstEdge(m.history.Hops, m.settings)
	for _, start := range starts {
		said := slices.DeleteFunc(slices.Clone(verdicts[store.WindowKey{Stream: m.settings.Stream, Start: start}]), func(v store.Verdict) bool { return v.State == store.Withdrawn })
		if len(said) == 0 && edgeless(start, first, m.settings) || len(said) > 0 && lacks(said, m.settings.Edges) || start.After(m.mark) {
			m.done = true
			return
		}
		if i := slices.IndexFunc(said, func(v store.Verdict) bool { return m.counts(v.Edge) && !v.Good() }); i >= 0 {
			v := &said[i]
			m.blocked, m.done = &store.Blocked{Start: v.Start, Edge: v.Edge, State: v.State, Reasons: v.Reasons}, true
			return
		}
		m.mark = start.Add(time.Duration(m.settings.Seconds(start)) * time.Second)
	}
}

// moved says whether there is something to tell; of a stream that nothing was said of yet there is not.
func (m *moving) moved() bool { return m.last.At.IsZero() || !m.mark.Equal(m.last.Watermark) }

// move says how the mark moved. It is stored after the last one, also where the clock stepped back.
func (m *moving) move(now time.Time) store.WatermarkMove {
	move := store.WatermarkMove{Stream: m.settings.Stream, At: now.UTC(), Watermark: m.mark, Previous: m.last.Watermark, Reason: moveAdvanced, Blocked: m.blocked}
	switch {
	case m.last.At.IsZero():
		move.Reason = moveFirst
	case m.mark.Before(m.last.Watermark) && m.back != nil:
		move.Reason = m.back.Cause
	case m.mark.Before(m.last.Watermark):
		move.Reason = moveBackfill
	}
	if !m.last.At.IsZero() {
		move.At = after(now, m.last.At)
	}
	return move
}
