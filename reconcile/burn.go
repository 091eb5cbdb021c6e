package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// latencyTarget is the share of events that latencyP99Millis speaks of.
const latencyTarget = 0.99

// alarm is a pair of times over which a budget burns so fast that somebody must know: over the long one, and still over the short one. The rates are
// those of the Site Reliability Workbook, chapter 5: 14.4 uses 2 % of the budget of 28 days in an hour, 6 uses 5 % in six hours, 1 uses 10 % in three days.
type alarm struct {
	long, short time.Duration
	rate        float64
	slow        bool // nobody need get up for it
}

var alarms = []alarm{
	{time.Hour, 5 * time.Minute, 14.4, false},
	{6 * time.Hour, 30 * time.Minute, 6, false},
	{3 * 24 * time.Hour, 6 * time.Hour, 1, true},
}

// burnSpans is how many of store.BudgetSpans the alarms need.
const burnSpans = 5

// objectives are the targets of a stream by name; those it does not have are 0.
func objectives(s *store.Settings) map[string]float64 {
	o := s.Objectives
	targets := map[string]float64{store.Completeness: o.Completeness, store.Timeliness: o.Timeliness, store.Validity: o.Validity, store.Latency: 0}
	if o.LatencyP99 > 0 {
		targets[store.Latency] = latencyTarget
	}
	return targets
}

func watchesBudgets(s *store.Settings) bool {
	o := s.Objectives
	return o.Completeness > 0 || o.Timeliness > 0 || o.Validity > 0 || o.LatencyP99 > 0
}

// exactly forgives what floating point loses of a rate that is met exactly.
const exactly = 1 - 1e-9

// mostBurn stands for a budget of nothing that is used up all the same.
const mostBurn = 1e6

// burnRate is how many times as fast as it may a budget is used up: 1 uses it up in exactly its 28 days.
func burnRate(total, bad uint64, target float64) float64 {
	if total == 0 || bad == 0 {
		return 0
	}
	return min(float64(bad)/float64(total)/max(1-target, 1/mostBurn), mostBurn)
}

// over returns what was counted over one of store.BudgetSpans.
func over(s store.Spent, span time.Duration) (total, bad uint64) {
	n := slices.Index(store.BudgetSpans, span)
	if n < 0 || n >= len(s.Total) {
		return 0, 0
	}
	return s.Total[n], s.Bad[n]
}

// rings says whether the budget burns too fast.
func (a *alarm) rings(s store.Spent, target float64) bool {
	long, badLong := over(s, a.long)
	short, badShort := over(s, a.short)
	return target > 0 && burnRate(long, badLong, target) >= a.rate*exactly && burnRate(short, badShort, target) >= a.rate*exactly
}

// decideBurn says of one objective, and of its fast alarms or its slow one, which incident opens or ends. open is that which is stored as open.
func decideBurn(stream, objective string, slow bool, target float64, spent store.Spent, now time.Time, open *store.Incident) []store.Incident {
	n := slices.IndexFunc(alarms, func(a alarm) bool { return a.slow == slow && a.rings(spent, target) })
	switch {
	case n < 0 && open != nil:
		i := *open
		i.Bad, i.Since = 0, now.UTC()
		i.Version = max(i.Version+1, uint64(now.UnixMilli()))
		i.Text = fmt.Sprintf("[RESOLVED] %s: the budget of %s no longer burns too fast", whereText(&i), objective)
		return []store.Incident{i}
	case n < 0 || open != nil:
		return nil
	}
	a := &alarms[n]
	first := now.UTC().Truncate(time.Second)
	total, bad := over(spent, a.long)
	i := store.Incident{
		ID: incidentID(stream, store.Edge{}, store.BurnCause(objective, slow), first), Stream: stream, Cause: store.BurnCause(objective, slow),
		First: first, Last: first, FirstBad: first, Windows: 1, Bad: 1, Expected: total, Events: bad, OpenedAt: now.UTC(), Since: now.UTC(),
		Version: uint64(now.UnixMilli()),
	}
	i.Text = fmt.Sprintf("[BURN] %s: %s of %s events %s in %s, %.3g times what the objective of %s allows",
		whereText(&i), number(bad), about(total), misses[objective], spanName(a.long), burnRate(total, bad, target), percentOf(target))
	return []store.Incident{i}
}

