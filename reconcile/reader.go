package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// ReaderStore is what a Reader reads.
type ReaderStore interface {
	historyStore
	contentStore
	StreamNames(ctx context.Context) ([]string, error)
	MarksOf(ctx context.Context, streams []string) ([]store.Mark, error)
	ProgressOf(ctx context.Context, streams []string) (map[string]store.Progress, error)
	VerdictsIn(ctx context.Context, stream string, from, to time.Time) ([]store.Verdict, error)
	VerdictsOf(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Verdict, error)
	Revisions(ctx context.Context, stream string, start time.Time, edge store.Edge) ([]store.Verdict, error)
	EdgeHours(ctx context.Context, streams []string, from, to time.Time) ([]store.EdgeHour, error)
	FirstNotComplete(ctx context.Context, since map[string]time.Time) (map[string]map[store.Edge]time.Time, error)
	Times(ctx context.Context, window store.WindowKey, hop string, events []wire.UID) (map[wire.UID]uint32, error)
	SourceHosts(ctx context.Context, stream string, sources []wire.UID) (map[wire.UID]map[string]string, error)
	Sightings(ctx context.Context, u wire.UID) ([]store.Sighting, error)
	SpentOf(ctx context.Context, queries []store.SpentQuery, spans int, now time.Time) (map[string]map[string]store.Spent, error)
	SchemaOutcomes(ctx context.Context, stream, hop string, from, to time.Time) (map[store.SchemaOutcome]uint64, error)
	ForeignSightings(ctx context.Context, uid string) ([]store.Sighting, error)
	digestStore
}

// Reader answers questions about windows by the same rules by which a pass judges them. It writes nothing.
type Reader struct {
	store     ReaderStore
	retention store.Retention
}

// NewReader returns a Reader over s, of which all is kept for its default term.
func NewReader(s ReaderStore) *Reader { return &Reader{store: s} }

// Keeping returns the reader of a store that keeps things as r says.
func (r *Reader) Keeping(retention store.Retention) *Reader {
	return &Reader{store: r.store, retention: retention}
}

// known is what one question needs of one stream.
type known struct {
	settings store.Settings
	progress store.Progress
	history  *history
	kept     time.Time // windows before it are judged no more
	shown    time.Time // see shownFrom
}

// know reads a stream with its history since an instant (or since it was last examined, where that is earlier). It is false when no
// report of the stream is stored.
func (r *Reader) know(ctx context.Context, stream string, since, now time.Time) (known, bool, error) {
	var k known
	settings, err := r.store.Settings(ctx, []string{stream})
	if err != nil {
		return k, false, err
	}
	progress, err := r.store.ProgressOf(ctx, []string{stream})
	if err != nil {
		return k, false, err
	}
	p, ok := progress[stream]
	if !ok {
		return k, false, nil
	}
	k.settings, k.progress = settings[stream], p
	k.expire(r.retention, now)
	if since.IsZero() || (!p.Examined.IsZero() && p.Examined.Before(since)) {
		since = p.Examined
	}
	if since.IsZero() || p.Examined.IsZero() && p.Earliest.Before(since) {
		since = p.Earliest
	}
	if since.IsZero() || since.After(now) {
		since = now
	}
	rejudged, err := r.rejudged(ctx, progress)
	if err != nil {
		return k, false, err
	}
	q := historyQuery{stream: stream, settings: k.settings}
	if p.Uncovered == 0 && !p.Examined.IsZero() && !rejudged[stream] {
		q.horizon = since
	}
	histories, err := loadHistories(ctx, r.store, []historyQuery{q}, since.Add(-historyMargin))
	if err != nil {
		return k, false, err
	}
	k.history = histories[stream]
	return k, true, nil
}

