package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// work is what one pass has to do on one stream.
type work struct {
	stream   string
	torn     map[time.Time]time.Time // windows found torn before, and since when
	now      time.Time
	marks    []store.Mark // to be replaced
	later    []store.Mark // to be made instead, of old windows that are left for later
	windows  map[time.Time]bool
	progress store.Progress
	settings store.Settings
	look     bool        // it is time to look at the stream as a whole
	since    time.Time   // earliest sentAt of the new reports; zero when there are none
	derived  []time.Time // windows to be examined whether a report mentions them or not; their grace has passed
	running  []time.Time // later windows that have begun, to be judged if a report mentions them

	kept    time.Time          // windows before it are judged no more: see expired.go
	past    map[time.Time]bool // such windows that were left open, and whether a report speaks of them that was never judged
	forgone []time.Time        // those of past that were never examined
}

// take decides on one mark: the stream's own and those of windows that are due or young are worked on now. An old window that only new
// reports can change is looked at within a minute of such a report, since that needs all history from it on.
func (w *work) take(m store.Mark, reported bool) {
	switch {
	case !m.Start.IsZero() && m.Start.Before(w.kept):
		w.marks = append(w.marks, m)
		w.past[m.Start] = w.past[m.Start] || m.Due.IsZero()
	case m.Start.IsZero() && m.Since.IsZero() && !m.Due.After(w.now):
		w.marks, w.look = append(w.marks, m), true
	case m.Start.IsZero() || !m.Due.After(w.now) || w.now.Sub(m.Start) < recent:
		w.marks = append(w.marks, m)
		if !m.Start.IsZero() {
			w.windows[m.Start] = true
			if !m.Since.IsZero() {
				w.torn[m.Start] = m.Since
			}
		}
	case reported && m.Due.After(w.now.Add(time.Minute)):
		w.marks = append(w.marks, m)
		w.later = append(w.later, store.Mark{WindowKey: m.WindowKey, Due: w.now.Add(time.Minute), Since: m.Since})
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

// horizon is the instant before which no source can have become uncovered since the last pass; zero while one is.
func (w *work) horizon() time.Time {
	if w.progress.Uncovered != 0 || w.progress.Examined.IsZero() {
		return time.Time{}
	}
	horizon := w.oldest()
	if !w.since.IsZero() && w.since.Before(horizon) {
		horizon = w.since
	}
	return horizon
}

func (p *pass) newWork(stream string) *work {
	now := p.clock(stream)
	return &work{
		stream: stream, now: now, windows: map[time.Time]bool{}, torn: map[time.Time]time.Time{}, kept: now.Add(-judgedFor), past: map[time.Time]bool{},
	}
}

// collect finds the windows to be judged: those marked, those not closed, and those that a report sent so early may change.
func (p *pass) collect(ctx context.Context, due []store.Mark) error {
	for _, m := range due {
		if p.streams[m.Stream] == nil {
			p.streams[m.Stream] = p.newWork(m.Stream)
		}
	}
	names := slices.Sorted(maps.Keys(p.streams))
	marks, err := p.store.MarksOf(ctx, names)
	if err != nil {
		return err
	}
	since := map[string]time.Time{}
	for _, m := range marks {
		if old, ok := since[m.Stream]; m.Start.IsZero() && !m.Since.IsZero() && (!ok || m.Since.Before(old)) {
			since[m.Stream] = m.Since
		}
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
			if w := p.streams[k.Stream]; !k.Start.Before(w.kept) {
				w.windows[k.Start] = true
			}
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
		w.derived, w.running, w.forgone = w.unexamined()
		for _, start := range w.forgone {
			w.past[start] = true
		}
	}
	return nil
}

// unexamined lists the windows from Examined on that have begun, in two parts: those whose grace has passed, and those later. It begins earlier
// where a new report was sent so early that it may change what was found. Apart from them are those that nobody examined in time.
func (w *work) unexamined() (ended, running, forgone []time.Time) {
	p, s := w.progress, w.settings
	if p.Earliest.IsZero() {
		return nil, nil, nil
	}
	start := later(p.Earliest, p.Examined)
	if back := w.since.Add(-p.Reach); !w.since.IsZero() && back.Before(start) {
		length := time.Duration(s.Seconds(back)) * time.Second
		start = later(p.Earliest, back.Truncate(length).Add(-length))
	}
	for !start.After(w.now) && len(ended)+len(forgone) < maxDerived {
		end := start.Add(time.Duration(s.Seconds(start)) * time.Second)
		switch {
		case end.Add(s.Grace).After(w.now):
			running = append(running, start)
		case !start.Before(w.kept):
			ended = append(ended, start)
		case !start.Before(p.Examined):
			forgone = append(forgone, start)
		}
		start = end
	}
	return ended, running, forgone
}

// examined is the instant up to which the stream is examined once its derived windows are judged.
func (w *work) examined() time.Time {
	all := slices.Concat(w.forgone, w.derived)
	if len(all) == 0 {
		return w.progress.Examined
	}
	last := all[len(all)-1]
	return last.Add(time.Duration(w.settings.Seconds(last)) * time.Second)
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

// starts lists the windows to be judged.
func (w *work) starts() []time.Time {
	for _, start := range w.derived {
		w.windows[start] = true
	}
	return slices.SortedFunc(maps.Keys(w.windows), time.Time.Compare)
}
