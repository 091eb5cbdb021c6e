package cli

import (
	"encoding/json"
	"net/url"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type epoch struct {
	Declare epochDeclare `cmd:"" help:"Declare a replay before it runs, and get the epoch it reports under."`
	List    epochList    `cmd:"" help:"List the declared replays of a stream."`
}

type epochDeclare struct {
	Stream string `arg:"" help:"The stream."`
	From   when   `required:"" help:"First window that is delivered again." placeholder:"INSTANT"`
	To     when   `required:"" help:"Instant before which to stop." placeholder:"INSTANT"`
	Why    string `required:"" help:"Why: read by whoever asks later." placeholder:"TEXT"`
}

// Run declares a replay.
func (c *epochDeclare) Run(s *session) error {
	body, err := json.Marshal(api.EpochRequest{From: c.From.Time, To: c.To.Time, Why: c.Why})
	if err != nil {
		return wrongUse("the request cannot be written: %w", err)
	}
	var raw json.RawMessage
	if err := s.ask.post(s.ctx, "/streams/"+url.PathEscape(c.Stream)+"/epochs", typeJSON, body, &raw); err != nil {
		return err
	}
	return answerWith(s, raw, func(e api.Epoch) error {
		return s.say("Epoch %d of stream %s is declared for windows from %s to %s: report the replay under it.", e.Epoch, c.Stream, instant(e.From), instant(e.To))
	})
}

type epochList struct {
	Stream string `arg:"" help:"The stream."`
}

// Run lists the declared replays.
func (c *epochList) Run(s *session) error {
	raw, rows, err := all[api.Epoch](s, "/streams/"+url.PathEscape(c.Stream)+"/epochs", nil)
	if err != nil {
		return err
	}
	if s.asJSON {
		return s.printList(raw)
	}
	if len(rows) == 0 {
		return s.say("No replay of %s was declared.", c.Stream)
	}
	t := newTable(">EPOCH", "FROM", "TO", "WHO", "MADE AT", "WHY")
	for _, e := range rows {
		t.add(e.Epoch, instant(e.From), instant(e.To), e.Who, instant(e.MadeAt), e.Why)
	}
	return t.print(s.env.Stdout)
}
