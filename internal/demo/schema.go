package demo

import (
	_ "embed"
	"regexp"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/schema"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// flightSchema is what the relay holds events against.
//
//go:embed flight.schema.json
var flightSchema []byte

// oneSchema is a source of schemas that knows one.
type oneSchema struct{ schema *schema.Schema }

// Find implements schema.Source.
func (s oneSchema) Find(e schema.Event) schema.Found {
	return schema.Found{Schema: s.schema, Body: e.Payload}
}

// newChecker returns the relay's checker, and the sampler that shows people what broke the schema.
func newChecker(sender schema.SampleSender, failed func(error)) (*schema.Checker, *schema.Sampler, error) {
	compiled, err := schema.Compile(schema.Document{ID: stream, Version: "1", Type: "JSON", Name: "flight.schema.json", Text: flightSchema})
	if err != nil {
		return nil, nil, err
	}
	sampler, err := schema.NewSampler(schema.SamplerConfig{Sender: sender, Show: []string{"/origin"}, OnError: failed})
	if err != nil {
		return nil, nil, err
	}
	checker, err := schema.New(schema.Config{Source: oneSchema{compiled}, Samples: sampler})
	return checker, sampler, err
}

var distance = regexp.MustCompile(`"distance":(-?\d+)`)

// broken returns a flight whose distance is text, against the schema.
func broken(payload []byte) []byte {
	return distance.ReplaceAll(payload, []byte(`"distance":"$1 miles"`))
}

// check holds an event against the schema. One that is corrupt says nothing of who made it.
func (r *relay) check(header audit.Header, payload []byte) {
	if wire.Checksum(payload) == header.Checksum {
		r.checker.Tell(r.hop, header, payload, nil)
	}
}
