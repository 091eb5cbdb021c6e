package reconcile

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Store is what a pass reads and writes.
type Store interface {
	DueMarks(ctx context.Context, now time.Time, limit int) ([]store.Mark, error)
	MarksOf(ctx context.Context, streams []string) ([]store.Mark, error)
	ReplaceMarks(ctx context.Context, old, next []store.Mark) error
	BoundAfter(ctx context.Context, since map[string]time.Time) ([]store.WindowKey, error)
	VerdictsOf(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Verdict, error)
	AddVerdicts(ctx context.Context, verdicts []store.Verdict) error
	KeepClosedSeen(ctx context.Context, hops []store.HopWindow) error
	ProgressOf(ctx context.Context, streams []string) (map[string]store.Progress, error)
	SetProgress(ctx context.Context, progress []store.Progress, now time.Time) error
	historyStore
	contentStore
	moveStore
	IncidentStore
}

const (
	openAge       = 4 * time.Second // how old the verdict of a window that still runs may be
	marksAPass    = 20_000          // marks looked at in one pass; the rest wait for the next
	chunkWindows  = 2_000           // windows whose rolls are read at once
	recent        = 2 * time.Hour   // streams whose windows are younger are read together
	maxReach      = time.Hour       // a window that later reports can still change is stored
	tornPatience  = time.Minute     // how long a report may take to be stored whole
	historyMargin = 3 * time.Minute // history read before the oldest window judged
	maxDerived    = 24 * 60         // windows without a report that one pass examines of one stream
)

// Pass looks at everything that changed or fell due, once, and returns the verdicts it stored. Every step can be repeated: a pass
// that died half-way is simply made again, by this process or another.
func Pass(ctx context.Context, s Store, now time.Time) ([]store.Verdict, error) {
	return newPass(s, now).run(ctx)
}

func newPass(s Store, now time.Time) *pass {
	return &pass{store: s, clock: func(string) time.Time { return now }, latest: now, openAge: openAge}
}

// run makes the pass, in which every stream has a clock of its own.
func (p *pass) run(ctx context.Context) ([]store.Verdict, error) {
	due, err := p.store.DueMarks(ctx, p.latest, marksAPass)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	p.streams = map[string]*work{}
	if err := p.collect(ctx, due); err != nil {
		return nil, err
	}
	var failed []error
	for _, group := range p.groups() { // what fails in one must not stop the others
		failed = append(failed, p.judgeApart(ctx, group))
	}
	return p.said, errors.Join(failed...)
}

type pass struct {
	store   Store
	clock   func(stream string) time.Time
	latest  time.Time // the latest of the clocks
	openAge time.Duration
	streams map[string]*work
	said    []store.Verdict

	unsummed []error // why budgets could not be summed; they are tried again

	incidents []store.Incident // that were opened, changed or resolved
}

// judgeApart judges a group of streams and, where that fails, its halves, down to the stream that cannot be judged. To judge a stream
// again changes nothing. Where the store cannot be reached all would fail alike, and none is tried again.
func (p *pass) judgeApart(ctx context.Context, group []*work) error {
	err := p.judge(ctx, group)
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, store.ErrAway) && !errors.Is(err, store.ErrBusy):
		return err
	case len(group) == 1:
		return fmt.Errorf("judge stream %s: %w", group[0].stream, err)
	}
	half := len(group) / 2
	return errors.Join(p.judgeApart(ctx, group[:half]), p.judgeApart(ctx, group[half:]))
}

// judge judges the windows of a group of streams and stores what is to be said of them.
func (p *pass) judge(ctx context.Context, group []*work) error {
	oldest := p.latest
	queries := make([]historyQuery, len(group))
	for i, w := range group {
		if o := w.oldest(); o.Before(oldest) {
			oldest = o
		}
		queries[i] = historyQuery{stream: w.stream, settings: w.settings, horizon: w.horizon()}
	}
	histories, err := loadHistories(ctx, p.store, queries, oldest.Add(-historyMargin))
	if err != nil {
		return err
	}
	var open []*window
	for _, w := range group {
		h := histories[w.stream]
		w.noteUncovered(h.Uncovered)
		for _, start := range w.running {
			if len(h.mentions[start.UnixMilli()]) > 0 {
				w.windows[start] = true
			}
		}
		for _, start := range w.starts() {
			open = append(open, h.judgeWindow(start, w.now))
		}
	}
	before, err := p.say(ctx, open)
	if err != nil {
		return err
	}
	if err := p.sayPast(ctx, group, histories, before); err != nil {
		return err
	}
	if err := p.callOut(ctx, group, before); err != nil {
		return err
	}
	if err := p.noteMoves(ctx, group, histories, before); err != nil {
		return err
	}
	return p.advance(ctx, group, before)
}

