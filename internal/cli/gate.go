package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// How an hour answers a gate or a request for its certificate.
const (
	certified    = "certified"
	notCertified = "not yet"
	notGood      = "not good"
	gone         = "revoked"
)

// hourAnswer is what became of one hour.
type hourAnswer struct {
	Stream string          `json:"stream"`
	Hour   string          `json:"hour"`
	Answer string          `json:"answer"` // certified, not yet, not good, revoked
	Number uint64          `json:"number,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Cert   json.RawMessage `json:"certificate,omitempty"`
}

type certify struct {
	Stream string `arg:"" help:"The stream."`
	hourSpan
	Out string `type:"path" help:"Write the certificate of the hour into this file." placeholder:"FILE"`
}

// Run certifies hours; the answer is bad where one of them cannot be.
func (c *certify) Run(s *session) error {
	hours, err := c.list()
	if err != nil {
		return err
	}
	if c.Out != "" && len(hours) > 1 {
		return wrongUse("--out takes the certificate of one hour; %d are asked for", len(hours))
	}
	var all []hourAnswer
	for _, hour := range hours {
		var envelope json.RawMessage
		err := s.ask.post(s.ctx, hourPath(c.Stream, hour, "certificate"), typeJSON, nil, &envelope)
		one, err := answerOf(c.Stream, hour, envelope, err)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	if c.Out != "" && all[0].Answer == certified {
		if err := os.WriteFile(c.Out, append(all[0].Cert, '\n'), 0o644); err != nil { //nolint:gosec // a certificate is for everybody
			return cannotAsk("write the certificate: %w", err)
		}
	}
	return s.tellHours(all)
}

type gate struct {
	Stream string `arg:"" help:"The stream."`
	hourSpan
	Wait     time.Duration `help:"Wait so long for all hours to be certified; 0 asks once." placeholder:"DURATION"`
	Every    time.Duration `default:"10s" help:"How often to ask while waiting." placeholder:"DURATION"`
	FailFast bool          `name:"fail-fast" help:"Do not wait for an hour that is incomplete, unknown or revoked: late data, a replay or a waiver may yet mend it."`
}

// Run waits until all hours are certified; the answer is bad where they are not in time.
func (g *gate) Run(s *session) error {
	hours, err := g.list()
	if err != nil {
		return err
	}
	if g.Wait < 0 || g.Every < time.Second {
		return wrongUse("--wait must not be negative, and --every must be 1s or more")
	}
	answers := make([]hourAnswer, len(hours))
	end := time.Now().Add(g.Wait)
	for {
		open, err := g.ask(s, hours, answers)
		left := time.Until(end)
		if err != nil && (left <= 0 || !passing(err)) {
			return err
		}
		if err == nil && (open == 0 || left <= 0 || g.FailFast && hopeless(answers)) {
			return s.tellHours(answers)
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(min(g.Every, max(left, 0))):
		}
	}
}

// ask asks for all hours, since one may have been revoked while others were waited for, and returns how many are not certified.
func (g *gate) ask(s *session, hours []string, answers []hourAnswer) (open int, err error) {
	for i, hour := range hours {
		var envelope json.RawMessage
		err := s.ask.get(s.ctx, hourPath(g.Stream, hour, "certificate"), nil, &envelope)
		if answers[i], err = answerOf(g.Stream, hour, envelope, err); err != nil {
			return 0, err
		}
		if answers[i].Answer != certified {
			open++
		}
	}
	return open, nil
}

// passing says whether it may be worth to ask again: the server could not be asked, or could not answer. Who is not let in will not be later.
func passing(err error) bool {
	var f *failure
	refused := status(err) == http.StatusUnauthorized || status(err) == http.StatusForbidden
	return errors.As(err, &f) && f.code == CannotAsk && !refused
}

func hopeless(answers []hourAnswer) bool {
	for i := range answers {
		if answers[i].Answer == notGood || answers[i].Answer == gone {
			return true
		}
	}
	return false
}

// answerOf reads what the server says of one hour.
func answerOf(stream, hour string, envelope json.RawMessage, err error) (hourAnswer, error) {
	one := hourAnswer{Stream: stream, Hour: hour, Answer: certified, Cert: envelope}
	var refused *refusal
	if errors.As(err, &refused) {
		one.Reason = refused.problem.Detail
		switch refused.problem.Status {
		case http.StatusNotFound, http.StatusTooEarly:
			one.Answer = notCertified
			return one, nil
		case http.StatusConflict:
			one.Answer = notGood
			return one, nil
		case http.StatusGone:
			one.Answer = gone
			return one, nil
		}
	}
	if err != nil {
		return one, err
	}
	entry, err := certificate.Read(envelope)
	if err != nil {
		return one, cannotAsk("the certificate of hour %s of %s cannot be read: %w", hour, stream, err)
	}
	one.Number = entry.Number
	return one, nil
}

// tellHours prints the answers; the exit code is bad unless all are certified.
func (s *session) tellHours(all []hourAnswer) error {
	bad := 0
	t := newTable("STREAM", "HOUR", "ANSWER", ">ENTRY", "WHY")
	for _, one := range all {
		number := ""
		if one.Answer == certified {
			number = fmt.Sprint(one.Number)
		} else {
			bad++
		}
		t.add(one.Stream, one.Hour, one.Answer, number, one.Reason)
	}
	var err error
	if s.asJSON {
		err = s.printJSON(all)
	} else {
		err = t.print(s.env.Stdout)
	}
	if err != nil {
		return err
	}
	return badWhen(bad > 0)
}
