package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// What windows are judged from does not stay for ever; see store.Retention. A window of which some of it may be gone is judged no more, since what is
// left may look complete: it had an edge, an emitter or events that nobody remembers. What was said of it stands. One that was left open, or of
// which a report speaks that nobody judged in time, is unknown for good.

const (
	// keptMargin is how long before what it rests on may be gone a window is judged last.
	keptMargin = time.Hour
	// judgedFor is for how long after its start a window is judged. It is not for as long as the evidence is kept now: who has it kept longer gets
	// nothing back of what has gone.
	judgedFor = store.LeastEvidence*24*time.Hour - keptMargin
)

// sayPast says of the windows that are judged no more, and were left open, that nobody knows.
func (p *pass) sayPast(ctx context.Context, group []*work, histories map[string]*history, standing map[store.WindowKey][]store.Verdict) error {
	var keys []store.WindowKey
	for _, w := range group {
		for start := range w.past {
			keys = append(keys, store.WindowKey{Stream: w.stream, Start: start})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	before, err := p.store.VerdictsOf(ctx, keys)
	if err != nil {
		return err
	}
	var next []store.Verdict
	for _, k := range keys {
		w := p.streams[k.Stream]
		said := forgo(w.now, before[k], w.past[k.Start])
		if _, never := slices.BinarySearchFunc(w.forgone, k.Start, time.Time.Compare); never || w.past[k.Start] {
			said = withUnknown(said, histories[k.Stream].unknown(k.Start, w.now))
		}
		standing[k] = said
		next = append(next, changed(said, before[k])...)
	}
	p.said = append(p.said, next...)
	return p.store.AddVerdicts(ctx, next)
}

// forgo is what stands of a window that is judged no more: unknown on the edges where nothing that may be relied on was said. What was called complete
// is too, where a report speaks of the window that was never judged.
func forgo(now time.Time, before []store.Verdict, unjudged bool) []store.Verdict {
	said := slices.Clone(before)
	for i := range said {
		old := &before[i]
		if old.State == store.Withdrawn || old.State == store.Unknown || old.State == store.Incomplete || old.State == store.Complete && !unjudged {
			continue
		}
		v := *old
		v.State, v.Reasons, v.DecidedAt, v.Due, v.K = store.Unknown, []store.Reason{expiredReason(v.Pending)}, now.UTC(), time.Time{}, time.Time{}
		revise(&v, old)
		said[i] = v
	}
	return said
}

// withUnknown adds to what stands of a window the edges of which nothing was ever said.
func withUnknown(said, unknown []store.Verdict) []store.Verdict {
	for _, v := range unknown {
		if !slices.ContainsFunc(said, func(s store.Verdict) bool { return s.Edge == v.Edge }) {
			said = append(said, v)
		}
	}
	return said
}

// unknown is what is said, on each of its edges, of a window that nobody examined in time.
func (h *history) unknown(start, now time.Time) []store.Verdict {
	seconds := h.Settings.Seconds(start)
	end := start.Add(time.Duration(seconds) * time.Second)
	var said []store.Verdict
	g := h.windowGraph(start.UnixMilli(), end.UnixMilli())
	for _, edge := range g.edges() {
		said = append(said, store.Verdict{
			Stream: h.Settings.Stream, Start: start.UTC(), Seconds: seconds, Edge: edge, State: store.Unknown, Revision: 1, Cause: causeFirst,
			Reasons: []store.Reason{expiredReason(0)}, DecidedAt: now.UTC(), Bound: end.Add(h.Settings.Grace),
		})
	}
	return said
}

func expiredReason(atRisk uint64) store.Reason {
	return store.Reason{Code: "evidence-expired", AtRisk: atRisk, Text: "it was not judged in time, and what it would be judged from may be gone by now"}
}

// expire has the reader know what of a stream may be gone at now.
func (k *known) expire(r store.Retention, now time.Time) {
	k.kept = now.Add(-judgedFor)
	k.shown = shownFrom(r, now)
}

// shownFrom is the hour from which on all windows are kept. Of those before it only what was not complete is, and what is missing is no sign of anything.
func shownFrom(r store.Retention, now time.Time) time.Time {
	return ceilHour(now.Add(-time.Duration(r.WithDefaults().WindowsDays)*24*time.Hour + keptMargin))
}

// forgets says whether a part of what was said of an hour, or of what its hops took over, may be gone: then nothing is concluded from what is not there.
func (r *Reader) forgets(hour, now time.Time) bool {
	kept := r.retention.WithDefaults()
	kept.WindowsDays = min(kept.WindowsDays, kept.ForeignDays)
	return hour.Before(shownFrom(kept, now))
}

// lapse calls an hour unknown of which a part is gone, or which waits for windows that are judged no more.
func lapse(h *store.Hour, r store.Retention, now time.Time) {
	waits := h.State == store.Open || h.State == store.Settling
	if h.State != 0 && h.Start.Before(shownFrom(r, now)) || waits && h.Start.Add(time.Hour).Before(now.Add(-judgedFor)) {
		worsen(h, store.Unknown)
	}
}

// settle closes the hops of a window that is judged no more as the verdicts on it say: who reads what it holds then calls it what it was called.
func (w *window) settle(verdicts []store.Verdict) {
	w.past = true
	for _, v := range verdicts {
		if v.State != store.Withdrawn {
			w.closing.graph.addEdge(v.Edge.From, v.Edge.To)
		}
	}
	w.closing.graph.order, w.closing.graph.cyclic = nil, map[string]bool{}
	w.closing.graph.sort()
	for hop := range w.closing.graph.before {
		w.closing.hops[hop] = &hopClosing{hop: hop, target: notYet, k: notYet, handed: notYet}
	}
	for _, v := range verdicts {
		if hop := w.closing.hops[v.Edge.To]; v.Closed() {
			hop.k, hop.handed = v.K.UnixMilli(), v.K.UnixMilli()
		}
	}
}
