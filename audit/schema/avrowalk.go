package schema

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// maxAvroSteps bounds the values of a payload. Values may take no bytes at all, such as the
// items of an array of nulls, so that the payload's length does not bound them.
const maxAvroSteps = 2 << 20

// avroWalk walks a payload (Avro specification, "Binary Encoding").
type avroWalk struct {
	b       []byte // what is left
	steps   int
	outcome string
	reason  string   // empty while nothing is wrong
	at      []string // where, innermost first
}

func (w *avroWalk) fail(reason string) bool {
	w.outcome, w.reason = Undecodable, reason
	return false
}

// value passes one value and reports whether it could.
func (w *avroWalk) value(n *avroNode, depth int) bool {
	if w.steps++; w.steps > maxAvroSteps {
		return w.fail(errSteps.Error())
	}
	if depth > maxNesting {
		return w.fail("nested too deep")
	}
	switch n.kind {
	case avroNull:
		return true
	case avroRecord:
		for i, child := range n.children {
			if !w.value(child, depth+1) {
				w.at = append(w.at, n.names[i])
				return false
			}
		}
		return true
	case avroArray, avroMap:
		return w.blocks(n, depth)
	case avroUnion:
		branch, ok := w.varint(math.MaxInt64)
		if !ok {
			return false
		}
		if branch < 0 || branch >= int64(len(n.children)) {
			return w.fail("no such branch of the union")
		}
		return w.value(n.children[branch], depth) // a union in a union there is not
	}
	return w.scalar(n)
}

func (w *avroWalk) scalar(n *avroNode) bool {
	switch n.kind {
	case avroBoolean:
		if len(w.b) > 0 && w.b[0] > 1 {
			return w.fail("a boolean that is neither 0 nor 1")
		}
		return w.skip(1)
	case avroInt:
		_, ok := w.varint(math.MaxInt32)
		return ok
	case avroLong:
		_, ok := w.varint(math.MaxInt64)
		return ok
	case avroFloat:
		return w.skip(4)
	case avroDouble:
		return w.skip(8)
	case avroFixed:
		return w.skip(n.size)
	case avroEnum:
		symbol, ok := w.varint(math.MaxInt32)
		if ok && (symbol < 0 || symbol >= n.size) {
			return w.fail("no such symbol of the enum")
		}
		return ok
	case avroString:
		return w.text()
	}
	size, ok := w.varint(math.MaxInt64)
	return ok && w.skip(size)
}

func (w *avroWalk) text() bool {
	size, ok := w.varint(math.MaxInt64)
	if !ok {
		return false
	}
	from := w.b
	if !w.skip(size) {
		return false
	}
	if !utf8.Valid(from[:size]) {
		w.fail("a string that is not UTF-8")
		w.outcome = Invalid
		return false
	}
	return true
}

func (w *avroWalk) skip(size int64) bool {
	if size < 0 {
		return w.fail("a negative length")
	}
	if size > int64(len(w.b)) {
		return w.fail("ends in the middle of a value")
	}
	w.b = w.b[size:]
	return true
}

// varint reads a zigzag number of at most the magnitude.
func (w *avroWalk) varint(most int64) (int64, bool) {
	if len(w.b) > 0 && w.b[0] < 0x80 { // most are that short
		v := int64(w.b[0]>>1) ^ -int64(w.b[0]&1)
		w.b = w.b[1:]
		return v, true
	}
	v, n := binary.Varint(w.b)
	switch {
	case n == 0:
		return 0, w.fail("ends in the middle of a value")
	case n < 0 || v > most || v < -most-1:
		return 0, w.fail("a number is out of range")
	}
	w.b = w.b[n:]
	return v, true
}

// blocks passes an array or a map: blocks of a count and so many items, the last of count 0.
func (w *avroWalk) blocks(n *avroNode, depth int) bool {
	for {
		count, ok := w.varint(math.MaxInt64)
		if !ok {
			return false
		}
		if count == 0 {
			return true
		}
		if count < 0 {
			if size, ok := w.varint(math.MaxInt64); !ok || size < 0 || size > int64(len(w.b)) {
				return ok && w.fail("a block ends beyond the payload")
			}
			if count = -count; count < 0 {
				return w.fail("a block of too many items")
			}
		}
		for range count {
			if n.kind == avroMap && !w.text() || !w.value(n.children[0], depth+1) {
				w.at = append(w.at, "") // no name of a schema is empty: it is shown as data
				return false
			}
		}
	}
}
