package reconcile

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
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
}

// historyStore is what a stream's history is read from.
type historyStore interface {
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	ClosingsOf(ctx context.Context, streams []string) (map[string][]store.Closing, error)
	Reports(ctx context.Context, streams []string, since time.Time) (map[string][]store.Report, error)
	EmittersSince(ctx context.Context, streams []string, since time.Time) (map[string][]store.Emitter, error)
	Hops(ctx context.Context, streams []string) (map[string][]store.HopSummary, error)
	UncoveredSources(ctx context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error)
}

// contentStore is what the rolls of windows are read from.
type contentStore interface {
	Rolls(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.RollSet, error)
	EmitterRolls(ctx context.Context, keys []store.RollKey) (map[store.RollKey][]store.EmitterRoll, error)
	Foreign(ctx context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.ForeignCount, error)
	Unplaced(ctx context.Context, windows []store.WindowKey) (map[store.HopWindow]uint64, error)
}

const (
	marksAPass    = 20_000        // marks looked at in one pass; the rest wait for the next
	chunkWindows  = 2_000         // windows whose rolls are read at once
	recent        = 2 * time.Hour // streams whose windows are younger are read together
	historyMargin = time.Hour     // history read before the oldest window judged
	maxDerived    = 24 * 60       // windows without a report that one pass examines of one stream
)

// Pass looks at everything that changed or fell due, once, and returns the verdicts it stored. Every step can be repeated: a pass
// that died half-way is simply made again, by this process or another.
func Pass(ctx context.Context, s Store, now time.Time) ([]store.Verdict, error) {
	return passWithClocks(ctx, s, now, func(string) time.Time { return now })
}

// passWithClocks makes a pass in which every stream has a clock of its own; latest is the latest of them.
func passWithClocks(ctx context.Context, s Store, latest time.Time, clock func(stream string) time.Time) ([]store.Verdict, error) {
	due, err := s.DueMarks(ctx, latest, marksAPass)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	p := pass{store: s, clock: clock, latest: latest, streams: map[string]*work{}}
	if err := p.collect(ctx, due); err != nil {
		return nil, err
	}
	for _, group := range p.groups() {
		if err := p.judge(ctx, group); err != nil {
			return p.said, err
		}
	}
	return p.said, nil
}

type pass struct {
	store   Store
	clock   func(stream string) time.Time
	latest  time.Time
	streams map[string]*work
	said    []store.Verdict
}

// work is what one pass has to do on one stream.
type work struct {
	stream   string
	now      time.Time
	marks    []store.Mark // to be replaced
	later    []store.Mark // to be made instead, of old windows that are left for later
	windows  map[time.Time]bool
	progress store.Progress
	settings store.Settings
	since    time.Time   // earliest sentAt of the new reports; zero when there are none
	derived  []time.Time // windows to be examined whether a report mentions them or not; their grace has passed
	running  []time.Time // later windows that have begun, to be judged if a report mentions them
}

// take decides on one mark: the stream's own and those of windows that are due or young are worked on now. An old window that only new
// reports can change is looked at within a minute of such a report, since that needs all history from it on.
func (w *work) take(m store.Mark, reported bool) {
	switch {
	case m.Start.IsZero() || !m.Due.After(w.now) || w.now.Sub(m.Start) < recent:
		w.marks = append(w.marks, m)
		if !m.Start.IsZero() {
			w.windows[m.Start] = true
		}
	case reported && m.Due.Equal(store.Never):
		w.marks = append(w.marks, m)
		w.later = append(w.later, store.Mark{WindowKey: m.WindowKey, Due: w.now.Add(time.Minute)})
	}
}

// oldest is the start of the oldest window to be judged.
func (w *work) oldest() time.Time {
	oldest := w.now
	for start := range w.windows {
		if start.Before(oldest) {
			oldest = start
		}
	}
	for _, start := range slices.Concat(w.derived, w.running) {
		if start.Before(oldest) {
			oldest = start
		}
	}
	return oldest
}

// collect finds the windows to be judged: those marked, those not closed, and those that a report sent so early may change.
func (p *pass) collect(ctx context.Context, due []store.Mark) error {
	since := map[string]time.Time{}
	for _, m := range due {
		if p.streams[m.Stream] == nil {
			p.streams[m.Stream] = &work{stream: m.Stream, now: p.clock(m.Stream), windows: map[time.Time]bool{}}
		}
		if old, ok := since[m.Stream]; m.Start.IsZero() && !m.Since.IsZero() && (!ok || m.Since.Before(old)) {
			since[m.Stream] = m.Since
		}
	}
	names := slices.Sorted(maps.Keys(p.streams))
	marks, err := p.store.MarksOf(ctx, names)
	if err != nil {
		return err
	}
	for _, m := range marks {
		p.streams[m.Stream].take(m, !since[m.Stream].IsZero())
	}
	if len(since) > 0 {
		bound, err := p.store.BoundAfter(ctx, since)
		if err != nil {
			return err
		}
		for _, k := range bound {
			p.streams[k.Stream].windows[k.Start] = true
		}
	}
	for stream, t := range since {
		p.streams[stream].since = t
	}
	return p.collectDerived(ctx, names)
}

