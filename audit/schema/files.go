package schema

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// maxFiles bounds the files of a directory of schemas.
const maxFiles = 10_000

// FilesConfig says where schemas are and which is whose.
type FilesConfig struct {
	// Dir holds a directory for each schema, named as its id, and in it a file for each version,
	// named as the version: orders/3.json is version 3 of orders. The ending says what it is:
	// .json for JSON Schema, .avsc for Avro, .proto for Protobuf, whose first message is the
	// event's. Other endings are left alone. Schemas may refer to each other, by the path from
	// Dir (.proto) or from the file itself ($ref), and to nothing outside of Dir.
	Dir string
	// Streams gives the schema of a stream, as "id" or "id@version". A stream that it does not
	// name has the schema that is named as the stream. Without a version it is the newest one, which
	// is the highest number: versions of other names, such as draft, are only for who asks for them.
	//
	// An event with a SchemaIDHeader names its schema itself, as "id@version" or "version".
	Streams map[string]string
}

// Files is the schemas of a directory. They are read once.
type Files struct {
	streams map[string]version
	schemas map[version]*Schema
	newest  map[string]*Schema
}

// LoadFiles reads and compiles the schemas of a directory. It returns an error that names the
// file when one is wrong or too large, refers to something outside of the directory, or when
// Streams names a schema that is not there.
func LoadFiles(cfg FilesConfig) (*Files, error) {
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of schemas: %w", err)
	}
	defer root.Close()
	f := &Files{
		streams: make(map[string]version),
		schemas: make(map[version]*Schema), newest: make(map[string]*Schema),
	}
	names, err := fs.Glob(root.FS(), "*/*")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", cfg.Dir, err)
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%s holds %d files: the limit is %d", cfg.Dir, len(names), maxFiles)
	}
	for _, name := range names {
		if err := f.load(root, name); err != nil {
			return nil, err
		}
	}
	return f, f.assign(cfg.Streams)
}

// types is what the endings of files say.
var types = map[string]string{".json": "JSON", ".avsc": "AVRO", ".proto": "PROTOBUF"}

func (f *Files) load(root *os.Root, name string) error {
	kind := types[path.Ext(name)]
	if kind == "" {
		return nil
	}
	refer := func(at string) ([]byte, error) { return readFile(root, at) }
	text, err := refer(name)
	if err != nil {
		return fmt.Errorf("read the schema %s: %w", name, err)
	}
	v := version{path.Dir(name), strings.TrimSuffix(path.Base(name), path.Ext(name))}
	if f.schemas[v] != nil {
		return fmt.Errorf("schema %s: there is another file of this version", name)
	}
	s, err := Compile(Document{ID: v.id, Version: v.version, Type: kind, Name: name, Text: text, Refer: refer})
	if err != nil {
		return err
	}
	f.schemas[v] = s
	f.renew(s)
	return nil
}

// renew notes a schema as the newest where it is.
func (f *Files) renew(s *Schema) {
	number, ok := numberOf(s.Version)
	if !ok {
		return
	}
	if was := f.newest[s.ID]; was != nil {
		if newest, _ := numberOf(was.Version); newest >= number {
			return
		}
	}
	f.newest[s.ID] = s
}

// readFile reads a file of the directory; os.Root lets nothing else be reached, by links neither.
func readFile(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSchemaText+1))
	if err == nil && len(text) > maxSchemaText {
		err = fmt.Errorf("it has more than %d bytes", maxSchemaText)
	}
	return text, err
}

func (f *Files) assign(streams map[string]string) error {
	for stream, text := range streams {
		v := version{id: text}
		if id, number, ok := cutVersion(text); ok {
			v = version{id, number}
		}
		if f.schema(v) == nil {
			return fmt.Errorf("schema %q of stream %s is not in the directory", text, stream)
		}
		f.streams[stream] = v
	}
	return nil
}

func (f *Files) schema(v version) *Schema {
	if v.version == "" {
		return f.newest[v.id]
	}
	return f.schemas[v]
}

// Find implements Source.
func (f *Files) Find(e Event) Found {
	v, ok := f.streams[e.Stream]
	if !ok {
		v.id = e.Stream
	}
	if len(e.Header) > 0 {
		v = v.named(string(e.Header))
	}
	s := f.schema(v)
	if s == nil {
		return missing(whyUnknown)
	}
	return Found{Schema: s, Body: e.Payload}
}

// named is what an event says of its schema, where the stream's is v.
func (v version) named(text string) version {
	if id, number, ok := cutVersion(text); ok {
		return version{id, number}
	}
	return version{v.id, text}
}

// cutVersion cuts "id@version" in two.
func cutVersion(text string) (id, number string, ok bool) {
	i := strings.LastIndexByte(text, '@')
	if i <= 0 || i == len(text)-1 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// numberOf returns the number that a version is, where it is one.
func numberOf(version string) (uint64, bool) {
	n, err := strconv.ParseUint(version, 10, 64)
	return n, err == nil
}
