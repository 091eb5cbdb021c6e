package schema

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoWalk walks a payload along its schema. Fields that the schema does not know are in
// order: an older schema reads newer events.
type protoWalk struct {
	steps int
	fault fault
	at    []string // where, innermost first
}

func (w *protoWalk) fail(outcome, reason string) bool {
	w.fault = fault{outcome: outcome, reason: reason}
	return false
}

// message passes one message and reports whether it could.
func (w *protoWalk) message(s *protoShape, b []byte, depth int) bool {
	if depth > maxNesting {
		return w.fail(Undecodable, "nested too deep")
	}
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		if size < 0 {
			return w.fail(Undecodable, "not a message of Protobuf")
		}
		if w.steps++; w.steps > maxValues {
			return w.fail(Undecodable, errSteps.Error())
		}
		b = b[size:]
		f := s.find(n)
		if size = w.field(f, n, t, b, depth); size < 0 {
			if f != nil {
				w.where(f)
			}
			return false
		}
		b = b[size:]
	}
	return true
}

// where adds a field to the path, and what stands for the key or index in it.
func (w *protoWalk) where(f *protoField) {
	if f.name == "" {
		return
	}
	if f.many {
		w.at = append(w.at, "")
	}
	w.at = append(w.at, f.name)
}

// field passes one field's value and returns its size, negative after a fault.
func (w *protoWalk) field(f *protoField, n protowire.Number, t protowire.Type, b []byte, depth int) int {
	if t != protowire.BytesType {
		return w.plain(f, n, t, b, depth)
	}
	v, size := protowire.ConsumeBytes(b)
	switch {
	case size < 0:
		w.fail(Undecodable, "ends in the middle of a value")
		return -1
	case f == nil:
		return size
	case f.packs:
		if !w.packed(f, v) {
			return -1
		}
		return size
	case f.wire != t:
		w.fail(Invalid, "encoded as another type")
		return -1
	case f.shape != nil && !w.message(f.shape, v, depth+1):
		return -1
	case f.utf8 && !utf8.Valid(v):
		w.fail(Undecodable, "a string that is not UTF-8")
		return -1
	}
	return size
}

// plain passes a value that has no length in front.
func (w *protoWalk) plain(f *protoField, n protowire.Number, t protowire.Type, b []byte, depth int) int {
	if f != nil && f.wire != t {
		w.fail(Invalid, "encoded as another type")
		return -1
	}
	if f != nil && f.shape != nil {
		v, size := protowire.ConsumeGroup(n, b)
		if size >= 0 && !w.message(f.shape, v, depth+1) {
			return -1
		}
		if size >= 0 {
			return size
		}
	}
	size := protowire.ConsumeFieldValue(n, t, b)
	if size < 0 {
		w.fail(Undecodable, "ends in the middle of a value")
	}
	return size
}

// packed passes the numbers of a packed list.
func (w *protoWalk) packed(f *protoField, b []byte) bool {
	for len(b) > 0 {
		size := protowire.ConsumeFieldValue(1, f.wire, b)
		if size < 0 {
			return w.fail(Undecodable, "ends in the middle of a value")
		}
		b = b[size:]
	}
	return true
}
