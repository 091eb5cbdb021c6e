package wire

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// HeaderSize is the length of the binary form of a Header.
const HeaderSize = 28

// HeaderTextSize is the length of the text form of a Header.
const HeaderTextSize = 38

// headerVersion is the only version there is.
const headerVersion = 0x01

// The flags of a Header; all other bits are zero.
const (
	FlagNumbered byte = 1 << iota // the UID is ours: a source and a sequence
	FlagCanary                    // a synthetic probe, filtered before users' data

	flagsKnown = FlagNumbered | FlagCanary
)

// maxHeaderMillis is the largest produced-at that 48 bits hold, in the year 10889.
const maxHeaderMillis = 1<<48 - 1

// What DecodeHeader returns for a header that it cannot read. Whoever meets one
// counts the event as unreadable and keeps it flowing.
var (
	ErrHeaderLength  = errors.New("audit header: not 28 bytes")
	ErrHeaderVersion = errors.New("audit header: unknown version")
	ErrHeaderFlags   = errors.New("audit header: reserved flags are set")
	ErrHeaderText    = errors.New("audit header: not base64url without padding")
)

// Header is what travels with an event: the Kafka record header "audit", the
// HTTP header "Audit" (text form) or the gRPC metadata "audit-bin".
type Header struct {
	Flags      byte
	UID        UID
	ProducedAt time.Time // ms; the wire holds 1970 to 10889, what lies outside becomes the nearest end
	Checksum   uint32    // of the payload bytes as produced; see Checksum
}

// castagnoli is read-only after it is made; crc32 recognises it and uses the processor's instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C (Castagnoli) of payload.
func Checksum(payload []byte) uint32 { return crc32.Checksum(payload, castagnoli) }

// Append appends the binary form to b. It allocates only when b is too small.
func (h Header) Append(b []byte) []byte {
	e := h.Encode()
	return append(b, e[:]...)
}

// Encode returns the binary form.
func (h Header) Encode() [HeaderSize]byte {
	var b [HeaderSize]byte
	b[0], b[1] = headerVersion, h.Flags
	copy(b[2:18], h.UID[:])
	ms := uint64(min(max(h.ProducedAt.UnixMilli(), 0), maxHeaderMillis))
	binary.BigEndian.PutUint16(b[18:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[20:], uint32(ms))
	binary.BigEndian.PutUint32(b[24:], h.Checksum)
	return b
}

// Text returns the text form: base64url without padding.
func (h Header) Text() string {
	b := h.Encode()
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Numbered reports whether the UID is of a Rollcall source and so has a place in a roll.
func (h Header) Numbered() bool { return h.Flags&FlagNumbered != 0 && h.UID.Numbered() }

// Canary reports whether the event is a synthetic probe.
func (h Header) Canary() bool { return h.Flags&FlagCanary != 0 }

// DecodeHeader reads the binary form without allocating. The version is looked
// at before the length, because a later version may be longer. Errors:
// ErrHeaderVersion, ErrHeaderLength, ErrHeaderFlags.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) > 0 && b[0] != headerVersion {
		return Header{}, ErrHeaderVersion
	}
	if len(b) != HeaderSize {
		return Header{}, ErrHeaderLength
	}
	if b[1]&^flagsKnown != 0 {
		return Header{}, ErrHeaderFlags
	}
	ms := int64(binary.BigEndian.Uint16(b[18:]))<<32 | int64(binary.BigEndian.Uint32(b[20:]))
	return Header{
		Flags:      b[1],
		UID:        UID(b[2:18]),
		ProducedAt: time.UnixMilli(ms).UTC(),
		Checksum:   binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// DecodeHeaderText reads the text form. Errors: ErrHeaderText and those of DecodeHeader.
func DecodeHeaderText(text string) (Header, error) {
	if len(text) != HeaderTextSize {
		if len(text) >= 2 && text[:2] != "AQ" {
			return Header{}, ErrHeaderVersion
		}
		return Header{}, ErrHeaderLength
	}
	var in [HeaderTextSize]byte
	copy(in[:], text)
	var b [HeaderSize]byte
	if n, err := base64.RawURLEncoding.Strict().Decode(b[:], in[:]); err != nil || n != HeaderSize {
		return Header{}, ErrHeaderText
	}
	return DecodeHeader(b[:])
}
