package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type closing struct {
	Emitter closeEmitter `cmd:"" help:"Close an instance of a hop."`
	Source  closeSource  `cmd:"" help:"Close a source that no first hop ever reported."`
	Lane    closeLane    `cmd:"" help:"Close a lane (a partition) of a hop."`
}

// reasons say from when on the thing is closed, and why; who is known from the token.
type reasons struct {
	At  when   `help:"Windows from this instant on are not held; now when not given." placeholder:"INSTANT"`
	Why string `required:"" help:"Why it is closed: read by whoever asks later." placeholder:"TEXT"`
}

type closeEmitter struct {
	Stream string `arg:"" help:"The stream."`
	ID     string `arg:"" name:"id" help:"The emitter's id, as in the evidence of a window."`
	reasons
}

// Run closes an emitter.
func (c *closeEmitter) Run(s *session) error {
	return c.send(s, c.Stream, "/emitters/"+url.PathEscape(c.ID), "emitter "+c.ID, api.CloseRequest{})
}

type closeSource struct {
	Stream string `arg:"" help:"The stream."`
	ID     string `arg:"" name:"id" help:"The source's id."`
	reasons
}

// Run closes a source.
func (c *closeSource) Run(s *session) error {
	return c.send(s, c.Stream, "/sources/"+url.PathEscape(c.ID), "source "+c.ID, api.CloseRequest{})
}

type closeLane struct {
	Stream string `arg:"" help:"The stream."`
	Hop    string `arg:"" help:"The hop."`
	Lane   string `arg:"" help:"The lane, as orders/0."`
	reasons
}

// Run closes a lane.
func (c *closeLane) Run(s *session) error {
	return c.send(s, c.Stream, "/lanes", fmt.Sprintf("lane %s of %s", c.Lane, c.Hop), api.CloseRequest{Hop: c.Hop, Lane: c.Lane})
}

func (r *reasons) send(s *session, stream, thing, words string, request api.CloseRequest) error {
	request.At, request.Why = r.At.Time, r.Why
	if request.At.IsZero() {
		request.At = time.Now().UTC().Truncate(time.Millisecond)
	}
	body, err := json.Marshal(request)
	if err != nil {
		return wrongUse("the request to close %s cannot be written: %w", words, err)
	}
	var answer json.RawMessage
	if err := s.ask.post(s.ctx, "/streams/"+url.PathEscape(stream)+thing+"/close", "application/json", body, &answer); err != nil {
		return err
	}
	if s.asJSON {
		return s.printClosed(answer, request)
	}
	return s.say("Closed %s of stream %s: windows from %s on are not held by it.", words, stream, request.At.Format(time.RFC3339Nano))
}

// printClosed prints the server's answer, or what was asked where the server says nothing more.
func (s *session) printClosed(answer json.RawMessage, request api.CloseRequest) error {
	if len(answer) > 0 {
		return s.printJSON(answer)
	}
	return s.printJSON(request)
}
