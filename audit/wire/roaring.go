package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
)

// The Roaring portable format (https://github.com/RoaringBitmap/RoaringFormatSpec), all little endian:
//
//	cookie 12346, count uint32                      without run containers, or
//	cookie 12347 | (count-1)<<16, count run flags   with them
//	count × (key uint16, cardinality-1 uint16)
//	count × offset uint32                           absent with run flags and count < 4
//	containers: runs (n uint16, n × (start, length-1)), sorted uint16s up to 4096, or 8 KiB of bits
const (
	cookiePlain      = 12346
	cookieRuns       = 12347
	offsetsFrom      = 4
	arrayMost        = 4096
	bitmapBytes      = 8192
	containersMost   = 1 << 16
	runContainerMost = 2047 // above it a bitmap is smaller
)

// parseRoaring reads a bitmap of at most most bytes from its portable form, and
// returns it with about how many bytes of memory it takes. What it returns
// satisfies roaring's own Validate: nothing is given to the library that was not
// checked before, in time linear in the input.
func parseRoaring(b []byte, most int) (*roaring.Bitmap, int, error) {
	if len(b) > most {
		return nil, 0, fmt.Errorf("%d bytes of Roaring; limit %d", len(b), most)
	}
	n, err := checkRoaring(b)
	if err != nil {
		return nil, 0, err
	}
	roll, err := loadRoaring(b)
	if err != nil {
		return nil, 0, err
	}
	return roll, n*containerBytes + len(b), nil
}

// loadRoaring turns a panic of the library, which no input that checkRoaring
// passes should cause, into an error.
func loadRoaring(b []byte) (roll *roaring.Bitmap, err error) {
	defer func() {
		if p := recover(); p != nil {
			roll, err = nil, fmt.Errorf("not Roaring portable format: %v", p)
		}
	}()
	roll = roaring.New()
	read, err := roll.ReadFrom(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("not Roaring portable format: %w", err)
	}
	if read != int64(len(b)) {
		return nil, fmt.Errorf("%d bytes after the end of the Roaring bitmap", int64(len(b))-read)
	}
	roll.RunOptimize()
	return roll, nil
}

// roaringReader walks serialised bytes; take fails once they are used up.
type roaringReader struct {
	rest []byte
	err  error
}

func (r *roaringReader) take(n int) []byte {
	if r.err != nil || n > len(r.rest) {
		if r.err == nil {
			r.err = fmt.Errorf("truncated Roaring: %d bytes are left where %d are needed", len(r.rest), n)
		}
		r.rest = nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *roaringReader) uint16() int {
	if b := r.take(2); b != nil {
		return int(binary.LittleEndian.Uint16(b))
	}
	return 0
}

func (r *roaringReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// checkRoaring returns how many containers b holds, or the first thing wrong with it.
func checkRoaring(b []byte) (int, error) {
	r := &roaringReader{rest: b}
	n, flags, err := roaringCookie(r)
	if err != nil {
		return 0, err
	}
	heads := r.take(4 * n)
	if flags == nil || n >= offsetsFrom {
		r.take(4 * n)
	}
	previous := -1
	for i := 0; i < n && r.err == nil; i++ {
		key := int(binary.LittleEndian.Uint16(heads[4*i:]))
		card := int(binary.LittleEndian.Uint16(heads[4*i+2:])) + 1
		if key <= previous {
			return 0, fmt.Errorf("container %d: key %d after key %d; keys ascend", i, key, previous)
		}
		previous = key
		isRun := flags != nil && flags[i/8]&(1<<(i%8)) != 0
		if err := checkContainer(r, card, isRun); err != nil {
			return 0, fmt.Errorf("container %d: %w", i, err)
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(r.rest) != 0 {
		return 0, fmt.Errorf("%d bytes after the end of the Roaring bitmap", len(r.rest))
	}
	return n, nil
}

func roaringCookie(r *roaringReader) (n int, flags []byte, err error) {
	cookie := r.uint32()
	switch {
	case r.err != nil:
		return 0, nil, r.err
	case cookie == cookiePlain:
		count := r.uint32()
		if count > containersMost {
			return 0, nil, fmt.Errorf("%d Roaring containers; limit %d", count, containersMost)
		}
		return int(count), nil, r.err
	case cookie&0xffff == cookieRuns:
		n = int(cookie>>16) + 1
		flags = r.take((n + 7) / 8)
		return n, flags, r.err
	}
	return 0, nil, fmt.Errorf("not Roaring portable format: it begins with %#x, not with 12346 or 12347", cookie)
}

func checkContainer(r *roaringReader, card int, isRun bool) error {
	switch {
	case isRun:
		return checkRuns(r, card)
	case card <= arrayMost:
		return checkArray(r, card)
	}
	b := r.take(bitmapBytes)
	have := 0
	for ; len(b) >= 8; b = b[8:] {
		have += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	if r.err == nil && have != card {
		return fmt.Errorf("its bitmap holds %d numbers, its head says %d", have, card)
	}
	return r.err
}

func checkArray(r *roaringReader, card int) error {
	previous := -1
	for b := r.take(2 * card); len(b) >= 2; b = b[2:] {
		v := int(binary.LittleEndian.Uint16(b))
		if v <= previous {
			return fmt.Errorf("%d after %d; numbers ascend", v, previous)
		}
		previous = v
	}
	return r.err
}

func checkRuns(r *roaringReader, card int) error {
	n := r.uint16()
	have, end := 0, -1 // end of the run before
	for b := r.take(4 * n); len(b) >= 4; b = b[4:] {
		first := int(binary.LittleEndian.Uint16(b))
		last := first + int(binary.LittleEndian.Uint16(b[2:]))
		if last > 0xffff {
			return fmt.Errorf("the run from %d leaves its container", first)
		}
		if end >= 0 && first <= end+1 {
			return fmt.Errorf("the run from %d touches the run before; runs ascend apart", first)
		}
		have, end = have+last-first+1, last
	}
	if r.err == nil && have != card {
		return fmt.Errorf("its %d runs hold %d numbers, its head says %d", n, have, card)
	}
	return r.err
}