// collectDerived adds the windows that ended since the stream was last examined.
func (p *pass) collectDerived(ctx context.Context, names []string) error {
	progress, err := p.store.ProgressOf(ctx, names)
	if err != nil {
		return err
	}
	settings, err := p.store.Settings(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		w := p.streams[name]
		w.progress, w.settings = progress[name], settings[name]
		w.derived, w.running = w.unexamined()
	}
	return nil
}

// unexamined lists the windows from Examined on that have begun, in two parts: those whose grace has passed, and those later. It begins earlier
// where a new report was sent so early that it may change what was found.
func (w *work) unexamined() (ended, running []time.Time) {
	p, s := w.progress, w.settings
	if p.Earliest.IsZero() {
		return nil, nil
	}
	start := later(p.Earliest, p.Examined)
	if back := w.since.Add(-p.Reach); !w.since.IsZero() && back.Before(start) {
		length := time.Duration(s.Seconds(back)) * time.Second
		start = later(p.Earliest, back.Truncate(length).Add(-length))
	}
	for !start.After(w.now) && len(ended) < maxDerived {
		end := start.Add(time.Duration(s.Seconds(start)) * time.Second)
		if end.Add(s.Grace).After(w.now) {
			running = append(running, start)
		} else {
			ended = append(ended, start)
		}
		start = end
	}
	return ended, running
}

// groups parts the streams into one group that needs only recent history and the others one by one.
func (p *pass) groups() [][]*work {
	var near []*work
	var groups [][]*work
	for _, name := range slices.Sorted(maps.Keys(p.streams)) {
		w := p.streams[name]
		if w.now.Sub(w.oldest()) > recent {
			groups = append(groups, []*work{w})
			continue
		}
		near = append(near, w)
	}
	for chunk := range slices.Chunk(near, 1000) {
		groups = append(groups, chunk)
	}
	return groups
}

