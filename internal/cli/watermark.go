package cli

import (
	"net/url"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type watermark struct {
	Stream  string `arg:"" help:"The stream."`
	Hop     string `help:"Only up to this hop; all required edges when not given." placeholder:"HOP"`
	History bool   `help:"How it moved, and why it stepped back, instead of where it stands."`
	span
}

// Run says up to when every window is good, or how that moved; the answer is bad where a window that is incomplete or unknown holds it.
func (c *watermark) Run(s *session) error {
	path := "/streams/" + url.PathEscape(c.Stream) + "/watermark"
	query, err := c.query()
	switch {
	case err != nil:
		return err
	case c.History && c.Hop != "":
		return wrongUse("--hop and --history exclude each other: the history is that of all required edges")
	case c.History:
		return c.history(s, path+"/history", query)
	case len(query) > 0:
		return wrongUse("--from and --to belong to --history")
	}
	if c.Hop != "" {
		query.Set("hop", c.Hop)
	}
	raw, mark, err := one[api.Watermark](s, path, query)
	if err != nil {
		return err
	}
	if err := answerWith(s, raw, c.print(s)); err != nil {
		return err
	}
	return badWhen(mark.BlockedBy != nil && badState(mark.BlockedBy.State))
}

func (c *watermark) print(s *session) func(api.Watermark) error {
	return func(mark api.Watermark) error {
		if mark.Watermark == nil {
			return s.say("No window of %s is known yet.", c.Stream)
		}
		if b := mark.BlockedBy; b != nil {
			return s.say("%s is complete, or waived, until %s; window %s is %s on %s%s.", c.Stream, instant(*mark.Watermark), instant(b.Window), b.State, b.Edge, firstReason(b))
		}
		return s.say("%s is complete, or waived, until %s.", c.Stream, instant(*mark.Watermark))
	}
}

func firstReason(b *api.Blocked) string {
	if len(b.Reasons) == 0 {
		return ""
	}
	return ": " + b.Reasons[0].Text
}

func (c *watermark) history(s *session, path string, query url.Values) error {
	raw, rows, err := all[api.WatermarkMove](s, path, query)
	if err != nil {
		return err
	}
	if s.asJSON {
		return s.printList(raw)
	}
	if len(rows) == 0 {
		return s.say("The watermark of %s did not move in that time.", c.Stream)
	}
	t := newTable("AT", "WATERMARK", "BY", "WHY", "BEFORE")
	for _, m := range rows {
		by, before := "-", "-"
		if m.Previous != nil {
			by = m.Watermark.Sub(*m.Previous).Round(time.Second).String()
		}
		if b := m.BlockedBy; b != nil {
			before = b.Edge + " " + instant(b.Window) + " " + b.State
		}
		t.add(instant(m.At), instant(m.Watermark), by, m.Reason, before)
	}
	return t.print(s.env.Stdout)
}
