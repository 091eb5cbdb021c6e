package inspector

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/rollcallhq/rollcall/inspector/api"
)

const maxBody = 256 << 10 // bytes of a body of the JSON API

// answer wraps a body as huma wants it.
type answer[T any] struct{ Body T }

func reply[T any](body T) *answer[T] { return &answer[T]{Body: body} }

func newAPI(engine *gin.Engine, version string) huma.API {
	config := huma.DefaultConfig("Rollcall", version)
	config.Info.Description = "Which events of a pipeline are missing, repeated, damaged or late, by name, and when an hour is complete."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{plainProblem}
	a := humagin.New(engine, config)
	a.UseMiddleware(knownQuery)
	return a
}

// knownQuery refuses parameters that a call does not have: a misspelt one would be left out in silence.
func knownQuery(c huma.Context, next func(huma.Context)) {
	known := []string{}
	for _, p := range c.Operation().Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	for name, values := range humagin.Unwrap(c).Request.URL.Query() {
		if p := checkQuery(name, values, known); p != nil {
			writeProblem(humagin.Unwrap(c), p)
			return
		}
	}
	next(c)
}

func checkQuery(name string, values, known []string) *problem {
	switch {
	case !slices.Contains(known, name) && len(known) == 0:
		return fault("query."+name, "unknown parameter; this call has none")
	case !slices.Contains(known, name):
		return fault("query."+name, "unknown parameter; this call has %s", strings.Join(known, ", "))
	case len(values) > 1:
		return fault("query."+name, "given %d times", len(values))
	}
	return nil
}

// call describes one operation.
type call struct {
	id, method, path, summary string
	most                      int64 // bytes of its body; 0: maxBody
}

// register adds an operation whose handler returns errors; problemOf turns them into answers.
func register[I, O any](s *Inspector, c call, handle func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: c.id, Method: c.method, Path: "/api/v1" + c.path, Summary: c.summary,
		SkipValidateBody:   true, // strictJSON says what is wrong with it
		SkipValidateParams: true, // parameters are read by params.go, which says what is wrong with them
		MaxBodyBytes:       cmp.Or(c.most, maxBody),
		Responses:          map[string]*huma.Response{"default": errorResponse(s.api.OpenAPI())},
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		if s.Auditor == nil {
			return nil, notFound("this server does not have the role inspector")
		}
		ctx, cancel := s.bound(ctx)
		defer cancel()
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problemOf(c.id, givenUp(ctx, err))
		}
		return out, nil
	})
}

// bound gives a call its time. A call that takes long is given up where the store does not answer a ping either.
func (s *Inspector) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, s.config.QueryTimeout)
	ctx, giveUp := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.config.Patience, func() {
		if err := s.ping(ctx); err != nil {
			giveUp(err)
		}
	})
	return ctx, func() {
		watch.Stop()
		giveUp(nil)
		cancel()
	}
}

// givenUp is why a call was given up, where err only says that it was.
func givenUp(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func errorResponse(doc *huma.OpenAPI) *huma.Response {
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	return &huma.Response{
		Description: "an error (RFC 9457)",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

func get[I, O any](s *Inspector, id, path, summary string, handle func(context.Context, *I) (*O, error)) {
	register(s, call{id: id, method: http.MethodGet, path: path, summary: summary}, handle)
}

// body adds an operation with a JSON body of type B; the handler reads it with strictJSON.
func body[B, I, O any](s *Inspector, c call, handle func(context.Context, *I) (*O, error)) {
	register(s, c, handle)
	item := s.api.OpenAPI().Paths["/api/v1"+c.path]
	op := item.Post
	if c.method == http.MethodPut {
		op = item.Put
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[B](), true, "")},
	}}
}
