package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// heldHints says what holds windows that are not closed: an emitter's spool, a dark or slow emitter, a lane.
func (r *Reader) heldHints(ctx context.Context, i *store.Incident, verdicts []store.Verdict, now time.Time) ([]store.Hint, error) {
	if i.Cause != store.CauseDelayed && i.Cause != store.CauseUnknown {
		return nil, nil
	}
	found, err := r.store.EmittersSince(ctx, []string{i.Stream}, now.Add(-hintSpool))
	if err != nil {
		return nil, err
	}
	emitters := found[i.Stream]
	return append(spoolHints(emitters), reasonHints(verdicts, emitters)...), nil
}

// hintSpool is how far back emitters that closed meanwhile are still asked what they hold.
const hintSpool = 10 * time.Minute

// spoolHints says who holds the events that were not handed on, by their last reports.
func spoolHints(emitters []store.Emitter) []store.Hint {
	var all uint64
	for n := range emitters {
		all += emitters[n].SpoolEvents
	}
	var hints []store.Hint
	for n := range emitters {
		e := &emitters[n]
		if e.SpoolEvents == 0 {
			continue
		}
		name := onHost(e.Hop, e.Host, e.ID.String())
		hints = append(hints, store.Hint{
			Kind: "emitter", Name: e.ID.String(), Events: e.SpoolEvents, Of: all, Short: name + " holds them",
			Evidence: fmt.Sprintf("%s holds %s of the %s events that are spooled", name, number(e.SpoolEvents), number(all)),
		})
	}
	return hints
}

func onHost(hop, host, otherwise string) string {
	if host != "" {
		return hop + " on " + host
	}
	return hop + " " + otherwise
}

// reasonHints says which emitters and lanes hold the windows, out of how many of their hop there are.
func reasonHints(verdicts []store.Verdict, emitters []store.Emitter) []store.Hint {
	of := map[string]int{}
	for n := range emitters {
		if emitters[n].ClosedAt.IsZero() && emitters[n].EndedAt.IsZero() {
			of[emitters[n].Hop]++
		}
	}
	named := map[[3]string]uint64{} // hop, emitter or lane, and how it is called
	var all uint64
	for n := range verdicts {
		for _, r := range verdicts[n].Reasons {
			switch {
			case r.Emitter != "":
				named[[3]string{r.Hop, r.Emitter, onHost(r.Hop, r.Host, r.Emitter) + doing(r.Code)}]++
			case r.Lane != "":
				named[[3]string{r.Hop, "", "partition " + r.Lane + " of " + r.Hop + doing(r.Code)}]++
			default:
				continue
			}
			all++
		}
	}
	var hints []store.Hint
	for key, times := range named {
		h := store.Hint{Kind: "emitter", Name: key[1], Events: times, Of: all, Short: key[2]}
		if key[1] == "" {
			h.Kind, h.Name = "lane", key[2]
		}
		h.Evidence = fmt.Sprintf("%s: it is %s of the %s reasons why the windows are open", key[2], number(times), number(all))
		if peers := of[key[0]]; h.Kind == "emitter" && peers > 0 {
			h.Share = 1 / float64(peers+1)
			h.Evidence += fmt.Sprintf(", and one of %s instances of %s", number(uint64(peers)), key[0])
		}
		hints = append(hints, h)
	}
	return hints
}

// doing says in words what the code of a reason says of a lane.
func doing(code string) string {
	switch code {
	case "emitter-dark", "lane-dark":
		return " is dark"
	case "report-missing":
		return " misses a report"
	}
	return " is behind"
}
