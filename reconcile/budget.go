package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	// budgetReach is how far back budgets are summed again whenever a stream is looked at: an hour, which is the longest that events may be in time,
	// and the hour it lies in. Older windows are summed when they are judged again.
	budgetReach = 2 * time.Hour
	// budgetRetry is after how long old windows are judged again whose budgets could not be summed.
	budgetRetry = time.Minute
)

// fresh is how old what became known last of a stream may be while more is under way: until the next window has ended and may be settled.
func fresh(s *store.Settings, now time.Time) time.Duration {
	return time.Duration(s.Seconds(now))*time.Second + s.Settle + store.BudgetSlot
}

// burn sums the budgets of the streams that are looked at, or of which old windows were judged, and decides on their alarms. It costs a stream one
// look at its last two hours each window length, and each slot where that is shorter, whatever its reports. A budget that cannot be summed must not
// keep anybody from being told of a loss, nor marks from being replaced: it is left for the next pass, stream by stream.
func (p *pass) burn(ctx context.Context, group []*work) error {
	err := p.burnOf(ctx, group)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case len(group) > 1 && (!errors.Is(err, store.ErrAway) || errors.Is(err, store.ErrBusy)):
		half := len(group) / 2
		return errors.Join(p.burn(ctx, group[:half]), p.burn(ctx, group[half:]))
	}
	for _, w := range group {
		p.unsummed = append(p.unsummed, fmt.Errorf("budgets of stream %s: %w", w.stream, err))
		w.later = append(w.later, w.again()...)
	}
	return nil
}

// again are the marks by which what budgets need is looked at once more.
func (w *work) again() []store.Mark {
	var marks []store.Mark
	if w.looks() {
		marks = append(marks, store.Mark{WindowKey: store.WindowKey{Stream: w.stream}, Due: w.now})
	}
	for _, start := range w.oldStarts() {
		marks = append(marks, store.Mark{WindowKey: store.WindowKey{Stream: w.stream, Start: start}, Due: w.now.Add(budgetRetry)})
	}
	return marks
}

// looks says whether the stream is looked at as a whole: it was examined up to a later instant, or it is time to.
func (w *work) looks() bool { return len(w.derived) > 0 || w.look }

func (p *pass) burnOf(ctx context.Context, group []*work) error {
	var queries []store.BudgetQuery
	var looked []*work
	for _, w := range group {
		if watchesBudgets(&w.settings) {
			queries = append(queries, w.budgetQueries()...)
		}
		if w.looks() {
			looked = append(looked, w)
		}
	}
	if len(queries) > 0 {
		sums, err := p.store.SumBudgets(ctx, queries, p.latest)
		if err != nil {
			return err
		}
		if err := p.store.AddBudgets(ctx, sums, p.latest); err != nil {
			return err
		}
	}
	return p.ring(ctx, looked)
}

// ring decides on the alarms of streams. Those without objectives may have had some, and alarms that ring.
func (p *pass) ring(ctx context.Context, looked []*work) error {
	if len(looked) == 0 {
		return nil
	}
	open, err := p.store.OpenIncidents(ctx, names(looked), store.BurnCauses()...)
	if err != nil {
		return err
	}
	looked = slices.DeleteFunc(looked, func(w *work) bool { return !watchesBudgets(&w.settings) && len(open[w.stream]) == 0 })
	if len(looked) == 0 {
		return nil
	}
	asked := make([]store.SpentQuery, len(looked))
	for n, w := range looked {
		asked[n] = store.SpentQuery{Stream: w.stream, Fresh: fresh(&w.settings, w.now)}
	}
	spent, err := p.store.SpentOf(ctx, asked, burnSpans, p.latest)
	if err != nil {
		return err
	}
	var next []store.Incident
	for _, w := range looked {
		next = append(next, w.alarms(spent[w.stream], open[w.stream])...)
	}
	return p.keepIncidents(ctx, next)
}

func names(group []*work) []string {
	streams := make([]string, len(group))
	for n, w := range group {
		streams[n] = w.stream
	}
	return streams
}

// oldStarts are the windows judged that are summed only because they were, ascending.
func (w *work) oldStarts() []time.Time {
	recent := w.now.Add(-budgetReach).Truncate(time.Hour)
	starts := slices.DeleteFunc(slices.Collect(maps.Keys(w.windows)), func(start time.Time) bool { return !start.Before(recent) })
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

// budgetQueries are the hours of which the budgets of a stream are summed again: the last ones where it is looked at, and those of old windows judged.
// Hours that follow one another are one query.
func (w *work) budgetQueries() []store.BudgetQuery {
	var queries []store.BudgetQuery
	if w.looks() {
		queries = append(queries, w.budgetQuery(w.now.Add(-budgetReach).Truncate(time.Hour), w.now.Truncate(time.Hour)))
	}
	var from, to time.Time
	for _, start := range w.oldStarts() {
		switch hour := start.Truncate(time.Hour); {
		case from.IsZero():
			from, to = hour, hour
		case hour.Sub(to) > time.Hour:
			queries = append(queries, w.budgetQuery(from, to))
			from, to = hour, hour
		default:
			to = hour
		}
	}
	if !from.IsZero() {
		queries = append(queries, w.budgetQuery(from, to))
	}
	return queries
}

// budgetQuery asks for the hours from one to another, with it.
func (w *work) budgetQuery(first, last time.Time) store.BudgetQuery {
	return store.BudgetQuery{Settings: w.settings, From: first, To: last.Add(time.Hour)}
}
