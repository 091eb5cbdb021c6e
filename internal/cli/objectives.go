package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type objectives struct {
	Stream string `arg:"" optional:"" help:"Only this stream; absent: every stream that has objectives."`
}

// Run lists how objectives stand; the answer is bad when the budget of one is used up or burns too fast.
func (c *objectives) Run(s *session) error {
	streams := []string{c.Stream}
	if c.Stream == "" {
		_, known, err := all[api.Stream](s, "/streams", nil)
		if err != nil {
			return err
		}
		streams = nil
		for _, one := range known {
			if one.Settings.Objectives != nil {
				streams = append(streams, one.Stream)
			}
		}
	}
	var raw []json.RawMessage
	var rows []api.Objective
	for _, stream := range streams {
		r, found, err := all[api.Objective](s, "/streams/"+url.PathEscape(stream)+"/objectives", nil)
		if err != nil {
			return err
		}
		raw, rows = append(raw, r...), append(rows, found...)
	}
	var err error
	if s.asJSON {
		err = s.printList(append([]json.RawMessage{}, raw...))
	} else {
		err = s.printObjectives(rows)
	}
	if err != nil {
		return err
	}
	bad := false
	for n := range rows {
		bad = bad || rows[n].BudgetLeft <= 0 || len(rows[n].Alarms) > 0
	}
	return badWhen(bad)
}

func (s *session) printObjectives(rows []api.Objective) error {
	if len(rows) == 0 {
		return s.say("No objective.")
	}
	t := newTable("STREAM", "OBJECTIVE", ">TARGET", ">EVENTS", ">BAD", ">MET BY", ">BUDGET LEFT", ">BURN 1 H", "ALARMS")
	for n := range rows {
		o := &rows[n]
		name := o.Objective
		if o.ThresholdMillis > 0 {
			name += " " + (time.Duration(o.ThresholdMillis) * time.Millisecond).String()
		}
		t.add(o.Stream, name, percentage(o.Target), o.Events, o.Bad, met(o.Share), left(o.BudgetLeft), hourBurn(o),
			firstOf(strings.Join(o.Alarms, "; "), "-"))
	}
	return t.print(s.env.Stdout)
}

// percentage writes a share with its digits, cut and never rounded up.
func percentage(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", float64(int64(share*1e6+1e-6))/1e4), "0"), ".") + " %"
}

// met is the share of the events that meet an objective, where there are events.
func met(share *float64) string {
	if share == nil {
		return "-"
	}
	return percentage(*share)
}

// left is what is left of a budget, to four digits, cut so that it is never all of it while something is used up.
func left(share float64) string {
	percent := 100 * share
	if percent < 0 || percent >= 100 {
		return fmt.Sprintf("%.4g %%", percent)
	}
	return fmt.Sprintf("%.4g %%", math.Floor(percent*100+1e-6)/100)
}

// hourBurn is how fast the budget is used up over the last hour.
func hourBurn(o *api.Objective) string {
	for _, b := range o.Burn {
		if b.SpanMillis == time.Hour.Milliseconds() {
			return fmt.Sprintf("%.3g", b.Rate)
		}
	}
	return "-"
}
