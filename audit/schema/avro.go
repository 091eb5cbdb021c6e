package schema

import (
	"fmt"
	"slices"

	"github.com/twmb/avro"
)

// avroFormat checks Avro's binary encoding by walking it along the schema, without making
// the values: that is bounded in memory, and many times faster than decoding.
type avroFormat struct {
	schema *avro.Schema
	root   *avroNode
	words  words
}

func newAvro(d Document, lib library) (format, error) {
	var cache avro.SchemaCache
	for _, name := range d.Order {
		text, err := lib(name)
		if err != nil {
			return nil, fmt.Errorf("schema %s in Avro: %w", d.Name, err)
		}
		if _, err := parseAvro(&cache, text); err != nil {
			return nil, fmt.Errorf("schema %s in Avro: %s: %w", d.Name, name, err)
		}
	}
	schema, err := parseAvro(&cache, d.Text)
	if err != nil {
		return nil, fmt.Errorf("schema %s in Avro: %w", d.Name, err)
	}
	f := &avroFormat{schema: schema, words: make(words)}
	plan := avroPlan{named: make(map[string]*avroNode), words: f.words}
	if f.root, err = plan.read(schema.Canonical()); err != nil {
		return nil, fmt.Errorf("schema %s in Avro: %w", d.Name, err)
	}
	return f, nil
}

// parseAvro parses a schema that is within the bounds of JSON values.
func parseAvro(cache *avro.SchemaCache, text []byte) (*avro.Schema, error) {
	if len(text) > 0 && text[0] != '"' && text[0] != '[' && text[0] != '{' {
		return cache.Parse(string(text)) // the bare name of a primitive type
	}
	if _, err := schemaDocument(text); err != nil {
		return nil, err
	}
	return cache.Parse(string(text))
}

func (f *avroFormat) check(body []byte) fault {
	w := avroWalk{b: body}
	if w.value(f.root, 0); w.reason == "" && len(w.b) > 0 {
		return undecodable("bytes follow the value")
	}
	if w.reason == "" {
		return fault{}
	}
	slices.Reverse(w.at)
	return fault{outcome: w.outcome, reason: w.reason, path: f.words.path(w.at)}
}

func (f *avroFormat) tree(body []byte) (any, words, bool) {
	var v any
	rest, err := f.schema.Decode(body, &v)
	return v, f.words, err == nil && len(rest) == 0
}