// judge judges the windows of a group of streams and stores what is to be said of them.
func (p *pass) judge(ctx context.Context, group []*work) error {
	oldest := p.latest
	queries := make([]historyQuery, len(group))
	for i, w := range group {
		if o := w.oldest(); o.Before(oldest) {
			oldest = o
		}
		queries[i] = historyQuery{stream: w.stream, settings: w.settings}
	}
	histories, err := loadHistories(ctx, p.store, queries, oldest.Add(-historyMargin))
	if err != nil {
		return err
	}
	var open []*window
	for _, w := range group {
		h := histories[w.stream]
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
	return p.advance(ctx, group, before)
}

// starts lists the windows to be judged.
func (w *work) starts() []time.Time {
	for _, start := range w.derived {
		w.windows[start] = true
	}
	return slices.SortedFunc(maps.Keys(w.windows), time.Time.Compare)
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
		if err := fillWindows(ctx, p.store, chunk); err != nil {
			return nil, err
		}
		var next []store.Verdict
		var firstClosed []store.HopWindow
		for _, w := range chunk {
			said := w.verdicts(before[w.key()])
			standing[w.key()] = said
			p.reach(w)
			next = append(next, changed(said, before[w.key()], w.mentioned())...)
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

// reach remembers how long after a window's end a report may have been sent that changes what is not stored of it.
func (p *pass) reach(w *window) {
	progress := &p.streams[w.h.Settings.Stream].progress
	progress.Reach = max(progress.Reach, w.h.Settings.Grace)
	if w.mentioned() {
		return
	}
	for _, edge := range w.closing.graph.edges() {
		progress.Reach = max(progress.Reach, w.bound(edge).Sub(time.UnixMilli(w.closing.end)))
	}
}

func (w *window) key() store.WindowKey {
	return store.WindowKey{Stream: w.h.Settings.Stream, Start: time.UnixMilli(w.start).UTC()}
}

// mentioned says whether any report mentions the window.
func (w *window) mentioned() bool { return len(w.h.mentions[w.start]) > 0 }

// changed returns the verdicts to be stored: those that say something else than before. A window that no report mentions and that is complete
// on all edges is not stored, unless something else was said of it before.
func changed(said, before []store.Verdict, mentioned bool) []store.Verdict {
	var next []store.Verdict
	incomplete := func(v store.Verdict) bool { return v.State != store.Complete }
	if len(before) == 0 && !mentioned && !slices.ContainsFunc(said, incomplete) {
		return nil
	}
	for i := range said {
		v := &said[i]
		j := slices.IndexFunc(before, func(b store.Verdict) bool { return b.Edge == v.Edge })
		if j >= 0 && same(v, &before[j]) && v.Due.Equal(before[j].Due) && v.Bound.Equal(before[j].Bound) && v.K.Equal(before[j].K) {
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
				next = append(next, m)
			}
		}
		old, next = append(old, w.marks...), append(next, w.later...)
		if n := len(w.derived); n > 0 {
			last := w.derived[n-1]
			w.progress.Examined = last.Add(time.Duration(w.settings.Seconds(last)) * time.Second)
		}
		w.progress.Stream = w.stream
		if w.progress.Earliest.IsZero() {
			continue
		}
		progress = append(progress, w.progress)
		next = append(next, p.nextExamination(w))
	}
	if err := p.store.SetProgress(ctx, progress, p.latest); err != nil {
		return err
	}
	return p.store.ReplaceMarks(ctx, old, next)
}

// nextMark is the mark of a window some edge of which is not closed.
func nextMark(verdicts []store.Verdict) (store.Mark, bool) {
	var m store.Mark
	for _, v := range verdicts {
		if v.Closed() {
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
	return store.Mark{WindowKey: store.WindowKey{Stream: w.stream}, Due: due}
}

func spread(stream string, length time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(stream)) //nolint:errcheck // a hash never fails
	return time.Duration(h.Sum64() % uint64(length))
}

// historyQuery names a stream and its settings.
type historyQuery struct {
	stream   string
	settings store.Settings
}

// loadHistories reads what was reported since an instant. The reports are read first, then what says which of them count, and the caller
// reads rolls after: so a watermark that counts never precedes its rolls.
func loadHistories(ctx context.Context, s historyStore, queries []historyQuery, since time.Time) (map[string]*history, error) {
	names := make([]string, len(queries))
	for i, q := range queries {
		names[i] = q.stream
	}
	reports, err := s.Reports(ctx, names, since)
	if err != nil {
		return nil, err
	}
	emitters, err := s.EmittersSince(ctx, names, since.Add(-historyMargin))
	if err != nil {
		return nil, err
	}
	hops, err := s.Hops(ctx, names)
	if err != nil {
		return nil, err
	}
	closings, err := s.ClosingsOf(ctx, names)
	if err != nil {
		return nil, err
	}
	uncovered, err := s.UncoveredSources(ctx, uncoveredQueries(queries))
	if err != nil {
		return nil, err
	}
	found := make(map[string]*history, len(queries))
	for _, q := range queries {
		found[q.stream] = newHistory(Stream{
			Settings: q.settings, Since: since.UnixMilli(), Hops: hops[q.stream], Emitters: emitters[q.stream],
			Reports: reports[q.stream], Closings: closings[q.stream], Uncovered: uncovered[q.stream],
		})
	}
	return found, nil
}

func uncoveredQueries(queries []historyQuery) []store.UncoveredQuery {
	found := make([]store.UncoveredQuery, len(queries))
	for i, q := range queries {
		reach := q.settings.Grace
		if n := len(q.settings.Lengths); n > 0 {
			reach += time.Duration(q.settings.Lengths[n-1].Seconds) * time.Second
		}
		found[i] = store.UncoveredQuery{Stream: q.stream, Reach: reach}
		for _, e := range q.settings.Edges {
			found[i].NotFirst = append(found[i].NotFirst, e.To)
		}
	}
	return found
}

// fillWindows reads what the hops took over of the windows. Where the rolls of several emitters may overlap, the
// rolls by emitter are read too.
func fillWindows(ctx context.Context, s contentStore, windows []*window) error {
	var keys []store.WindowKey
	for _, w := range windows {
		if w.mentioned() {
			keys = append(keys, w.key())
		}
	}
	if len(keys) == 0 {
		for _, w := range windows {
			w.fill(content{}, func(string) uint64 { return 0 })
		}
		return nil
	}
	rolls, err := s.Rolls(ctx, keys)
	if err != nil {
		return err
	}
	if err := nameOverlaps(ctx, s, rolls); err != nil {
		return err
	}
	foreign, err := s.Foreign(ctx, keys)
	if err != nil {
		return err
	}
	unplaced, err := s.Unplaced(ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range windows {
		k := w.key()
		w.fill(gather(rolls[k], foreign[k]), func(hop string) uint64 { return unplaced[store.HopWindow{WindowKey: k, Hop: hop}] })
	}
	return nil
}

// nameOverlaps finds by name what more than one emitter of an epoch saw.
func nameOverlaps(ctx context.Context, s contentStore, rolls map[store.WindowKey][]store.RollSet) error {
	var keys []store.RollKey
	where := map[store.RollKey]*store.RollSet{}
	for window, sets := range rolls {
		for i := range sets {
			set := &sets[i]
			if seen := set.Rolls[wire.Seen]; seen != nil && set.Cards > seen.GetCardinality() {
				k := store.RollKey{WindowKey: window, Hop: set.Hop, Epoch: set.Epoch, Source: set.Source}
				keys = append(keys, k)
				where[k] = set
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	byEmitter, err := s.EmitterRolls(ctx, keys)
	if err != nil {
		return fmt.Errorf("name overlaps: %w", err)
	}
	for k, emitters := range byEmitter {
		if set := where[k]; set != nil {
			set.Duplicated = overlap(emitters)
		}
	}
	return nil
}