// say stores the verdicts of the windows that differ from what was said before, and returns all that now stand.
func (p *pass) say(ctx context.Context, open []*window) (map[store.WindowKey][]store.Verdict, error) {
	standing := map[store.WindowKey][]store.Verdict{}
	for chunk := range slices.Chunk(open, chunkWindows) {
		keys := make([]store.WindowKey, len(chunk))
		for i, w := range chunk {
			keys[i] = w.key()
		}
		before, err := p.store.VerdictsOf(ctx, keys)
		if err != nil {
			return nil, err
		}
		chunk = slices.DeleteFunc(chunk, func(w *window) bool { return p.rests(w, before[w.key()]) })
		if err := fillWindows(ctx, p.store, chunk); err != nil {
			return nil, err
		}
		var next []store.Verdict
		var firstClosed []store.HopWindow
		for _, w := range chunk {
			if p.postpone(w) && len(before[w.key()]) > 0 {
				continue
			}
			said := w.verdicts(before[w.key()])
			standing[w.key()] = said
			if len(before[w.key()]) == 0 && w.quiet(said) {
				p.reach(w)
				continue
			}
			next = append(next, changed(said, before[w.key()])...)
			firstClosed = append(firstClosed, newlyClosed(said, before[w.key()])...)
		}
		if err := p.store.KeepClosedSeen(ctx, firstClosed); err != nil {
			return nil, err
		}
		if err := p.store.AddVerdicts(ctx, next); err != nil {
			return nil, err
		}
		p.said = append(p.said, next...)
	}
	return standing, nil
}

// rests leaves a window that still runs, and was judged a moment ago, to a later pass: to read its rolls again with every report would cost more
// than all else.
func (p *pass) rests(w *window, before []store.Verdict) bool {
	if !w.mentioned() || w.now.UnixMilli() >= w.closing.end || len(before) == 0 || len(before) != len(w.closing.graph.edges()) {
		return false
	}
	var judged time.Time
	for i := range before {
		judged = later(judged, before[i].DecidedAt)
	}
	if age := w.now.Sub(judged); age < 0 || age >= p.openAge {
		return false
	}
	work := p.streams[w.h.Settings.Stream]
	work.later = append(work.later, store.Mark{WindowKey: w.key(), Due: judged.Add(p.openAge), Since: work.torn[w.key().Start]})
	return true
}

// postpone leaves a torn window to the next pass, since most likely a report is just being stored; but not for long.
func (p *pass) postpone(w *window) bool {
	work, start := p.streams[w.h.Settings.Stream], w.key().Start
	since, before := work.torn[start]
	if !before {
		since = w.now
	}
	if !w.torn {
		delete(work.torn, start)
		return false
	}
	work.torn[start] = since
	if w.now.Sub(since) > tornPatience {
		return false
	}
	work.later = append(work.later, store.Mark{WindowKey: w.key(), Due: w.now, Since: since})
	return true
}

// quiet says whether nothing need be stored of the window: it has no edge; or no report mentions it, it is complete on all edges, and only a
// report sent soon after its end could change that.
func (w *window) quiet(said []store.Verdict) bool {
	incomplete := func(v store.Verdict) bool { return v.State != store.Complete }
	return len(said) == 0 || !w.mentioned() && w.reach() <= maxReach && !slices.ContainsFunc(said, incomplete)
}

// reach is how long after the window's end a report may have been sent that changes its closing.
func (w *window) reach() time.Duration {
	reach := w.h.Settings.Grace
	for _, edge := range w.closing.graph.edges() {
		reach = max(reach, w.bound(edge).Sub(time.UnixMilli(w.closing.end)))
	}
	return reach
}

// reach remembers of the windows that are not stored the longest reach.
func (p *pass) reach(w *window) {
	progress := &p.streams[w.h.Settings.Stream].progress
	progress.Reach = max(progress.Reach, w.reach())
}

// noteUncovered has all windows from the first of an uncovered source on looked at again when the uncovered sources change.
func (w *work) noteUncovered(sources []store.Uncovered) {
	slices.SortFunc(sources, func(a, b store.Uncovered) int {
		return cmp.Or(a.Since.Compare(b.Since), slices.Compare(a.Source[:], b.Source[:]))
	})
	h := fnv.New64a()
	for _, u := range sources {
		h.Write(u.Source[:]) // a hash never fails
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(u.Since.Unix())))
	}
	var fingerprint int64
	if len(sources) > 0 {
		fingerprint = int64(h.Sum64() | 1)
	}
	if fingerprint != w.progress.Uncovered && len(sources) > 0 && !w.progress.Earliest.IsZero() {
		w.later = append(w.later, store.Mark{WindowKey: store.WindowKey{Stream: w.stream}, Since: sources[0].Since})
	}
	w.progress.Uncovered = fingerprint
}

