package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Handler answers POST /api/v1/reports: 200 with the number of reports when they are stored; else problem
// details (RFC 9457), with the path of each fault where the reports are at fault.
func (in *Intake) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := in.take(w, r)
		if err != nil {
			in.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, "application/json", map[string]int{"accepted": n})
	})
}

// take reads, checks and stores the reports of one request and returns how many they are.
func (in *Intake) take(w http.ResponseWriter, r *http.Request) (int, error) {
	form, ok := formatOf(r.Header.Get("Content-Type"))
	if !ok {
		return 0, told(http.StatusUnsupportedMediaType, reasonMediaType,
			"Content-Type %q is not taken; send application/protobuf or application/json", r.Header.Get("Content-Type"))
	}
	encoding, ok := encodingOf(r.Header)
	if !ok {
		return 0, told(http.StatusUnsupportedMediaType, reasonEncoding,
			"Content-Encoding %q is not taken; send one of gzip and zstd, once, or none", r.Header.Values("Content-Encoding"))
	}
	limits, err := in.limitsOf(r)
	if err != nil {
		return 0, err
	}
	held := in.claim()
	defer held.release()
	body, err := in.read(w, r, encoding, limits.Request, held)
	if err != nil {
		return 0, err
	}
	batch, err := in.decode(r.Context(), form, body, limits)
	if err != nil {
		return 0, err
	}
	if !held.grow(weigh(batch)) {
		return 0, ErrFull
	}
	n := len(batch.Reports)
	return n, in.submit(r.Context(), batch, held)
}

// submit stores a batch. The room it takes stays held until it is stored, also when its sender has gone, or was told to come again, meanwhile:
// so what waits stays bounded while the store hangs.
func (in *Intake) submit(ctx context.Context, batch wire.Batch, held *claim) error {
	request := in.newRequest(batch, held, viaHTTP)
	if err := in.offer(request); err != nil {
		request.held.release()
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, in.config.AnswerTimeout, ErrSlow)
	defer cancel()
	return in.answer(ctx, request)
}

func (in *Intake) limitsOf(r *http.Request) (wire.Limits, error) {
	limits := in.config.Limits
	for name, values := range r.URL.Query() {
		if name != "backfill" {
			return limits, told(http.StatusBadRequest, reasonInvalid, "query.%s: unknown parameter; this call has backfill", name)
		}
		wide, err := strconv.ParseBool(values[0])
		if err != nil {
			return limits, told(http.StatusBadRequest, reasonInvalid, "query.backfill: %q is neither true nor false", values[0])
		}
		if wide {
			limits.MaxAge = max(limits.MaxAge, in.config.BackfillAge)
		}
	}
	return limits, nil
}

func (in *Intake) read(w http.ResponseWriter, r *http.Request, encoding string, limit int, held *claim) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(in.config.BodyTimeout)) // not every writer can; the server's own timeout holds then
	if r.ContentLength > int64(limit) {
		_, _ = io.CopyN(io.Discard, r.Body, drainMost)
		return nil, errTooLarge
	}
	body, err := readBody(r.Body, encoding, limit, held.grow)
	if err != nil {
		_, _ = io.CopyN(io.Discard, r.Body, drainMost)
		return nil, err
	}
	_ = control.SetReadDeadline(time.Time{}) // waiting for the store is not the sender's slowness
	return body, nil
}

// decode reads and validates a body, few at once: unpacking rolls takes memory and time.
func (in *Intake) decode(ctx context.Context, form format, body []byte, limits wire.Limits) (wire.Batch, error) {
	select {
	case in.decoding <- struct{}{}:
		defer func() { <-in.decoding }()
	case <-ctx.Done():
		return wire.Batch{}, ctx.Err()
	}
	return decode(form, body, limits, in.Now())
}

// decode turns bytes into a batch that may be stored. Its error is a *Refusal.
func decode(form format, body []byte, limits wire.Limits, now time.Time) (wire.Batch, error) {
	read := wire.DecodeProto
	if form == jsonText {
		read = wire.DecodeJSON
	}
	batch, err := read(body, limits)
	if err != nil {
		return batch, refusalOf(err, reasonUnreadable)
	}
	if err := wire.Validate(batch, limits, now); err != nil {
		return batch, refusalOf(err, reasonInvalid)
	}
	return batch, nil
}

func refusalOf(err error, reason string) error {
	var faults wire.Faults
	if !errors.As(err, &faults) {
		faults = wire.Faults{{Message: err.Error()}}
	}
	return &Refusal{Faults: faults, reason: reason}
}

// answerError is an error with the answer it stands for.
type answerError struct {
	status int
	reason string
	detail string
}

func (e *answerError) Error() string { return e.detail }

func told(status int, reason, format string, args ...any) error {
	return &answerError{status, reason, fmt.Sprintf(format, args...)}
}

// answerOf is the one table from errors to answers.
func (in *Intake) answerOf(err error) *answerError {
	var answer *answerError
	var refusal *Refusal
	var encoding *encodingError
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &refusal):
		return &answerError{http.StatusBadRequest, refusal.reason, "the reports cannot be taken; none of this request was stored"}
	case errors.As(err, &encoding):
		return &answerError{http.StatusBadRequest, reasonUnreadable, encoding.Error()}
	case errors.Is(err, errTooLarge):
		return &answerError{http.StatusRequestEntityTooLarge, reasonTooLarge,
			fmt.Sprintf("the body is larger than %d bytes after decompression, the limit of a request", in.config.Limits.Request)}
	case errors.Is(err, ErrFull), errors.Is(err, errNoRoom):
		return &answerError{http.StatusTooManyRequests, reasonFull, ErrFull.Error() + "; send it again unchanged"}
	case errors.Is(err, ErrStopping):
		return &answerError{http.StatusServiceUnavailable, reasonStopping, ErrStopping.Error() + "; send it again unchanged"}
	case errors.Is(err, ErrSlow):
		return &answerError{http.StatusServiceUnavailable, reasonStoreSlow,
			fmt.Sprintf("the store has not answered within %s; the reports may be stored all the same: send them again unchanged", in.config.AnswerTimeout)}
	case errors.Is(err, store.ErrAway):
		return &answerError{http.StatusServiceUnavailable, reasonAway, "the store cannot be reached; send it again unchanged"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &answerError{http.StatusRequestTimeout, reasonSlow, fmt.Sprintf("the body did not come within %s", in.config.BodyTimeout)}
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		return &answerError{http.StatusBadRequest, reasonGone, "the request broke off"}
	}
	return &answerError{http.StatusInternalServerError, reasonStoreRefuse, "the reports could not be stored; the server's log says why"}
}

// problem is an answer that is an error (RFC 9457).
type problem struct {
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []fault `json:"errors,omitempty"`
}

type fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (in *Intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	answer := in.answerOf(err)
	in.metrics.refused.WithLabelValues(viaHTTP, answer.reason).Inc()
	if answer.status == http.StatusInternalServerError {
		in.Log.ErrorContext(r.Context(), "reports could not be stored", "error", err)
	}
	if answer.status == http.StatusTooManyRequests || answer.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(in.config.RetryAfter.Seconds()))))
	}
	p := problem{Title: http.StatusText(answer.status), Status: answer.status, Detail: answer.detail}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		for _, f := range refusal.Faults {
			p.Errors = append(p.Errors, fault(f))
		}
	}
	write(w, answer.status, "application/problem+json", p)
}

func write(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a sender that has gone hears nothing
}
