package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

// notArrived stands where a figure is of an event that has not arrived.
const notArrived = "not arrived"

type latencies struct {
	Stream string `arg:"" help:"The stream."`
	span
	Edge string `help:"Only this edge, as app..agent; every edge and hop when not given." placeholder:"A..B"`
}

// latencyAnswer is api.LatencyPage with its pages joined, for programs as the server wrote them.
type latencyAnswer struct {
	Items     []json.RawMessage `json:"items"`
	Whole     json.RawMessage   `json:"whole,omitempty"`
	Freshness json.RawMessage   `json:"freshness,omitempty"`
	Clocks    json.RawMessage   `json:"clocks,omitempty"`
}

// Run tells the latency of the windows and of all of them. It is a measurement, so that no answer is bad.
func (l *latencies) Run(s *session) error {
	query, err := l.query()
	if err != nil {
		return err
	}
	if l.Edge != "" {
		query.Set("edge", l.Edge)
	}
	raw, err := s.latencies("/streams/"+url.PathEscape(l.Stream)+"/latency", query)
	if err != nil {
		return err
	}
	if s.asJSON {
		return s.printJSON(raw)
	}
	var told api.LatencyPage
	text, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(text, &told)
	}
	if err != nil {
		return cannotAsk("GET /streams/%s/latency: the answer is not of the expected shape: %w", l.Stream, err)
	}
	return l.print(s, told)
}

func (s *session) latencies(path string, query url.Values) (latencyAnswer, error) {
	all := latencyAnswer{Items: []json.RawMessage{}}
	type page struct {
		latencyAnswer
		Next string `json:"next"`
	}
	err := eachPage(s.ctx, s.ask, path, query, func(p page) string {
		p.Items = append(all.Items, p.Items...)
		if len(all.Whole) > 0 { // only the first page has more than rows
			p.Whole, p.Freshness, p.Clocks = all.Whole, all.Freshness, all.Clocks
		}
		all = p.latencyAnswer
		return p.Next
	})
	return all, err
}

func (l *latencies) print(s *session, told api.LatencyPage) error {
	if len(told.Items) == 0 {
		if err := s.say("No latency of %s was measured in that time, and nothing is missing.", l.Stream); err != nil {
			return err
		}
		return s.sayBeside(told)
	}
	t := newTable("START", "OF", ">P50 MS", ">P95 MS", ">P99 MS", ">MAX MS", ">MEASURED", ">NOT ARRIVED", ">NEGATIVE")
	for _, r := range told.Items {
		t.add(latencyRow(instant(r.Start), r.LatencyOf)...)
	}
	for _, r := range told.Whole {
		t.add(latencyRow("all", r.LatencyOf)...)
	}
	if err := t.print(s.env.Stdout); err != nil {
		return err
	}
	if err := s.sayError(told.Whole); err != nil {
		return err
	}
	if err := s.sayLimits(told.Whole); err != nil {
		return err
	}
	return s.sayBeside(told)
}

func latencyRow(start string, of api.LatencyOf) []any {
	missing := fmt.Sprint(of.NotArrived)
	if of.NotArrivedAtMost {
		missing = "at most " + missing
	}
	return []any{start, latencyName(of), figure(of.P50), figure(of.P95), figure(of.P99), figure(of.Max), of.Measured, missing, of.Negative}
}

func latencyName(of api.LatencyOf) string {
	switch {
	case of.Edge != "":
		return of.Edge
	case of.EndToEnd:
		return "end to end " + of.Hop
	}
	return "hop " + of.Hop
}

// figure is the upper bound of a quantile, to about three digits: more would say more than is known.
func figure(q *api.Quantile) string {
	switch {
	case q == nil || !q.NotArrived && q.Upper == nil:
		return "-"
	case q.NotArrived:
		return notArrived
	case *q.Upper >= 1000 && *q.Upper < 1e12:
		return fmt.Sprintf("%.0f", *q.Upper)
	}
	return fmt.Sprintf("%.3g", *q.Upper)
}

// sayError says how exact the figures are, by the least exact of them.
func (s *session) sayError(whole []api.LatencyWhole) error {
	most := 0.0
	for _, of := range whole {
		most = max(most, of.RelativeError)
	}
	if most > 1 {
		return s.say("Since production; a figure is at most %.3g times the true one.", 1+most)
	}
	return s.say("Since production; a figure is at most %.3g %% above the true one.", 100*most)
}

// sayLimits says what the figures are not: of all windows, of every event, of one edge alone.
func (s *session) sayLimits(whole []api.LatencyWhole) error {
	for _, w := range whole {
		if w.NotClosed > 0 {
			text := fmt.Sprintf("%s: %d of %s not closed", latencyName(w.LatencyOf), w.NotClosed, plural(w.Windows, "window", "windows"))
			if w.Unknown > 0 {
				text += fmt.Sprintf(", %d unknown", w.Unknown)
			}
			if err := s.say("%s; what is told of them may change.", text); err != nil {
				return err
			}
		}
		if w.Untold > 0 {
			if err := s.say("%s: %s arrived of which no hop told when.", latencyName(w.LatencyOf), plural(w.Untold, "event", "events")); err != nil {
				return err
			}
		}
		if w.OfHop {
			if err := s.say("%s: the latencies are of all that %s took over, by this edge and others; what has not arrived is of this edge.", w.Edge, w.Hop); err != nil {
				return err
			}
		}
	}
	return nil
}

// sayBeside tells how fresh the edges are, and which clocks are skewed.
func (s *session) sayBeside(told api.LatencyPage) error {
	for _, f := range told.Freshness {
		if f.NothingSince != nil {
			if err := s.say("Nothing delivered on %s since %s at least.", f.Edge, instant(*f.NothingSince)); err != nil {
				return err
			}
			continue
		}
		if err := s.say("Newest delivered on %s: produced at most %s ago.", f.Edge, age(f.AgeMillis)); err != nil {
			return err
		}
	}
	for _, c := range told.Clocks {
		if told := clock(c); told != "" {
			if err := s.say("%s", told); err != nil {
				return err
			}
		}
	}
	return nil
}

// worthTelling is how far a clock may seem to be off, in ms, before a person hears of it: a report is on its way as long as that.
const worthTelling = 2000

// clock says what is wrong with a clock; empty where nothing is known to be.
func clock(c api.Clock) string {
	var said []string
	if c.Negative > 0 {
		said = append(said, fmt.Sprintf("took over %s before production", plural(c.Negative, "event", "events")))
	}
	lowest := c.AtLeastAhead
	if c.Lowest != nil {
		lowest = c.Lowest
	}
	if a := c.AtLeastAhead; a != nil && *a > 0 {
		said = append(said, fmt.Sprintf("its clock is at least %s ahead of the server's", age(*a)))
	}
	if b := lowest; b != nil && (*b < -worthTelling || *b < 0 && c.Negative > 0) {
		said = append(said, fmt.Sprintf("its clock is at most %s behind the server's", age(-*b)))
	}
	if len(said) == 0 {
		return ""
	}
	return fmt.Sprintf("Host %s: %s.", firstOf(c.Host, "(not named)"), strings.Join(said, "; "))
}

func age(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
