package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type incidents struct {
	ID     string `arg:"" optional:"" name:"id" help:"This one, with what its events have in common and what happened; absent: a list."`
	Stream string `help:"Only this stream." placeholder:"NAME"`
	State  string `default:"open" enum:"open,resolved,all" help:"Which: ${enum}." placeholder:"STATE"`
}

// Run lists incidents, or shows one; the answer is bad when one is open.
func (c *incidents) Run(s *session) error {
	if c.ID != "" {
		return s.showIncident(c.ID)
	}
	query := url.Values{}
	if c.Stream != "" {
		query.Set("stream", c.Stream)
	}
	if c.State != "all" {
		query.Set("state", c.State)
	}
	raw, rows, err := all[api.Incident](s, "/incidents", query)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printList(raw)
	} else {
		err = s.printIncidents(rows)
	}
	if err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(rows, func(i api.Incident) bool { return i.State == "open" }))
}

func (s *session) printIncidents(rows []api.Incident) error {
	if len(rows) == 0 {
		return s.say("No incident.")
	}
	t := newTable("ID", "STATE", "SINCE", ">WINDOWS", ">BAD", "LOOKED AFTER BY", "WHAT")
	for _, i := range rows {
		state := i.State
		if i.Muted {
			state += ", muted"
		}
		t.add(i.ID, state, instant(i.Since), i.Windows, i.Bad, firstOf(i.AckedBy, "-"), i.Text)
	}
	return t.print(s.env.Stdout)
}

// showIncident prints one incident.
func (s *session) showIncident(id string) error {
	var raw json.RawMessage
	if err := s.ask.get(s.ctx, "/incidents/"+url.PathEscape(id), nil, &raw); err != nil {
		return err
	}
	var open bool
	err := answerWith(s, raw, func(i api.IncidentDetail) error { open = i.State == "open"; return s.printIncident(&i) })
	if err == nil && s.asJSON {
		var i api.Incident
		if err = json.Unmarshal(raw, &i); err != nil {
			return cannotAsk("the answer is not of the expected shape: %w", err)
		}
		open = i.State == "open"
	}
	if err != nil {
		return err
	}
	return badWhen(open)
}

// printIncident says what is wrong, why most likely, what it touches and what happened, each in a few lines.
func (s *session) printIncident(i *api.IncidentDetail) error {
	standing := fmt.Sprintf("%s since %s", i.State, instant(i.Since))
	if i.Cause != "revoked" { // that is of an hour and counts no windows
		standing += fmt.Sprintf("; %d of %d windows are bad", i.Bad, i.Windows)
	}
	lines := []string{i.Text, standing}
	if i.AckedBy != "" {
		lines = append(lines, i.AckedBy+" looks after it")
	}
	if i.Muted {
		lines = append(lines, "muted: nobody is called")
	}
	if i.Quiet {
		lines = append(lines, "nobody is called yet: it is called of when it lasts")
	}
	for _, h := range i.Hints {
		lines = append(lines, "hint: "+h.Evidence)
	}
	lines = append(lines, "hours: "+strings.Join(i.Hours, " "))
	if len(i.Hops) > 0 {
		lines = append(lines, "later hops: "+strings.Join(i.Hops, " "))
	}
	for _, line := range lines {
		if err := s.say("%s", line); err != nil {
			return err
		}
	}
	t := newTable("AT", "WHAT", "WHO", "TEXT")
	for _, step := range i.Timeline {
		t.add(instant(step.At), step.What, firstOf(step.Who, "-"), firstOf(step.Text, "-"))
	}
	return t.print(s.env.Stdout)
}

type ack struct {
	ID   string `arg:"" name:"id" help:"The incident's id."`
	Note string `help:"A word for others." placeholder:"TEXT"`
}

