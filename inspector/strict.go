package inspector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// strictJSON decodes one JSON object; unknown keys, trailing text and wrong types are told with their path.
func strictJSON(raw []byte, into any) error {
	if path, twice := keyTwice(json.NewDecoder(bytes.NewReader(raw)), "body", maxDepth); twice {
		return fault(path, "given twice")
	}
	if string(bytes.TrimSpace(raw)) == "null" {
		return fault("body", "found null, expected an object")
	}
	if path, strange := unknownKey(raw, reflect.TypeOf(into), "body"); strange {
		return fault(path, "unknown key")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(into); err != nil {
		return jsonFault(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault("body", "more than one JSON value")
	}
	return nil
}

// maxDepth is deeper than any body we take; what is deeper the decoder refuses.
const maxDepth = 10

// keyTwice returns the path of a key that one object has twice. What is no JSON is left for the decoder to tell.
func keyTwice(d *json.Decoder, path string, depth int) (string, bool) {
	open, err := d.Token()
	if delim, ok := open.(json.Delim); err != nil || depth == 0 || !ok || delim == ']' || delim == '}' {
		return "", false
	}
	seen := map[string]bool{}
	for i := 0; d.More(); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if open == json.Delim('{') {
			key, err := d.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return "", false
			}
			if at = path + "." + name; seen[strings.ToLower(name)] {
				return at, true
			}
			seen[strings.ToLower(name)] = true // the decoder takes keys in any case
		}
		if found, twice := keyTwice(d, at, depth-1); twice {
			return found, true
		}
	}
	_, _ = d.Token() // the end of this object or list
	return "", false
}

// unknownKey returns the path of a key that t has no field for, written exactly so. What is no JSON, or of
// another type, is left for the decoder to tell.
func unknownKey(raw []byte, t reflect.Type, path string) (string, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	_, reads := reflect.New(t).Interface().(json.Unmarshaler)
	var members map[string]json.RawMessage
	if reads || t.Kind() != reflect.Struct && t.Kind() != reflect.Map || json.NewDecoder(bytes.NewReader(raw)).Decode(&members) != nil {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at, kind := path+"."+name, memberType(t, name)
		if kind == nil {
			return at, true
		}
		if found, strange := unknownKey(members[name], kind, at); strange {
			return found, true
		}
	}
	return "", false
}

// memberType is the type of the member of that name of a JSON object read into t, nil where there is none.
func memberType(t reflect.Type, name string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key == name {
			return t.Field(i).Type
		}
	}
	return nil
}

func jsonFault(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fault(strings.TrimSuffix("body."+kind.Field, "."), "found %s, expected %s", kind.Value, jsonKind(kind.Type))
	case errors.As(err, &syntax):
		return fault("body", "not JSON: %s at byte %d", syntax, syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault("body", "not JSON: it ends too early")
	}
	return fault("body", "not JSON of the expected shape: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// jsonKind is what JSON calls a type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	}
	return "a number"
}