// Windows returns the verdicts of the windows that start in [from, to), stored and derived, ascending by start and then edge. Windows before the
// first one a report mentions, and those not begun at now, have none.
func (r *Reader) Windows(ctx context.Context, stream string, from, to, now time.Time, edge *store.Edge) ([]store.Verdict, error) {
	k, ok, err := r.know(ctx, stream, time.Time{}, now)
	if err != nil || !ok || k.progress.Earliest.IsZero() {
		return nil, err
	}
	stored, err := r.store.VerdictsIn(ctx, stream, from, to)
	if err != nil {
		return nil, err
	}
	byStart := map[int64][]store.Verdict{}
	for _, v := range stored {
		if v.State == store.Withdrawn {
			continue
		}
		byStart[v.Start.UnixMilli()] = append(byStart[v.Start.UnixMilli()], v)
	}
	for start := range k.starts(from, to, now) {
		if byStart[start.UnixMilli()] == nil {
			byStart[start.UnixMilli()] = k.derive(start, now)
		}
	}
	var all []store.Verdict
	for _, start := range slices.Sorted(maps.Keys(byStart)) {
		for _, v := range byStart[start] {
			if edge == nil || v.Edge == *edge {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// starts yields the starts of the windows in [from, to) that have begun at now, from the earliest mentioned on.
func (k *known) starts(from, to, now time.Time) func(yield func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		start := k.progress.Earliest
		if from = later(from, k.shown); from.After(start) {
			length := time.Duration(k.settings.Seconds(from)) * time.Second
			start = from.Truncate(length)
			if start.Before(from) {
				start = start.Add(length)
			}
		}
		for start.Before(to) && !start.After(now) {
			if !yield(start.UTC()) {
				return
			}
			start = start.Add(time.Duration(k.settings.Seconds(start)) * time.Second)
		}
	}
}

// derive says what holds of a window that no stored verdict speaks of: before the instant up to which the stream was
// examined it is complete and empty, after it the lanes decide.
func (k *known) derive(start, now time.Time) []store.Verdict {
	if start.Before(k.progress.Examined) {
		return k.empty(start)
	}
	if start.Before(k.kept) {
		return k.history.unknown(start, now)
	}
	w := k.history.judgeWindow(start, now)
	if w.mentioned() {
		return k.pending(w)
	}
	said := w.verdicts(nil)
	for i := range said {
		said[i].Revision = 0
	}
	return said
}

// pending speaks of a window whose first reports were stored and that no pass has judged yet: it is not complete before its rolls were compared.
func (k *known) pending(w *window) []store.Verdict {
	said := w.verdicts(nil)
	for i := range said {
		said[i].Revision = 0
		if said[i].Closed() {
			said[i].State = store.Settling
		}
	}
	return said
}

func (k *known) empty(start time.Time) []store.Verdict {
	seconds := k.settings.Seconds(start)
	g := k.history.windowGraph(start.UnixMilli(), start.UnixMilli()+int64(seconds)*1000)
	var said []store.Verdict
	for _, edge := range g.edges() {
		said = append(said, store.Verdict{
			Stream: k.settings.Stream, Start: start, Seconds: seconds, Edge: edge, State: store.Complete, Cause: causeFirst,
		})
	}
	return said
}

// Revisions returns the stored revisions of a verdict, oldest first.
func (r *Reader) Revisions(ctx context.Context, stream string, start time.Time, edge store.Edge) ([]store.Verdict, error) {
	all, err := r.store.Revisions(ctx, stream, start, edge)
	return slices.DeleteFunc(all, func(v store.Verdict) bool { return v.State == store.Withdrawn }), err
}

// open judges one window and has its rolls read; it is nil when the stream is unknown or the window lies before its first.
func (r *Reader) open(ctx context.Context, stream string, start, now time.Time, read func(*window) error) (*window, error) {
	var w *window
	for range 3 { // a window is torn while a report is being stored
		k, ok, err := r.know(ctx, stream, start, now)
		if err != nil || !ok || k.progress.Earliest.IsZero() || start.Before(k.progress.Earliest) || start.After(now.Add(time.Hour)) {
			return nil, err
		}
		w = k.history.judgeWindow(start, now)
		if start.Before(k.kept) {
			return w, r.reopen(ctx, w, read)
		}
		if err := read(w); err != nil {
			return nil, err
		}
		if err := holdTorn(ctx, r.store, []*window{w}); err != nil {
			return nil, err
		}
		if !w.torn {
			break
		}
	}
	return w, nil
}

// reopen has the rolls read of a window that is judged no more.
func (r *Reader) reopen(ctx context.Context, w *window, read func(*window) error) error {
	stands, err := r.store.VerdictsOf(ctx, []store.WindowKey{w.key()})
	if err != nil {
		return err
	}
	w.settle(stands[w.key()])
	return read(w)
}

// Evidence returns what the verdict of a window rests on, of the hops up to the edge's later one or of all. It is false
// where there is no such window or edge.
func (r *Reader) Evidence(ctx context.Context, stream string, start time.Time, edge *store.Edge, now time.Time) (store.Evidence, bool, error) {
	w, err := r.open(ctx, stream, start, now, func(w *window) error { return readContents(ctx, r.store, []*window{w}) })
	if err != nil || w == nil || edge != nil && !slices.Contains(w.closing.graph.edges(), *edge) {
		return store.Evidence{}, false, err
	}
	hops := slices.Concat(w.closing.graph.order, slices.Sorted(maps.Keys(w.closing.graph.cyclic)))
	if edge != nil {
		reach := w.closing.graph.upTo(edge.To)
		hops = slices.DeleteFunc(hops, func(hop string) bool { return !slices.Contains(reach, hop) })
	}
	e := store.Evidence{SettleLimit: time.UnixMilli(w.settleLimit()).UTC()}
	for _, hop := range hops {
		e.Hops = append(e.Hops, w.hopState(hop))
	}
	e.Reports = w.reportStates(hops)
	return e, true, nil
}

func (w *window) hopState(hop string) store.HopState {
	c := w.closing.hops[hop]
	state := store.HopState{Hop: hop, Target: instant(c.target), K: instant(c.k), Handed: instant(c.handed), Seen: w.content.seen[hop]}
	for _, e := range c.epochs {
		for i := range e.lanes {
			state.Lanes = append(state.Lanes, e.lanes[i].state())
		}
	}
	return state
}

func (l *lane) state() store.LaneState {
	s := store.LaneState{Hop: l.hop, Epoch: l.epoch, Lane: l.name, Watermark: instant(l.watermark), Closed: l.closed, PassedAt: instant(l.passedAt)}
	if l.emitter != nil {
		s.Emitter, s.Host = l.emitter.id, l.emitter.host
	}
	return s
}

// instant reads Unix ms; what has not come, or was never stated, is the zero time.
func instant(ms int64) time.Time {
	if ms <= 0 || ms == notYet {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (w *window) reportStates(hops []string) []store.ReportState {
	var states []store.ReportState
	for _, r := range w.h.mentions[w.start] {
		if !slices.Contains(hops, r.Hop) {
			continue
		}
		states = append(states, store.ReportState{
			Hop: r.Hop, Emitter: r.Emitter, Host: w.h.hosts[r.Emitter], Number: r.Number, Counted: r.counted,
			SentAt: time.UnixMilli(r.SentAt).UTC(), ReceivedAt: time.UnixMilli(r.ReceivedAt).UTC(),
		})
	}
	slices.SortFunc(states, func(a, b store.ReportState) int { return a.SentAt.Compare(b.SentAt) })
	return states
}
