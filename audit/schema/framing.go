package schema

import (
	"encoding/binary"
	"encoding/hex"
)

// SchemaIDHeader is the record header in which serializers put the id of a value's schema.
const SchemaIDHeader = "__value_schema_id"

// The first byte of a framing.
const (
	magicID   = 0 // then the id, 4 bytes big endian
	magicGUID = 1 // then the GUID, 16 bytes
)

// maxIndexes bounds how deep a message may be nested in its .proto file.
const maxIndexes = 16

// frame is how an event names its schema at a registry.
type frame struct {
	id   uint32
	guid [16]byte // zero where the id names it
}

// text is the GUID as the registry writes it.
func (f frame) text() string {
	h := hex.EncodeToString(f.guid[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (f frame) global() bool { return f.guid != [16]byte{} }

// unframe reads the framing of an event in its three forms: before the payload, the byte 0
// and an id or the byte 1 and a GUID; or either of them in a record header, where the
// payload stands alone. Rest is what follows the id there, the message indexes of Protobuf
// among it; it is false where there is no framing.
func unframe(payload, header []byte) (f frame, rest []byte, ok bool) {
	if len(header) > 0 {
		return readFrame(header)
	}
	return readFrame(payload)
}

func readFrame(b []byte) (f frame, rest []byte, ok bool) {
	switch {
	case len(b) >= 5 && b[0] == magicID:
		return frame{id: binary.BigEndian.Uint32(b[1:])}, b[5:], true
	case len(b) >= 17 && b[0] == magicGUID:
		f.guid = [16]byte(b[1:])
		return f, b[17:], f.global()
	}
	return frame{}, nil, false
}

// readIndexes reads which message of a .proto file it is: how many numbers, and the numbers,
// as zigzag varints; a single 0 stands for the first message.
func readIndexes(b []byte, into []int) (indexes []int, rest []byte, ok bool) {
	count, n := binary.Varint(b)
	if n <= 0 || count < 0 || count > maxIndexes {
		return nil, nil, false
	}
	b = b[n:]
	if count == 0 {
		return append(into, 0), b, true
	}
	for range count {
		index, n := binary.Varint(b)
		if n <= 0 || index < 0 || index > 1<<20 {
			return nil, nil, false
		}
		into, b = append(into, int(index)), b[n:]
	}
	return into, b, true
}
