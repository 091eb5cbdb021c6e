package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// emptyState is ClickHouse's serialised empty groupBitmap.
const emptyState = "\x00\x00"

// encodeBitmap writes b as ClickHouse's serialised groupBitmap of UInt32: 0x01, the
// length as a uvarint, and Roaring's portable bytes. card is the cardinality of b.
func encodeBitmap(b *roaring.Bitmap) (state string, card uint64, err error) {
	if b == nil || b.IsEmpty() {
		return emptyState, 0, nil
	}
	size := b.GetSerializedSizeInBytes()
	var text strings.Builder
	text.Grow(int(size) + 1 + binary.MaxVarintLen64)
	text.WriteByte(1)
	text.Write(binary.AppendUvarint(nil, size))
	if _, err := b.WriteTo(&text); err != nil {
		return "", 0, fmt.Errorf("store: serialise a roll: %w", err)
	}
	return text.String(), b.GetCardinality(), nil
}

// decodeBitmap reads what toString(groupBitmapState) gives: 0x00, a count and that many UInt32, little endian;
// or 0x01, a uvarint length and Roaring's portable bytes. An empty bitmap is nil.
func decodeBitmap(state string) (*roaring.Bitmap, error) {
	if state == "" || state == emptyState {
		return nil, nil
	}
	switch state[0] {
	case 0:
		return decodeSmall(state)
	case 1:
		n, used := binary.Uvarint([]byte(state[1:min(len(state), 11)]))
		if used <= 0 || uint64(len(state)-1-used) != n {
			return nil, fmt.Errorf("store: a bitmap state of %d bytes states a length of %d", len(state), n)
		}
		b := roaring.New()
		if err := b.UnmarshalBinary([]byte(state[1+used:])); err != nil {
			return nil, fmt.Errorf("store: read a bitmap state: %w", err)
		}
		if b.IsEmpty() {
			return nil, nil
		}
		return b, nil
	}
	return nil, fmt.Errorf("store: a bitmap state begins with byte %d", state[0])
}

func decodeSmall(state string) (*roaring.Bitmap, error) {
	if len(state) < 2 || len(state) != 2+4*int(state[1]) {
		return nil, errors.New("store: a small bitmap state is cut short")
	}
	b := roaring.New()
	for i := 2; i < len(state); i += 4 {
		b.Add(binary.LittleEndian.Uint32([]byte(state[i : i+4])))
	}
	return b, nil
}

// rangeRoll is the roll of the numbers from span[0] to span[1], both inclusive.
func rangeRoll(span [2]uint32) *roaring.Bitmap {
	b := roaring.New()
	b.AddRange(uint64(span[0]), uint64(span[1])+1)
	return b
}

// contiguous reads the state of a groupBitmap of UInt64 report numbers and returns the largest n such that 1..n
// are all in it, and the largest number.
func contiguous(state string) (counted, highest uint64, err error) {
	numbers, err := decodeBitmap64(state)
	if err != nil || numbers == nil || numbers.IsEmpty() {
		return 0, 0, err
	}
	if highest = numbers.Maximum(); numbers.GetCardinality() == highest && !numbers.Contains(0) {
		return highest, highest, nil
	}
	it := numbers.Iterator()
	for it.HasNext() && it.PeekNext() == counted+1 {
		counted = it.Next()
	}
	return counted, highest, nil
}

// decodeBitmap64 is decodeBitmap for a groupBitmap of UInt64.
func decodeBitmap64(state string) (*roaring64.Bitmap, error) {
	if state == "" || state == emptyState {
		return nil, nil
	}
	b := roaring64.New()
	if state[0] == 0 {
		if len(state) < 2 || len(state) != 2+8*int(state[1]) {
			return nil, errors.New("store: a small bitmap state is cut short")
		}
		for i := 2; i < len(state); i += 8 {
			b.Add(binary.LittleEndian.Uint64([]byte(state[i : i+8])))
		}
		return b, nil
	}
	n, used := binary.Uvarint([]byte(state[1:min(len(state), 11)]))
	if used <= 0 || uint64(len(state)-1-used) != n {
		return nil, fmt.Errorf("store: a bitmap state of %d bytes states a length of %d", len(state), n)
	}
	if err := b.UnmarshalBinary([]byte(state[1+used:])); err != nil {
		return nil, fmt.Errorf("store: read a bitmap state: %w", err)
	}
	return b, nil
}
