package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	stoppedAfter = time.Hour // how long a stream that expects traffic may be without an event
	runMargin    = time.Hour // read around the windows judged, at first
	runWiden     = 4         // and so many times that while a run goes on beyond it
)

// IncidentStore is what deciding incidents reads and writes.
type IncidentStore interface {
	EverBad(ctx context.Context, streams []string, from, to time.Time, marks bool) (map[string][]store.Verdict, error)
	LatestSettled(ctx context.Context, streams []string, from time.Time) (map[string]map[store.Edge]time.Time, error)
	LastTraffic(ctx context.Context, streams []string) (map[string]time.Time, error)
	Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error)
	OpenIncidents(ctx context.Context, streams []string, causes ...store.Cause) (map[string][]store.Incident, error)
	AddIncidents(ctx context.Context, incidents []store.Incident) error
	BudgetStore
}

// BudgetStore keeps what objectives count.
type BudgetStore interface {
	SumBudgets(ctx context.Context, queries []store.BudgetQuery, now time.Time) ([]store.Budget, error)
	AddBudgets(ctx context.Context, budgets []store.Budget, now time.Time) error
	SpentOf(ctx context.Context, queries []store.SpentQuery, spans int, now time.Time) (map[string]map[string]store.Spent, error)
}

// callOut decides the incidents of the windows just judged. It stands between the verdicts and the marks: a pass that dies before its marks are
// replaced finds the same windows marked, judges them again and comes here again, whether or not it says anything new. A row is a
// function of the verdicts it rests on: of two passes that saw different ones the one that saw more is kept.
func (p *pass) callOut(ctx context.Context, group []*work, standing map[store.WindowKey][]store.Verdict) error {
	open, err := p.openMarks(ctx, group)
	if err != nil {
		return err
	}
	settings, touched := map[string]store.Settings{}, map[string][]store.Verdict{}
	for _, w := range group {
		if windows := append(w.touched(standing), lastOf(w, open[w.stream])...); len(windows) > 0 {
			settings[w.stream], touched[w.stream] = w.settings, windows
		}
	}
	next, err := p.runsOf(ctx, settings, touched)
	if err != nil {
		return err
	}
	for _, w := range group {
		next = append(next, takenBack(w, open[w.stream], next)...)
	}
	if next, err = p.news(ctx, next); err != nil {
		return err
	}
	if err := p.keepIncidents(ctx, next); err != nil { // first of all: a loss must not wait for what else cannot be found out
		return err
	}
	more, err := p.ofStreams(ctx, group)
	if err != nil {
		return err
	}
	if err := p.keepIncidents(ctx, more); err != nil {
		return err
	}
	return p.burn(ctx, group)
}

func (p *pass) keepIncidents(ctx context.Context, next []store.Incident) error {
	if len(next) == 0 {
		return nil
	}
	slices.SortFunc(next, compareIncidents)
	p.incidents = append(p.incidents, next...)
	return p.store.AddIncidents(ctx, next)
}

// touched lists the windows judged that are bad or may once have been: a complete window at its first revision never was.
func (w *work) touched(standing map[store.WindowKey][]store.Verdict) []store.Verdict {
	var touched []store.Verdict
	for _, start := range slices.Concat(slices.Collect(maps.Keys(w.windows)), slices.Collect(maps.Keys(w.past))) {
		for _, v := range standing[store.WindowKey{Stream: w.stream, Start: start}] {
			marks := watchesMarks(&w.settings) && v.Settled() && v.Invalid+v.InvalidAtSource+v.Corrupt+v.Duplicated > 0
			if v.State == store.Unknown || v.State == store.Incomplete || v.Revision > 1 || marks {
				touched = append(touched, v)
			}
		}
	}
	return touched
}

// openMarks reads the open incidents that end when later windows are good, or when they are watched no more: of streams that were examined up to a
// later instant.
func (p *pass) openMarks(ctx context.Context, group []*work) (map[string][]store.Incident, error) {
	var examined []string
	for _, w := range group {
		if len(w.derived) > 0 {
			examined = append(examined, w.stream)
		}
	}
	if len(examined) == 0 {
		return nil, nil
	}
	return p.store.OpenIncidents(ctx, examined, markCauses...)
}

// lastOf stands in for the open incidents of marks by their last windows.
func lastOf(w *work, open []store.Incident) []store.Verdict {
	var last []store.Verdict
	for _, i := range open {
		if watches(&w.settings, i.Cause) {
			last = append(last, store.Verdict{Stream: i.Stream, Start: i.Last, Seconds: i.Seconds, Edge: i.Edge})
		}
	}
	return last
}

