package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type waive struct {
	Add  waiveAdd  `cmd:"" default:"withargs" help:"Waive what is bad in an hour on an edge, by name."`
	List waiveList `cmd:"" help:"List what was waived, by whom and why."`
}

type waiveAdd struct {
	Stream   string   `arg:"" help:"The stream."`
	Hour     hour     `arg:"" help:"The hour in UTC, as 2026-11-22T05."`
	Edge     string   `required:"" help:"The edge, as app..agent." placeholder:"A..B"`
	Kind     string   `required:"" enum:"lost,corrupt,rejected,duplicated,unplaced,unknown,no-traffic" help:"What is waived: ${enum}; unknown is what holds the windows that are unknown." placeholder:"KIND"`
	UID      []string `name:"uid" help:"An event; may be given more than once." placeholder:"UID"`
	UIDsFrom string   `name:"uids-from" help:"File with one UID a line; - reads standard input." placeholder:"FILE"`
	All      bool     `help:"All that is of the kind now. What is found later is not covered."`
	Emitter  string   `help:"Of unknown: the emitter that holds the windows." placeholder:"ID"`
	Reason   string   `required:"" help:"Why: read by whoever asks later." placeholder:"TEXT"`
	Ticket   string   `help:"Where more is written." placeholder:"TEXT"`
}

// Run waives and says what is covered; the answer is bad where UIDs are not of the kind.
func (c *waiveAdd) Run(s *session) error {
	request := api.WaiverRequest{Edge: c.Edge, Kind: c.Kind, UIDs: c.UID, All: c.All, Emitter: c.Emitter, Reason: c.Reason, Ticket: c.Ticket}
	if c.UIDsFrom != "" {
		more, err := readLines(s, c.UIDsFrom)
		if err != nil {
			return err
		}
		request.UIDs = append(request.UIDs, more...)
	}
	body, err := json.Marshal(request)
	if err != nil {
		return wrongUse("the waiver cannot be written: %w", err)
	}
	var raw json.RawMessage
	path := "/streams/" + url.PathEscape(c.Stream) + "/hours/" + url.PathEscape(string(c.Hour)) + "/waivers"
	if err := s.ask.post(s.ctx, path, typeJSON, body, &raw); err != nil {
		if status(err) == http.StatusUnprocessableEntity {
			return badAnswer("%w", err)
		}
		return err
	}
	return answerWith(s, raw, s.printWaived)
}

func (s *session) printWaived(w api.Waiver) error {
	what := plural(w.Count, w.Kind+" event", w.Kind+" events")
	switch w.Kind {
	case "unknown":
		what = plural(w.Count, "holder", "holders") + " of unknown windows"
	case "no-traffic":
		what = "no event"
	}
	return s.say("Waived in %s, hour %s, edge %s: %s in %s, by %s: %s", w.Stream, w.Hour, w.Edge, what,
		plural(uint64(len(w.Windows)), "window", "windows"), w.Who, w.Reason)
}

// readLines reads the lines of a file, or of standard input, but for empty ones.
func readLines(s *session, name string) ([]string, error) {
	from := s.env.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, wrongUse("read the UIDs: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, 16<<20))
	if err != nil {
		return nil, wrongUse("read the UIDs: %w", err)
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 {
		return nil, wrongUse("%s names no UID", name)
	}
	return lines, nil
}

// hour is an hour in UTC on the command line.
type hour string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hour) UnmarshalText(text []byte) error {
	if _, err := time.Parse("2006-01-02T15", string(text)); err != nil {
		return errors.New("not an hour in UTC: write 2026-11-22T05")
	}
	*h = hour(text)
	return nil
}

type waiveList struct {
	Stream string `arg:"" help:"The stream."`
	Hour   hour   `arg:"" optional:"" help:"Only this hour, as 2026-11-22T05."`
}

// Run lists waivers.
func (c *waiveList) Run(s *session) error {
	path := "/streams/" + url.PathEscape(c.Stream)
	if c.Hour != "" {
		path += "/hours/" + url.PathEscape(string(c.Hour))
	}
	raw, rows, err := all[api.Waiver](s, path+"/waivers", nil)
	if err != nil {
		return err
	}
	if s.asJSON {
		return s.printList(raw)
	}
	if len(rows) == 0 {
		return s.say("Nothing of %s was waived.", c.Stream)
	}
	t := newTable("HOUR", "EDGE", "KIND", ">COUNT", ">WINDOWS", "WHO", "MADE AT", "REASON")
	for _, w := range rows {
		reason := w.Reason
		if w.Ticket != "" {
			reason = fmt.Sprintf("%s (%s)", reason, w.Ticket)
		}
		t.add(w.Hour, w.Edge, w.Kind, w.Count, len(w.Windows), w.Who, instant(w.MadeAt), reason)
	}
	return t.print(s.env.Stdout)
}