func (w *window) key() store.WindowKey {
	return store.WindowKey{Stream: w.h.Settings.Stream, Start: time.UnixMilli(w.start).UTC()}
}

// mentioned says whether any report mentions the window, or may have once.
func (w *window) mentioned() bool { return w.past || len(w.h.mentions[w.start]) > 0 }

// changed returns the verdicts to be stored: those that say something else than before.
func changed(said, before []store.Verdict) []store.Verdict {
	var next []store.Verdict
	for i := range said {
		v := &said[i]
		j := slices.IndexFunc(before, func(b store.Verdict) bool { return b.Edge == v.Edge })
		if j >= 0 && same(v, &before[j]) && v.Due.Equal(before[j].Due) && v.Bound.Equal(before[j].Bound) && v.K.Equal(before[j].K) && v.ByHand == before[j].ByHand && v.Replays == before[j].Replays {
			v.DecidedAt, v.Revision = before[j].DecidedAt, before[j].Revision
			continue
		}
		next = append(next, *v)
	}
	return next
}

// newlyClosed returns the later hops of the edges whose first closed verdict this is.
func newlyClosed(said, before []store.Verdict) []store.HopWindow {
	var hops []store.HopWindow
	for i := range said {
		v := &said[i]
		j := slices.IndexFunc(before, func(b store.Verdict) bool { return b.Edge == v.Edge })
		if v.Closed() && (j < 0 || before[j].FirstClosed.IsZero()) {
			hops = append(hops, store.HopWindow{WindowKey: store.WindowKey{Stream: v.Stream, Start: v.Start}, Hop: v.Edge.To})
		}
	}
	return slices.Compact(hops)
}

// advance writes down how far the streams were examined and replaces their marks: a window that is not closed keeps one.
func (p *pass) advance(ctx context.Context, group []*work, standing map[store.WindowKey][]store.Verdict) error {
	var progress []store.Progress
	var old, next []store.Mark
	for _, w := range group {
		for start := range w.windows {
			if m, open := nextMark(standing[store.WindowKey{Stream: w.stream, Start: start}]); open {
				m.Since = w.torn[start]
				next = append(next, m)
			}
		}
		old, next = append(old, w.marks...), append(next, w.later...)
		w.progress.Examined = w.examined()
		w.progress.Stream = w.stream
		if w.progress.Earliest.IsZero() {
			continue
		}
		progress = append(progress, w.progress)
		next = append(next, p.nextExamination(w))
	}
	// The marks first: what progress says is done must not be forgotten where the marks were not written.
	if err := p.store.ReplaceMarks(ctx, old, next); err != nil {
		return err
	}
	return p.store.SetProgress(ctx, progress, p.latest)
}

// nextMark is the mark of a window some edge of which is not closed.
func nextMark(verdicts []store.Verdict) (store.Mark, bool) {
	var m store.Mark
	for _, v := range verdicts {
		if v.Closed() || v.State == store.Withdrawn {
			continue
		}
		if m.Due.IsZero() || v.Due.Before(m.Due) {
			m = store.Mark{WindowKey: store.WindowKey{Stream: v.Stream, Start: v.Start}, Due: v.Due}
		}
	}
	return m, !m.Due.IsZero()
}

// nextExamination is the mark by which a stream is looked at though nothing is reported. Streams are spread over a window's length, so
// that many quiet ones do not fall due at once.
func (p *pass) nextExamination(w *work) store.Mark {
	start := w.progress.Examined
	if start.IsZero() {
		start = w.progress.Earliest
	}
	length := time.Duration(w.settings.Seconds(start)) * time.Second
	due := start.Add(length + w.settings.Grace + spread(w.stream, length))
	if soon := nextSlot(w); length >= store.BudgetSlot && watchesBudgets(&w.settings) && soon.Before(due) {
		due = soon
	}
	return store.Mark{WindowKey: store.WindowKey{Stream: w.stream}, Due: due}
}

// nextSlot is when the budgets of a stream of long windows are looked at again: an alarm is told within a slot, and ends so.
func nextSlot(w *work) time.Time {
	apart := spread(w.stream, store.BudgetSlot)
	return w.now.Add(-apart).Truncate(store.BudgetSlot).Add(store.BudgetSlot + apart)
}

func spread(stream string, length time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(stream)) // a hash never fails
	return time.Duration(h.Sum64() % uint64(length))
}