// runsOf returns the incidents that the windows of each stream belong to. It reads all streams at once, and further those of which a run goes on
// beyond what was read.
func (p *pass) runsOf(ctx context.Context, settings map[string]store.Settings, touched map[string][]store.Verdict) ([]store.Incident, error) {
	var all []store.Incident
	left := slices.Sorted(maps.Keys(touched))
	for margin := runMargin; len(left) > 0; margin *= runWiden {
		first, last := extent(left, touched)
		from, to := later(first.Add(-margin), time.Unix(0, 0)), last.Add(margin+time.Hour)
		history, latest, err := p.everBad(ctx, left, settings, from, to)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left, func(stream string) bool {
			found := slices.DeleteFunc(decideIncidents(evidence{settings[stream], history[stream], latest[stream]}), func(i store.Incident) bool { return !holdsAny(&i, touched[stream]) })
			whole := !slices.ContainsFunc(found, func(i store.Incident) bool { return cut(&i, from, to) })
			if whole {
				all = append(all, found...)
			}
			return whole
		})
	}
	return all, nil
}

// everBad reads the history of streams, and where one of them watches marks how far each edge has got.
func (p *pass) everBad(
	ctx context.Context, streams []string, settings map[string]store.Settings, from, to time.Time,
) (history map[string][]store.Verdict, latest map[string]map[store.Edge]time.Time, err error) {
	marks := slices.ContainsFunc(streams, func(stream string) bool { s := settings[stream]; return watchesMarks(&s) })
	if history, err = p.store.EverBad(ctx, streams, from, to, marks); err == nil && marks {
		latest, err = p.store.LatestSettled(ctx, streams, from)
	}
	return history, latest, err
}

// extent is the first and the last start of the streams' windows.
func extent(streams []string, windows map[string][]store.Verdict) (first, last time.Time) {
	for _, stream := range streams {
		for i := range windows[stream] {
			start := windows[stream][i].Start
			if first.IsZero() || start.Before(first) {
				first = start
			}
			last = later(last, start)
		}
	}
	return first, last
}

// holdsAny says whether the incident has one of the windows in it.
func holdsAny(i *store.Incident, windows []store.Verdict) bool {
	return slices.ContainsFunc(windows, func(v store.Verdict) bool {
		return v.Edge == i.Edge && !v.Start.Before(i.First) && !v.Start.After(i.Last)
	})
}

// cut says whether the run may go on before from or from to on.
func cut(i *store.Incident, from, to time.Time) bool {
	const longest = time.Hour // of a window
	return from.Unix() > 0 && i.First.Sub(from) < longest || !i.Last.Add(longest).Before(to)
}

// news leaves out the incidents that are stored just so.
func (p *pass) news(ctx context.Context, found []store.Incident) ([]store.Incident, error) {
	if len(found) == 0 {
		return nil, nil
	}
	ids := make([]wire.UID, len(found))
	for n := range found {
		ids[n] = found[n].ID
	}
	filter := store.IncidentFilter{IDs: ids}
	if one := found[0].Stream; !slices.ContainsFunc(found, func(i store.Incident) bool { return i.Stream != one }) {
		filter.Stream = one // then only its rows are read
	}
	known, err := p.store.Incidents(ctx, filter)
	if err != nil {
		return nil, err
	}
	stored := map[wire.UID]store.Incident{}
	for _, i := range known {
		stored[i.ID] = i
	}
	return slices.DeleteFunc(found, func(i store.Incident) bool {
		old, there := stored[i.ID]
		return there && (old.Version > i.Version || alike(&old, &i))
	}), nil
}

// alike says whether two incidents of one id say the same.
func alike(a, b *store.Incident) bool {
	return a.Version == b.Version && a.Bad == b.Bad && a.Windows == b.Windows && a.Lost == b.Lost && a.Events == b.Events && a.Hold == b.Hold && a.Text == b.Text && a.Since.Equal(b.Since)
}

// ofStreams decides on the incidents of whole streams: those that were examined up to a later instant.
func (p *pass) ofStreams(ctx context.Context, group []*work) ([]store.Incident, error) {
	var examined []string
	for _, w := range group {
		if len(w.derived) > 0 {
			examined = append(examined, w.stream)
		}
	}
	open := map[string][]store.Incident{}
	if len(examined) > 0 {
		var err error
		if open, err = p.store.OpenIncidents(ctx, examined, store.CauseStopped); err != nil {
			return nil, err
		}
	}
	return p.stopped(ctx, group, open)
}

// stopped looks for streams that have no traffic any more.
func (p *pass) stopped(ctx context.Context, group []*work, open map[string][]store.Incident) ([]store.Incident, error) {
	var asked []string
	for _, w := range group {
		if len(w.derived) > 0 && (w.settings.ExpectTraffic || len(open[w.stream]) > 0) {
			asked = append(asked, w.stream)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	traffic, err := p.store.LastTraffic(ctx, asked)
	if err != nil {
		return nil, err
	}
	var next []store.Incident
	for _, w := range group {
		if n := len(w.derived); n > 0 {
			until := w.derived[n-1].Add(time.Duration(w.settings.Seconds(w.derived[n-1])) * time.Second)
			next = append(next, decideStopped(w.settings.ExpectTraffic, w.stream, traffic[w.stream], until, open[w.stream])...)
		}
	}
	return next, nil
}
