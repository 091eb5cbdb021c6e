package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// UID is an event's identity: a UUIDv8 (RFC 9562) of 16 bytes. Bytes 0-5 hold
// the source's start in Unix ms, 42 bits are random and bytes 12-15 hold the
// event's sequence, all big endian. The same type carries source ids (a UID
// whose sequence is zero) and emitter ids (any UUID).
type UID [16]byte

// ParseUID reads the canonical 36-character text form, in either case.
// It returns an error for every other shape, so that one UID has one spelling.
func ParseUID(text string) (UID, error) {
	var u UID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, fmt.Errorf("not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx (%d characters)", len(text))
	}
	var digits [32]byte
	n := 0
	for i := range len(text) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		digits[n] = text[i]
		n++
	}
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return UID{}, fmt.Errorf("not a UUID: it holds a character that is no hexadecimal digit")
	}
	return u, nil
}

// String returns the canonical lower-case text form.
func (u UID) String() string {
	text, _ := u.MarshalText()
	return string(text)
}

// MarshalText implements encoding.TextMarshaler.
func (u UID) MarshalText() ([]byte, error) {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return b[:], nil
}

// UnmarshalText implements encoding.TextUnmarshaler; see ParseUID.
func (u *UID) UnmarshalText(text []byte) error {
	parsed, err := ParseUID(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// Source returns the id of the source that gave this UID: the UID with its sequence zero.
func (u UID) Source() UID {
	u[12], u[13], u[14], u[15] = 0, 0, 0, 0
	return u
}

// Sequence returns the event's number within its source.
func (u UID) Sequence() uint32 { return binary.BigEndian.Uint32(u[12:]) }

// WithSequence returns the UID of event n of this source.
func (u UID) WithSequence(n uint32) UID {
	binary.BigEndian.PutUint32(u[12:], n)
	return u
}

// StartMillis returns the source's start, Unix ms.
func (u UID) StartMillis() int64 {
	return int64(binary.BigEndian.Uint64(u[0:8]) >> 16)
}

// IsZero reports whether no UID was set.
func (u UID) IsZero() bool { return u == UID{} }

// Numbered reports whether u has the version and variant bits of a UUIDv8, as
// every UID given by a Rollcall source has.
func (u UID) Numbered() bool { return u[6]>>4 == 8 && u[8]>>6 == 2 }
