package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// base is where documents are for the compiler; nothing is ever fetched from there.
const base = "rollcall:///"

// jsonFormat checks against a JSON Schema, of draft 2020-12 where the schema does not say.
type jsonFormat struct {
	words words
	again func() (*jsonCheck, error)
	idle  chan *jsonCheck // one check at a time each, for each has one budget
}

// maxIdle is how many compiled copies of a schema are kept at least.
const maxIdle = 8

type jsonCheck struct {
	schema *jsonschema.Schema
	budget budget
}

func newJSON(name string, text []byte, lib library) (format, error) {
	first, err := compileJSON(name, text, lib)
	if err != nil {
		return nil, err
	}
	f := &jsonFormat{words: first.prepare(), idle: make(chan *jsonCheck, max(maxIdle, 2*runtime.GOMAXPROCS(0)))}
	f.again = func() (*jsonCheck, error) { return compileJSON(name, text, lib) }
	f.idle <- first
	return f, nil
}

// borrow returns a copy that nobody uses, made where there is none; nil only where that fails,
// although it went well the first time.
func (f *jsonFormat) borrow() *jsonCheck {
	select {
	case c := <-f.idle:
		return c
	default:
	}
	c, err := f.again()
	if err != nil {
		return nil
	}
	c.prepare()
	return c
}

func (f *jsonFormat) giveBack(c *jsonCheck) {
	select {
	case f.idle <- c:
	default: // there are enough
	}
}

func compileJSON(name string, text []byte, lib library) (*jsonCheck, error) {
	doc, err := schemaDocument(text)
	if err != nil {
		return nil, fmt.Errorf("schema %s in JSON Schema: %w", name, err)
	}
	c := new(jsonCheck)
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonLoader{lib})
	compiler.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) { return c.budget.compile(text) })
	if err := compiler.AddResource(base+name, doc); err != nil {
		return nil, fmt.Errorf("schema %s in JSON Schema: %w", name, err)
	}
	if c.budget.spent(func() { c.schema, err = compiler.Compile(base + name) }) {
		err = errSteps
	}
	if err != nil {
		return nil, fmt.Errorf("schema %s in JSON Schema: %w", name, err)
	}
	return c, nil
}

// prepare has every visit of a value cost a step and compares it with the alternatives, and returns the names that the schema
// declares. The hook of a format is the one that each visit comes by.
func (c *jsonCheck) prepare() words {
	w := make(words)
	eachSchema(c.schema, func(s *jsonschema.Schema) {
		for name := range s.Properties {
			w[name] = true
		}
		for _, name := range s.Required {
			w[name] = true
		}
		one, was := takeEnum(s), s.Format
		visit := func(v any) error { c.budget.spend(cost(s, v)); return one.check(v, &c.budget) }
		s.Format = &jsonschema.Format{Validate: visit}
		if was != nil {
			s.Format = &jsonschema.Format{Name: was.Name, Validate: func(v any) error { return cmp.Or(visit(v), was.Validate(v)) }}
		}
	})
	return w
}

// jsonLoader gives the compiler the documents of the library and none else.
type jsonLoader struct{ lib library }

// Load implements jsonschema.URLLoader.
func (l jsonLoader) Load(at string) (any, error) {
	name := at
	if u, err := url.Parse(at); err == nil && strings.HasPrefix(at, base) {
		name = strings.TrimPrefix(u.Path, "/")
	}
	text, err := l.lib(name)
	if err != nil {
		return nil, err
	}
	return schemaDocument(text)
}

func schemaDocument(text []byte) (any, error) {
	doc, why := decodeJSON(text)
	if why != "" {
		return nil, errors.New(why)
	}
	return doc, nil
}

func (f *jsonFormat) check(body []byte) fault {
	v, why := decodeJSON(body)
	if why != "" {
		return undecodable(why)
	}
	c := f.borrow()
	if c == nil {
		return fault{outcome: UnknownSchema, reason: whyUnusable}
	}
	var err error
	out := c.budget.spent(func() { err = c.schema.Validate(v) })
	f.giveBack(c) // not after a panic of the validator's own: nobody knows what it left behind
	if out {
		return undecodable(errSteps.Error())
	}
	if err == nil {
		return fault{}
	}
	return f.words.jsonFault(err)
}

func (f *jsonFormat) tree(body []byte) (any, words, bool) {
	v, why := decodeJSON(body)
	return v, f.words, why == ""
}

// decodeJSON decodes one JSON value within the bounds, and says why it does not.
func decodeJSON(text []byte) (v any, why string) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, "not JSON"
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, "more follows the JSON value"
	}
	var t tidy
	if v = t.value(v, 0); t.why != "" {
		return nil, t.why
	}
	return v, ""
}

// tidy holds a decoded value to the bounds: a number such as 1e999999999 takes a gigabyte as
// the fraction that the validator would make of it.
type tidy struct {
	values int
	why    string
}

func (t *tidy) value(v any, depth int) any {
	if t.values++; t.values > maxValues {
		t.why = fmt.Sprintf("more than %d values", maxValues)
		return nil
	}
	if depth > maxNesting {
		t.why = fmt.Sprintf("nested deeper than %d", maxNesting)
		return nil
	}
	switch v := v.(type) {
	case json.Number:
		if !moderate(string(v)) {
			t.why = "a number is out of range"
		}
	case map[string]any:
		for _, one := range v {
			if t.value(one, depth+1); t.why != "" {
				return nil
			}
		}
	case []any:
		for _, one := range v {
			if t.value(one, depth+1); t.why != "" {
				return nil
			}
		}
	}
	return v
}

// moderate reports whether a number has at most maxNumber characters and an exponent of at
// most three digits.
func moderate(n string) bool {
	i := strings.IndexAny(n, "eE")
	return len(n) <= maxNumber && (i < 0 || len(strings.TrimLeft(n[i+1:], "+-0")) <= 3)
}