// Run says that the caller looks after an incident.
func (c *ack) Run(s *session) error {
	body, err := json.Marshal(api.AckRequest{Note: c.Note})
	if err != nil {
		return wrongUse("the note cannot be written: %w", err)
	}
	var raw json.RawMessage
	if err := s.ask.post(s.ctx, "/incidents/"+url.PathEscape(c.ID)+"/ack", "application/json", body, &raw); err != nil {
		return err
	}
	return answerWith(s, raw, func(i api.Incident) error { return s.say("%s looks after it: %s", i.AckedBy, i.Text) })
}

// answerWith prints an answer as it came, or decoded in words.
func answerWith[T any](s *session, raw json.RawMessage, words func(T) error) error {
	if s.asJSON {
		return s.printJSON(raw)
	}
	var out T
	if err := json.Unmarshal(raw, &out); err != nil {
		return cannotAsk("the answer is not of the expected shape: %w", err)
	}
	return words(out)
}

type silence struct {
	Add  silenceAdd  `cmd:"" help:"Mute notifications until an instant. Nothing is hidden by it."`
	List silenceList `cmd:"" help:"List the silences that have not ended."`
	End  silenceEnd  `cmd:"" help:"End a silence now."`
}

type silenceAdd struct {
	Stream string        `help:"Only this stream." placeholder:"NAME"`
	Edge   string        `help:"Only this edge, as app..agent." placeholder:"A..B"`
	From   when          `help:"From when on; now when not given." placeholder:"INSTANT"`
	Until  when          `xor:"end" help:"Until when." placeholder:"INSTANT"`
	For    time.Duration `xor:"end" help:"For how long, as 2h, instead." placeholder:"DURATION"`
	Reason string        `required:"" help:"Why: read by who wonders that nobody was called." placeholder:"TEXT"`
}

// Run makes a silence.
func (c *silenceAdd) Run(s *session) error {
	request := api.SilenceRequest{Stream: c.Stream, Edge: c.Edge, Reason: c.Reason}
	from, end := time.Now().UTC(), c.Until.Time
	if !c.From.IsZero() {
		from = c.From.Time
		request.Start = &from
	}
	switch {
	case c.For < 0, c.For == 0 && end.IsZero():
		return wrongUse("a silence ends: give --for or --until")
	case c.For > 0:
		end = from.Add(c.For).Truncate(time.Second)
	}
	request.End = &end
	body, err := json.Marshal(request)
	if err != nil {
		return wrongUse("the silence cannot be written: %w", err)
	}
	var raw json.RawMessage
	if err := s.ask.post(s.ctx, "/silences", "application/json", body, &raw); err != nil {
		return err
	}
	return answerWith(s, raw, func(v api.Silence) error {
		return s.say("Silence %s: nobody is called of %s until %s.", v.ID, silenced(v), instant(v.End))
	})
}

func silenced(v api.Silence) string {
	what := firstOf(v.Stream, "every stream")
	if v.Edge != "" {
		what += " " + v.Edge
	}
	return what
}

type silenceList struct{}

// Run lists silences.
func (silenceList) Run(s *session) error {
	raw, rows, err := all[api.Silence](s, "/silences", nil)
	if err != nil {
		return err
	}
	if s.asJSON {
		return s.printList(raw)
	}
	if len(rows) == 0 {
		return s.say("No silence.")
	}
	t := newTable("ID", "WHAT", "FROM", "UNTIL", "BY", "WHY")
	for _, v := range rows {
		t.add(v.ID, silenced(v), instant(v.Start), instant(v.End), v.Author, v.Reason)
	}
	return t.print(s.env.Stdout)
}

type silenceEnd struct {
	ID string `arg:"" name:"id" help:"The silence's id."`
}

// Run ends a silence.
func (c *silenceEnd) Run(s *session) error {
	var raw json.RawMessage
	if err := s.ask.do(s.ctx, http.MethodDelete, "/silences/"+url.PathEscape(c.ID), "", nil, &raw); err != nil {
		return err
	}
	return answerWith(s, raw, func(v api.Silence) error { return s.say("Silence %s of %s has ended.", v.ID, silenced(v)) })
}
