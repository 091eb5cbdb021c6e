package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const problemType = "application/problem+json"

// problem is an answer that is an error (RFC 9457). It implements huma.StatusError, huma.HeadersError
// and huma.ContentTypeFilter, so a handler returns it and it becomes the answer.
type problem struct {
	api.Problem
	retryAfter string
}

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }

func (p *problem) GetHeaders() http.Header {
	if p.retryAfter == "" {
		return nil
	}
	return http.Header{"Retry-After": {p.retryAfter}}
}

func newProblem(status int, format string, args ...any) *problem {
	return &problem{Problem: api.Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}}
}

// fault is a request that is wrong at one path.
func fault(path, format string, args ...any) *problem {
	message := fmt.Sprintf(format, args...)
	p := newProblem(http.StatusBadRequest, "%s: %s", path, message)
	p.Errors = []api.Fault{{Path: path, Message: message}}
	return p
}

func notFound(format string, args ...any) *problem {
	return newProblem(http.StatusNotFound, format, args...)
}

// problemOf is the one table from errors to answers.
func (s *Inspector) problemOf(call string, err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrAway):
		p = newProblem(http.StatusServiceUnavailable, "the store cannot be reached; nothing is known to be lost, ask again")
		p.retryAfter = "2"
		return p
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusGatewayTimeout, "the store did not answer within %s; ask for a shorter range", s.config.QueryTimeout)
	case errors.Is(err, context.Canceled):
		return newProblem(499, "the request was given up by its sender")
	}
	s.metrics.failures.Inc()
	s.Log.Error("a call of the API failed", "call", call, "error", err)
	return newProblem(http.StatusInternalServerError, "the server could not answer; its log says why")
}

// writeProblem answers a plain gin route.
func writeProblem(c *gin.Context, p *problem) {
	body, err := json.Marshal(p.Problem)
	if err != nil { // cannot be: the shape holds texts and numbers only
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	if p.retryAfter != "" {
		c.Header("Retry-After", p.retryAfter)
	}
	c.Abort()
	c.Data(p.Status, problemType, body)
}

// plainProblem turns the few errors that huma writes by itself (a body too large, too slow or
// absent) into the shape of all others.
func plainProblem(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &api.Problem{Title: m.Title, Status: m.Status, Detail: m.Detail}
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, api.Fault{Path: e.Location, Message: e.Message})
	}
	return p, nil
}