// misses says what events do that miss an objective.
var misses = map[string]string{
	store.Completeness: "lost", store.Timeliness: "in windows closed too late", store.Latency: "too slow or not arrived", store.Validity: "that break their schema",
}

func spanName(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// percentOf writes a target with all its digits.
func percentOf(target float64) string { return fmt.Sprintf("%.6g %%", 100*target) }

// alarms decides on all alarms of a stream.
func (w *work) alarms(spent map[string]store.Spent, open []store.Incident) []store.Incident {
	var next []store.Incident
	targets := objectives(&w.settings)
	for _, objective := range store.Objective {
		for _, slow := range []bool{false, true} {
			var standing *store.Incident
			if n := slices.IndexFunc(open, func(i store.Incident) bool { return i.Cause == store.BurnCause(objective, slow) }); n >= 0 {
				standing = &open[n]
			}
			next = append(next, decideBurn(w.stream, objective, slow, targets[objective], spent[objective], w.now, standing)...)
		}
	}
	return next
}

// Objectives returns how the objectives of a stream stand at now; false where the stream is not known. Those it does not have are left out.
func (r *Reader) Objectives(ctx context.Context, stream string, now time.Time) ([]store.ObjectiveState, bool, error) {
	k, ok, err := r.known(ctx, stream)
	if err != nil || !ok {
		return nil, false, err
	}
	spent, err := r.store.SpentOf(ctx, []store.SpentQuery{{Stream: stream, Fresh: fresh(&k, now)}}, len(store.BudgetSpans), now)
	if err != nil {
		return nil, false, err
	}
	return statesOf(&k, spent[stream]), true, nil
}

// Budgets returns how the objectives of all streams stand at now, by stream.
func (r *Reader) Budgets(ctx context.Context, now time.Time) (map[string][]store.ObjectiveState, error) {
	streams, err := r.store.StreamNames(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := r.store.Settings(ctx, streams)
	if err != nil {
		return nil, err
	}
	var asked []store.SpentQuery
	for _, stream := range streams {
		if s := settings[stream]; watchesBudgets(&s) {
			asked = append(asked, store.SpentQuery{Stream: stream, Fresh: fresh(&s, now)})
		}
	}
	all := map[string][]store.ObjectiveState{}
	if len(asked) == 0 {
		return all, nil
	}
	spent, err := r.store.SpentOf(ctx, asked, len(store.BudgetSpans), now)
	if err != nil {
		return nil, err
	}
	for _, q := range asked {
		s := settings[q.Stream]
		all[q.Stream] = statesOf(&s, spent[q.Stream])
	}
	return all, nil
}

// statesOf is how the objectives that a stream has stand.
func statesOf(s *store.Settings, spent map[string]store.Spent) []store.ObjectiveState {
	var all []store.ObjectiveState
	targets := objectives(s)
	for _, objective := range store.Objective {
		if target := targets[objective]; target > 0 {
			all = append(all, stateOf(objective, target, s, spent[objective]))
		}
	}
	return all
}

// known returns the settings of a stream that has reports or settings.
func (r *Reader) known(ctx context.Context, stream string) (store.Settings, bool, error) {
	names, err := r.store.StreamNames(ctx)
	if err != nil || !slices.Contains(names, stream) {
		return store.Settings{}, false, err
	}
	all, err := r.store.Settings(ctx, []string{stream})
	return all[stream], true, err
}

func stateOf(objective string, target float64, s *store.Settings, spent store.Spent) store.ObjectiveState {
	o := store.ObjectiveState{Objective: objective, Target: target}
	switch objective {
	case store.Latency:
		o.Threshold = s.Objectives.LatencyP99
	case store.Timeliness:
		o.Threshold = s.Objectives.Timely
	}
	o.Total, o.Bad = over(spent, store.BudgetDays*24*time.Hour)
	if o.Left = 1 - burnRate(o.Total, o.Bad, target); o.Left < -mostBurn {
		o.Left = -mostBurn
	}
	for _, span := range store.BudgetSpans {
		total, bad := over(spent, span)
		o.Burn = append(o.Burn, store.BurnRate{Span: span, Total: total, Bad: bad, Rate: burnRate(total, bad, target)})
	}
	for n := range alarms {
		if alarms[n].rings(spent, target) {
			o.Alarms = append(o.Alarms, fmt.Sprintf("%g over %s and %s", alarms[n].rate, spanName(alarms[n].long), spanName(alarms[n].short)))
		}
	}
	return o
}
