package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/rollcallhq/rollcall/inspector/api"
)

const (
	// settleWithin bounds the wait for a round's windows to close; the stream's own limit comes before it.
	settleWithin = 150 * time.Second
	settlePoll   = 500 * time.Millisecond
)

func isExisting(err error) bool { return errors.Is(err, kerr.TopicAlreadyExists) }

// rounds runs one round after the other, without a break in the traffic.
func (d *demo) rounds(ctx context.Context) error {
	from := time.Now().Add(headStart + windowLength).Truncate(windowLength).UTC()
	if err := d.startApp(ctx, from); err != nil {
		return err
	}
	d.welcome(from)
	for n := 1; d.Rounds == 0 || n <= d.Rounds; n++ {
		if err := d.round(ctx, n, from); err != nil {
			return err
		}
		from = from.Add(d.Round)
	}
	return nil
}

// round runs one round from its first window to its table.
func (d *demo) round(ctx context.Context, n int, from time.Time) error {
	to := from.Add(d.Round)
	if err := d.traffic(ctx, n, from, to); err != nil {
		return err
	}
	outcome, err := d.settle(ctx, from, to)
	if err != nil {
		return err
	}
	outcome.Killed = map[string]int{hopRel: d.relay.takeKills(), hopSnk: d.sink.takeKills()}
	d.keep(outcome)
	return d.printRound(n, outcome)
}

// keep adds the outcome to the totals, and keeps it whole where it is to be printed at the end: a demo may go on
// for days.
func (d *demo) keep(o Outcome) {
	d.missed, d.wrong, d.undecided = d.missed+o.Missed+int(o.Delayed.missed()), d.wrong+o.False, d.undecided+len(o.Undecided)
	if d.JSON {
		d.outcomes = append(d.outcomes, o)
	} else {
		clear(d.states)
	}
}

// strike is a hop to be killed at an instant.
type strike struct {
	at     time.Time
	victim *process
}

// strikes returns when to kill whom: relay and sink once a round, each in the middle of a window.
func (d *demo) strikes(from time.Time) []strike {
	if !d.plan.kills {
		return nil
	}
	windows := int64(d.Round / windowLength)
	middle := func(window int64, into time.Duration) time.Time {
		return from.Add(time.Duration(window)*windowLength + into)
	}
	return []strike{
		{middle(windows/3, windowLength*2/5), d.relay},
		{middle(windows*2/3, windowLength*3/5), d.sink},
	}
}

// traffic lets the round's events pass, and kills in the midst of them.
func (d *demo) traffic(ctx context.Context, n int, from, to time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer d.progress(ctx, n, from, to)()
	for _, s := range d.strikes(from) {
		if err := d.await(ctx, s.at); err != nil {
			return err
		}
		if err := s.victim.kill(); err != nil {
			return err
		}
	}
	return d.await(ctx, to)
}

// await waits until an instant, unless a hop ends for good before.
func (d *demo) await(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.relay.ended:
		return d.died(d.relay)
	case <-d.sink.ended:
		return d.died(d.sink)
	case <-d.app.ended:
		if d.app.err == nil && !time.Now().Before(at) {
			return nil // it has produced all it was to produce
		}
		return d.died(d.app)
	}
}

func (d *demo) died(p *process) error {
	return fmt.Errorf("the %s is gone; its log is %s: %w", p.name, d.logPath(p.name), errors.Join(p.err, errors.New("it ended before its time")))
}

// settle waits until the windows of the round are closed, and compares.
func (d *demo) settle(ctx context.Context, from, to time.Time) (Outcome, error) {
	rows, err := d.closed(ctx, from, to)
	if err != nil {
		return Outcome{}, err
	}
	planted, err := d.plants.between(from, to)
	if err != nil {
		return Outcome{}, err
	}
	var named []saying
	var events uint64
	for _, w := range rows {
		said, err := d.sayings(ctx, w)
		if err != nil {
			return Outcome{}, err
		}
		named = append(named, said...)
		if w.Edge == edgeRelay {
			events += w.Produced
		}
	}
	outcome := compare(planted, named)
	outcome.From, outcome.To, outcome.Events = from, to, events
	if outcome.Delayed.Slow, err = d.ask.slow(ctx, from, to); err != nil {
		return Outcome{}, err
	}
	outcome.Undecided = d.remember(rows, from, to)
	return outcome, nil
}

// closed asks until every window and edge of the round is decided, or the time is up; then it returns
// what there is. A server that does not answer for a while is asked again.
func (d *demo) closed(ctx context.Context, from, to time.Time) ([]api.Window, error) {
	ask := time.NewTicker(settlePoll)
	defer ask.Stop()
	limit := time.NewTimer(settleWithin)
	defer limit.Stop()
	want := 2 * int(to.Sub(from)/windowLength)
	for {
		rows, err := d.ask.windows(ctx, from, to)
		if err == nil && len(rows) >= want && decided(rows) {
			return rows, nil
		}
		select {
		case <-ask.C:
		case <-limit.C:
			return rows, err
		case <-d.relay.ended:
			return nil, d.died(d.relay)
		case <-d.sink.ended:
			return nil, d.died(d.sink)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// decided reports whether every row is closed or, as unknown, past its settle limit.
func decided(rows []api.Window) bool {
	for _, w := range rows {
		if w.State == "open" || w.State == "settling" {
			return false
		}
	}
	return true
}

// sayings asks for all the names of one window and edge.
func (d *demo) sayings(ctx context.Context, w api.Window) ([]saying, error) {
	counts := map[string]uint64{
		kindLost: w.Lost, kindDuplicated: w.Duplicated, kindCorrupt: w.Corrupt, kindFiltered: w.Filtered, "redelivered": w.Redelivered,
		"unexpected": w.Unexpected, "invalid": w.Invalid, "rejected": w.Rejected, "skewed": w.Skewed,
	}
	var all []saying
	for kind, count := range counts {
		if count == 0 {
			continue
		}
		said, err := d.ask.names(ctx, w, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, said...)
	}
	return all, nil
}

// remember keeps the states for the outcome and returns the windows and edges without a decision.
func (d *demo) remember(rows []api.Window, from, to time.Time) []string {
	found := map[string]string{}
	for _, w := range rows {
		found[w.Start.UTC().Format(time.RFC3339)+" "+w.Edge] = w.State
	}
	var undecided []string
	for start := from; start.Before(to); start = start.Add(windowLength) {
		name := start.Format(time.RFC3339)
		d.states[name] = map[string]string{}
		for _, edge := range []string{edgeRelay, edgeSink} {
			state := found[name+" "+edge]
			if state == "" {
				state = "absent"
			}
			d.states[name][edge] = state
			if state != "complete" && state != "incomplete" {
				undecided = append(undecided, fmt.Sprintf("%s %s is %s", name, edge, state))
			}
		}
	}
	return undecided
}
