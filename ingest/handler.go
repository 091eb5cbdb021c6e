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

// Handler answers a POST: 200 with the number of items when they are stored, and the path of each fault of others; else problem
// details (RFC 9457), with the path of each fault where the items are at fault.
func (l *line[T]) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := l.take(w, r)
		if err != nil && n == 0 {
			l.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, "application/json", accepted{n, faultsOf(err)})
	})
}

// accepted is the answer to what was stored.
type accepted struct {
	Accepted int     `json:"accepted"`
	Errors   []fault `json:"errors,omitempty"` // of what else was sent
}

// take reads, checks and stores the items of one request and returns how many they are; and, with items, what is wrong with others.
func (l *line[T]) take(w http.ResponseWriter, r *http.Request) (int, error) {
	form, ok := l.forms.of(r.Header.Get("Content-Type"))
	if !ok {
		return 0, told(http.StatusUnsupportedMediaType, reasonMediaType,
			"Content-Type %q is not taken; send %s", r.Header.Get("Content-Type"), l.forms.words)
	}
	encoding, ok := encodingOf(r.Header)
	if !ok {
		return 0, told(http.StatusUnsupportedMediaType, reasonEncoding,
			"Content-Encoding %q is not taken; send one of gzip and zstd, once, or none", r.Header.Values("Content-Encoding"))
	}
	limits, err := l.limitsOf(r.URL.Query())
	if err != nil {
		return 0, err
	}
	held := l.claim()
	defer held.release()
	body, err := l.read(w, r, encoding, limits.Request, held)
	if err != nil {
		return 0, err
	}
	items, weight, refused := l.unpack(r.Context(), form, body, limits)
	if refused != nil && len(items) == 0 {
		return 0, refused
	}
	if !held.grow(weight) {
		return 0, ErrFull
	}
	n := len(items)
	if err := l.submit(r.Context(), items, held); err != nil {
		return 0, err
	}
	return n, l.partly(refused)
}

func (b *base) read(w http.ResponseWriter, r *http.Request, encoding string, limit int, held *claim) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(b.config.BodyTimeout)) // not every writer can; the server's own timeout holds then
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

// unpack reads and validates a body, few at once: unpacking rolls takes memory and time.
func (l *line[T]) unpack(ctx context.Context, form format, body []byte, limits wire.Limits) ([]T, int, error) {
	select {
	case l.decoding <- struct{}{}:
		defer func() { <-l.decoding }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	return l.decode(form, body, limits)
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
func (b *base) answerOf(err error) *answerError {
	var answer *answerError
	var refusal *Refusal
	var encoding *encodingError
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &refusal):
		return &answerError{http.StatusBadRequest, refusal.reason, "the " + b.what + " cannot be taken; none of this request was stored"}
	case errors.As(err, &encoding):
		return &answerError{http.StatusBadRequest, reasonUnreadable, encoding.Error()}
	case errors.Is(err, errTooLarge):
		return &answerError{http.StatusRequestEntityTooLarge, reasonTooLarge,
			fmt.Sprintf("the body is larger than %d bytes after decompression, the limit of a request", b.config.Limits.Request)}
	case errors.Is(err, ErrFull), errors.Is(err, errNoRoom):
		return &answerError{http.StatusTooManyRequests, reasonFull, "too many " + b.what + " wait to be stored; send it again unchanged"}
	case errors.Is(err, ErrStopping):
		return &answerError{http.StatusServiceUnavailable, reasonStopping, ErrStopping.Error() + "; send it again unchanged"}
	case errors.Is(err, ErrSlow):
		return &answerError{http.StatusServiceUnavailable, reasonStoreSlow,
			fmt.Sprintf("the store has not answered within %s; the %s may be stored all the same: send them again unchanged", b.config.AnswerTimeout, b.what)}
	case errors.Is(err, store.ErrAway):
		return &answerError{http.StatusServiceUnavailable, reasonAway, "the store cannot be reached; send it again unchanged"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &answerError{http.StatusRequestTimeout, reasonSlow, fmt.Sprintf("the body did not come within %s", b.config.BodyTimeout)}
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		return &answerError{http.StatusBadRequest, reasonGone, "the request broke off"}
	}
	return &answerError{http.StatusInternalServerError, reasonStoreRefuse, "the " + b.what + " could not be stored; the server's log says why"}
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

func (b *base) refuse(w http.ResponseWriter, r *http.Request, err error) {
	answer := b.answerOf(err)
	b.refused.WithLabelValues(viaHTTP, answer.reason).Inc()
	if answer.status == http.StatusInternalServerError {
		b.log.ErrorContext(r.Context(), "what was sent could not be stored", "what", b.what, "error", err)
	}
	if answer.status == http.StatusTooManyRequests || answer.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(b.config.RetryAfter.Seconds()))))
	}
	p := problem{Title: http.StatusText(answer.status), Status: answer.status, Detail: answer.detail, Errors: faultsOf(err)}
	write(w, answer.status, "application/problem+json", p)
}

// faultsOf are the faults that an error tells of.
func faultsOf(err error) (all []fault) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		for _, f := range refusal.Faults {
			all = append(all, fault(f))
		}
	}
	return all
}

func write(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a sender that has gone hears nothing
}
