package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// rules is the file whose options are the rules of protovalidate.
const rules = "buf/validate/validate.proto"

// compileTime bounds the compiling of one .proto file and what it imports.
const compileTime = 5 * time.Second

// protoFormat is a .proto file: several messages, of which an event is one.
type protoFormat struct {
	*protoMessage // the first, or the one that is configured
	schema        Schema
	file          protoreflect.FileDescriptor
	rules         protovalidate.Validator // nil where no message has rules

	mu       sync.Mutex
	messages map[protoreflect.FullName]*Schema
}

func newProto(d Document, lib library) (*protoFormat, error) {
	name := path.Clean(d.Name)
	ctx, cancel := context.WithTimeout(context.Background(), compileTime)
	defer cancel()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protoResolver(name, d.Text, lib))}
	files, err := compiler.Compile(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("schema %s in Protobuf: %w", d.Name, err)
	}
	f := &protoFormat{
		schema: Schema{ID: d.ID, Version: d.Version}, file: files[0],
		messages: make(map[protoreflect.FullName]*Schema),
	}
	if uses(f.file, rules, make(map[string]bool)) {
		if f.rules, err = protovalidate.New(protovalidate.WithFailFast()); err != nil {
			return nil, fmt.Errorf("schema %s in Protobuf: %w", d.Name, err)
		}
	}
	first, err := f.first(d.Message)
	if err != nil {
		return nil, fmt.Errorf("schema %s in Protobuf: %w", d.Name, err)
	}
	if f.protoMessage, err = f.message(first); err != nil {
		return nil, fmt.Errorf("schema %s in Protobuf: %w", d.Name, err)
	}
	return f, nil
}

// protoResolver gives the compiler the file, the rules and the library, and nothing of the disk.
func protoResolver(name string, text []byte, lib library) protocompile.Resolver {
	return protocompile.ResolverFunc(func(at string) (protocompile.SearchResult, error) {
		switch at {
		case name:
			return protocompile.SearchResult{Source: bytes.NewReader(text)}, nil
		case rules:
			return protocompile.SearchResult{Desc: validate.File_buf_validate_validate_proto}, nil
		}
		if strings.HasPrefix(at, "google/protobuf/") {
			return protocompile.SearchResult{}, errors.New("the compiler has it")
		}
		text, err := lib(at)
		if err != nil {
			return protocompile.SearchResult{}, err
		}
		return protocompile.SearchResult{Source: bytes.NewReader(text)}, nil
	})
}

// uses reports whether a file imports another, or one that does.
func uses(f protoreflect.FileDescriptor, name string, seen map[string]bool) bool {
	if seen[f.Path()] {
		return false
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		if at := f.Imports().Get(i); at.Path() == name || uses(at.FileDescriptor, name, seen) {
			return true
		}
	}
	return false
}

func (f *protoFormat) first(name string) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		if f.file.Messages().Len() == 0 {
			return nil, errors.New("it has no message")
		}
		return f.file.Messages().Get(0), nil
	}
	for i := range f.file.Messages().Len() {
		if m := f.file.Messages().Get(i); string(m.FullName()) == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("it has no message %s", name)
}

// pick returns the schema of the message that indexes in front of a payload name, and the
// payload.
func (f *protoFormat) pick(b []byte) (*Schema, []byte, bool) {
	var room [maxIndexes]int
	indexes, rest, ok := readIndexes(b, room[:0])
	if !ok {
		return nil, nil, false
	}
	var at protoreflect.MessageDescriptor
	in := f.file.Messages()
	for _, i := range indexes {
		if i >= in.Len() {
			return nil, nil, false
		}
		at = in.Get(i)
		in = at.Messages()
	}
	s := f.of(at)
	return s, rest, s != nil
}

// of returns the schema of one message of the file, nil where its rules are wrong.
func (f *protoFormat) of(desc protoreflect.MessageDescriptor) *Schema {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.messages[desc.FullName()]
	if ok {
		return s
	}
	if m, err := f.message(desc); err == nil {
		s = &Schema{ID: f.schema.ID, Version: f.schema.Version, format: m}
	}
	f.messages[desc.FullName()] = s
	return s
}

// message returns the format of one message. It returns an error where rules of it cannot be compiled.
func (f *protoFormat) message(desc protoreflect.MessageDescriptor) (*protoMessage, error) {
	plan := protoPlan{shapes: make(map[protoreflect.FullName]*protoShape)}
	m := &protoMessage{desc: desc, rules: f.rules, words: make(words), shape: plan.shape(desc)}
	m.required = plan.required
	m.words.declare(desc, make(map[protoreflect.FullName]bool))
	if f.rules == nil {
		return m, nil
	}
	var wrong *protovalidate.CompilationError
	if err := f.rules.Validate(dynamicpb.NewMessage(desc)); errors.As(err, &wrong) {
		return nil, fmt.Errorf("rules of message %s: %w", desc.FullName(), wrong)
	}
	return m, nil
}

// declare adds the names of the fields of a message, and of those in it.
func (w words) declare(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) {
	if seen[m.FullName()] {
		return
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		if !m.IsMapEntry() {
			w[string(field.Name())] = true
		}
		if field.Message() != nil {
			w.declare(field.Message(), seen)
		}
	}
}
