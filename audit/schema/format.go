package schema

import (
	"errors"
	"fmt"
	"path"
	"sync"
)

// Bounds on schemas.
const (
	maxSchemaText = 1 << 20 // bytes of one document
	maxDocuments  = 64      // that one schema is made of
)

// format checks payloads against one schema.
type format interface {
	// check returns the zero fault for a payload in order.
	check(body []byte) fault
	// tree returns a payload as values of encoding/json, and the keys that may be shown; false
	// where it cannot be read.
	tree(body []byte) (any, words, bool)
}

// library gives the documents that a schema refers to, by name. What it does not give is
// not looked for anywhere else.
type library func(name string) ([]byte, error)

// Schema is one version of a schema, ready to check against.
type Schema struct {
	ID      string
	Version string

	format  format
	indexed *protoFormat // not nil where events say which message they are
}

// Document is a schema as it is written.
type Document struct {
	ID, Version string
	Type        string // JSON, AVRO or PROTOBUF, as registries call them
	Name        string // what other documents refer to it by
	Text        []byte
	Message     string                            // PROTOBUF: full name of the message; the file's first when empty
	Refer       func(name string) ([]byte, error) // what it refers to; nil for nothing
	Order       []string                          // AVRO: the names to read before, in this order
}

// Compile makes a schema ready. It returns an error when the schema is wrong, refers to what
// is not there, or exceeds a limit. Errors quote the schema, and so can be as untrusted as it.
func Compile(d Document) (s *Schema, err error) {
	err = contained(func() error { s, err = compile(d); return err })
	if errors.Is(err, errBroke) {
		err = fmt.Errorf("schema %s: %w", d.Name, err)
	}
	return s, err
}

func compile(d Document) (*Schema, error) {
	if len(d.Text) > maxSchemaText {
		return nil, fmt.Errorf("schema %s of %d bytes: the limit is %d", d.Name, len(d.Text), maxSchemaText)
	}
	lib := remember(d.Refer)
	s := &Schema{ID: d.ID, Version: d.Version}
	var err error
	switch d.Type {
	case "JSON":
		s.format, err = newJSON(path.Clean(d.Name), d.Text, lib)
	case "AVRO", "": // registries leave it out
		s.format, err = newAvro(d, lib)
	case "PROTOBUF":
		if s.indexed, err = newProto(d, lib); err == nil {
			s.format = s.indexed
		}
	default:
		err = fmt.Errorf("schema %s: no such type as %q; it is one of JSON, AVRO and PROTOBUF", d.Name, d.Type)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// errBroke is a panic of a library. What it was about is not told: it may hold anything.
var errBroke = errors.New("the library that reads it broke down")

// contained runs f and makes an error of its panic: no event and no schema ends the process.
func contained(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errBroke
		}
	}()
	return f()
}

// remember has each document read once, so that a schema that is compiled again is the
// same, and bounds their number and size.
func remember(lib library) library {
	var mu sync.Mutex
	known := make(map[string][]byte)
	return func(name string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if text, ok := known[name]; ok {
			return text, nil
		}
		if lib == nil {
			return nil, fmt.Errorf("document %.200q is not among those given, and none is loaded from elsewhere", name)
		}
		if len(known) >= maxDocuments {
			return nil, fmt.Errorf("the schema is made of more than %d documents", maxDocuments)
		}
		text, err := lib(name)
		if err == nil && len(text) > maxSchemaText {
			err = errors.New("it is longer than a schema may be")
		}
		if err != nil {
			return nil, fmt.Errorf("document %.200q: %w", name, err)
		}
		known[name] = text
		return text, nil
	}
}
