package kgoaudit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// Fields says where a record has its identity that has neither an audit header nor
// the attributes of CloudEvents: its UID and the time it was produced, RFC 3339. Each
// is the name of a record header or, where it begins with a slash, a JSON Pointer
// (RFC 6901) into the value, such as "/order/id". A UID there is text or an integer,
// which is taken as its digits, however many. All hops of a stream must read the same
// ones. The zero value says nothing.
type Fields struct{ UID, ProducedAt string }

// ErrField is returned for a configured field that is there and cannot be read.
var ErrField = errors.New("the field that names the event cannot be read")

// check says what is wrong with the configuration.
func (f Fields) check() error {
	if (f.UID == "") != (f.ProducedAt == "") {
		return fmt.Errorf("fields of the identity: UID %q, ProducedAt %q: set both or none", f.UID, f.ProducedAt)
	}
	for _, name := range []string{f.UID, f.ProducedAt} {
		if strings.HasPrefix(name, "/") && wrongEscape(name) {
			return fmt.Errorf("fields of the identity: %q is no JSON Pointer: after ~ comes 0 or 1", name)
		}
	}
	return nil
}

// Identify finds a record's identity: its audit header; where it has none, ce_id and
// ce_time of CloudEvents; then the configured fields. An audit header that cannot be
// read, as one of a later version, is an error whatever else is there. Errors:
// wire.ErrNoIdentity where there is no identity, and others for one that cannot be
// read. Hop.TakeAs takes both.
func Identify(r *kgo.Record, f Fields) (audit.Identity, error) {
	h, err := ReadHeader(r)
	if !errors.Is(err, ErrNoHeader) {
		return audit.Identity{Header: h}, err
	}
	id, err := wire.ForeignIdentity(header(r, "ce_id"), header(r, "ce_time"))
	if err == nil || f == (Fields{}) {
		return id, err
	}
	if configured, failed := f.read(r); !errors.Is(failed, wire.ErrNoIdentity) {
		return configured, failed
	}
	return id, err
}

// header returns the first header of a name as text, empty when there is none.
func header(r *kgo.Record, name string) string {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

func (f Fields) read(r *kgo.Record) (audit.Identity, error) {
	value := document{bytes: r.Value}
	uid, err := value.field(r, f.UID)
	if err != nil {
		return audit.Identity{}, err
	}
	at, err := value.field(r, f.ProducedAt)
	if err != nil {
		return audit.Identity{}, err
	}
	return wire.ForeignIdentity(uid, at)
}

// document is a record's value, decoded once and only when a field is in it.
type document struct {
	bytes []byte
	root  any
}

// field returns a field as text, empty when the record has no such field.
func (d *document) field(r *kgo.Record, name string) (string, error) {
	if !strings.HasPrefix(name, "/") {
		return header(r, name), nil
	}
	if len(d.bytes) > 0 && d.root == nil {
		decoder := json.NewDecoder(bytes.NewReader(d.bytes))
		decoder.UseNumber() // an order number stays as it is written
		if err := decoder.Decode(&d.root); err != nil {
			return "", fmt.Errorf("%w: the value is not JSON: %w", ErrField, err)
		}
	}
	text, fault := textOf(find(d.root, name))
	if fault != "" {
		return "", fmt.Errorf("%w: %s is %s", ErrField, name, fault)
	}
	return text, nil
}

// textOf returns what is in a field as text, or what keeps it from naming an event. A
// number with a fraction or an exponent is one: whoever writes the value anew may write
// it otherwise. So is text in which bytes were replaced, which two events may share.
func textOf(field any) (text, fault string) {
	switch v := field.(type) {
	case nil:
		return "", ""
	case string:
		if strings.ContainsRune(v, utf8.RuneError) {
			return "", "text that is not UTF-8"
		}
		return v, ""
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") || v == "-0" {
			return "", fmt.Sprintf("the number %.40s; want an integer, or text", v)
		}
		return v.String(), ""
	}
	return "", "neither text nor a number"
}

// find follows a JSON Pointer; it returns nil where that leads nowhere.
func find(at any, pointer string) any {
	for _, token := range strings.Split(pointer[1:], "/") {
		switch v := at.(type) {
		case map[string]any:
			at = v[escapes.Replace(token)]
		case []any:
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil || i >= uint64(len(v)) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// escapes of a JSON Pointer, read from the left: ~01 is ~1.
var escapes = strings.NewReplacer("~1", "/", "~0", "~")

func wrongEscape(pointer string) bool {
	return strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(pointer), "~")
}
