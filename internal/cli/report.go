package cli

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
)

const (
	typeJSON     = "application/json"
	typeProtobuf = "application/protobuf"
)

type report struct {
	File  string `arg:"" help:"Report file, JSON or protobuf; - reads standard input." placeholder:"FILE"`
	Check bool   `help:"Only say what is wrong with it; ask no server."`
	Epoch uint32 `help:"Send the reports under this epoch, as those of a declared replay; as they are when not given." placeholder:"N"`
}

// Run checks a report file as the server would and sends it. The answer is bad when the file is, or
// when the server refuses it.
func (r *report) Run(s *session) error {
	body, err := r.read(s)
	if err != nil {
		return err
	}
	batch, contentType, err := decode(body)
	if err == nil && r.Epoch > 0 {
		contentType = typeProtobuf
		body, err = replayed(&batch, r.Epoch)
	}
	if err == nil {
		err = wire.Validate(batch, wire.DefaultLimits(), time.Now())
	}
	if err != nil {
		return r.faulty(s, err)
	}
	if r.Check {
		return s.printAccepted(api.Accepted{Accepted: len(batch.Reports)}, "%s good; nothing was sent.")
	}
	var answer api.Accepted
	if err := s.ask.post(s.ctx, "/reports", contentType, body, &answer); err != nil {
		return refusedReport(err)
	}
	return s.printAccepted(answer, "%s stored.")
}

// read reads the file, or standard input.
func (r *report) read(s *session) ([]byte, error) {
	from := s.env.Stdin
	if r.File != "-" {
		file, err := os.Open(r.File)
		if err != nil {
			return nil, wrongUse("read the report: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	most := wire.DefaultLimits().Request
	body, err := io.ReadAll(io.LimitReader(from, int64(most)+1)) // one byte more: the decoder names the limit
	if err != nil {
		return nil, wrongUse("read the report: %w", err)
	}
	return body, nil
}

// decode reads JSON where the first character begins JSON, else protobuf.
func decode(body []byte) (wire.Batch, string, error) {
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) == 0 || text[0] == '{' || text[0] == '[' || text[0] == '"' {
		batch, err := wire.DecodeJSON(body, wire.DefaultLimits())
		return batch, typeJSON, err
	}
	batch, err := wire.DecodeProto(body, wire.DefaultLimits())
	return batch, typeProtobuf, err
}

// replayed puts the reports under an epoch and encodes them anew.
func replayed(batch *wire.Batch, epoch uint32) ([]byte, error) {
	for i := range batch.Reports {
		batch.Reports[i].Epoch = epoch
	}
	return wire.EncodeProto(*batch)
}

// faulty tells every fault at its path, as problem details for a program.
func (r *report) faulty(s *session, err error) error {
	problem := api.Problem{Title: "Bad Request", Status: http.StatusBadRequest, Detail: "the report is wrong; it was not sent"}
	var faults wire.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			problem.Errors = append(problem.Errors, api.Fault{Path: f.Path, Message: f.Message})
		}
	} else {
		problem.Errors = []api.Fault{{Message: err.Error()}}
	}
	if s.asJSON {
		if err := s.printJSON(problem); err != nil {
			return err
		}
		return badWhen(true)
	}
	var text strings.Builder
	for _, f := range problem.Errors {
		text.WriteString("\n  " + firstOf(f.Path, "(the whole)") + ": " + f.Message)
	}
	return badAnswer("%s is not a report that can be taken; it was not sent:%s", r.name(), text.String())
}

func (r *report) name() string {
	if r.File == "-" {
		return "standard input"
	}
	return r.File
}

// refusedReport makes the refusal of the report itself a bad answer.
func refusedReport(err error) error {
	switch status(err) {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return badAnswer("%w", err)
	}
	return err
}

func (s *session) printAccepted(answer api.Accepted, words string) error {
	if s.asJSON {
		return s.printJSON(answer)
	}
	return s.say(words, plural(uint64(answer.Accepted), "report", "reports"))
}
