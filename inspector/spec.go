package inspector

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
)

// writeSpec completes the OpenAPI document with what huma does not know, and returns it as YAML.
func (s *Inspector) writeSpec() ([]byte, error) {
	doc := s.api.OpenAPI()
	for _, op := range s.plainOperations(doc) {
		doc.AddOperation(op)
	}
	describeAccess(doc)
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own error, never answered
	for _, schema := range schemas {
		for _, p := range schema.Properties {
			if p.Type == huma.TypeArray {
				p.Nullable = false // lists are never null
			}
		}
	}
	text, err := doc.YAML()
	if err != nil {
		return nil, fmt.Errorf("inspector: write the OpenAPI document: %w", err)
	}
	return text, nil
}

// describeAccess says of every operation which role it asks for.
func describeAccess(doc *huma.OpenAPI) {
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {
		Type: "http", Scheme: "bearer",
		Description: "Where the server has tokens (--tokens). `x-role` is the least role a call asks for: ingest, viewer, operator or admin, " +
			"or known for any. Operators and admins may do what viewers may, and send reports.",
	}}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete} {
			if op == nil {
				continue
			}
			least := rules[method+" "+routeForm.Replace(path)]
			op.Extensions = map[string]any{"x-role": string(least)}
			if least != access.Open {
				op.Security = []map[string][]string{{"token": {}}}
			}
		}
	}
}

// routeForm turns {name} of a document into :name of a route.
var routeForm = strings.NewReplacer("{", ":", "}", "")

func (s *Inspector) plainOperations(doc *huma.OpenAPI) []*huma.Operation {
	return []*huma.Operation{
		reportsOperation(doc),
		samplesOperation(doc),
		liveOperation(doc),
		plainOperation(doc, "get-health", "/healthz", "The process lives", ofType[api.Health](doc)),
		plainOperation(doc, "get-ready", "/readyz", "The store answers, and the server can do its part", ofType[api.Health](doc)),
		plainOperation(doc, "get-metrics", "/metrics", "Metrics, as Prometheus reads them", text("text/plain")),
		plainOperation(doc, "get-openapi", "/openapi.yaml", "This document", text("application/openapi+yaml")),
	}
}

func ofType[T any](doc *huma.OpenAPI) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[T](), true, "")}}
}

func text(contentType string) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString}}}
}

func plainOperation(doc *huma.OpenAPI, id, path, summary string, ok map[string]*huma.MediaType) *huma.Operation {
	return &huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: ok},
			"default": errorResponse(doc),
		},
	}
}

func liveOperation(doc *huma.OpenAPI) *huma.Operation {
	op := plainOperation(doc, "live", "/api/v1/stream", "Changed verdicts as server-sent events", text("text/event-stream"))
	op.Description = "Events: `snapshot` ({\"streams\":[Stream…]}) on connect (`last` for the first 100 only), `verdicts` ({\"items\":[Window…]}, without latency) when they change, `incident` (an Incident) when one opens, changes, is acknowledged or resolves, " +
		"`heartbeat` ({\"at\":time}). With Last-Event-ID the events since then follow, where they are still kept; else a snapshot. " +
		"503 when too many read already: poll instead."
	op.Parameters = []*huma.Param{{Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: huma.TypeString}}}
	return op
}

func reportsOperation(doc *huma.OpenAPI) *huma.Operation {
	op := plainOperation(doc, "post-reports", "/api/v1/reports", "Take reports; answered when they are stored", ofType[api.Accepted](doc))
	op.Method = http.MethodPost
	op.Description = "A request is taken whole or not at all. 400 tells the path of each fault; 413 a body that is too large; 415 an encoding that is not known; " +
		"429 and 503, with Retry-After, that it must be sent again unchanged."
	op.Parameters = []*huma.Param{
		{Name: "backfill", In: "query", Description: "take windows up to 30 days old; asks for the role operator", Schema: &huma.Schema{Type: huma.TypeBoolean}},
		{Name: "Content-Encoding", In: "header", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"gzip", "zstd"}}},
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"reports"}, Properties: map[string]*huma.Schema{
			"reports": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, Description: "a report; docs/reference/report.md describes its fields"}},
		}}},
		"application/protobuf": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary", Description: "rollcall.v1.ReportBatch"}},
	}}
	return op
}

func samplesOperation(doc *huma.OpenAPI) *huma.Operation {
	op := plainOperation(doc, "post-samples", samplesRoute, "Take samples of events that broke their schema; answered when they are stored", ofType[api.AcceptedSamples](doc))
	op.Method = http.MethodPost
	op.Description = "At most 100 a request and 512 KiB, each payload masked by its sender and at most 4096 bytes. A few of each window, reason, stream and hour are kept and the " +
		"others are counted: `accepted` counts both. A sample that cannot be, as one of a window that is too old, costs the others nothing: `errors` tells its fault. " +
		"400 where none can be; else answers as of POST /api/v1/reports."
	op.Parameters = []*huma.Param{{Name: "Content-Encoding", In: "header", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"gzip", "zstd"}}}}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"samples"}, Properties: map[string]*huma.Schema{
			"samples": {Type: huma.TypeArray, Items: doc.Components.Schemas.Schema(reflect.TypeFor[api.Sample](), true, "")},
		}}},
	}}
	return op
}
