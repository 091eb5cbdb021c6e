package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"
)

// fewRanges is how many ranges are added one by one; adding more of them that
// way takes quadratic time in the worst case.
const fewRanges = 16

// rangesFault returns the index of the first pair of flat (first, last, first,
// last …) that does not ascend, and what is wrong with it; "" when all is well.
func rangesFault(flat []uint32) (int, string) {
	for i := 0; i+1 < len(flat); i += 2 {
		if flat[i] > flat[i+1] {
			return i / 2, fmt.Sprintf("the range %d to %d ends before it begins", flat[i], flat[i+1])
		}
		if i > 0 && flat[i] <= flat[i-1] {
			return i / 2, fmt.Sprintf("the range from %d begins before the one before has ended, at %d; ranges ascend and do not overlap", flat[i], flat[i-1])
		}
	}
	return 0, ""
}

// rangesCost returns about how many bytes of memory the ranges take when
// unpacked. It never falls short by more than a constant factor.
func rangesCost(flat []uint32) int {
	cost := 0
	for i := 0; i+1 < len(flat); i += 2 {
		cost += 4 + int(flat[i+1]>>16-flat[i]>>16)*containerBytes
		if i == 0 || flat[i]>>16 != flat[i-1]>>16 {
			cost += containerBytes
		}
	}
	return cost
}

// unpackRanges returns the set that ascending, disjoint ranges hold.
func unpackRanges(flat []uint32) (*roaring.Bitmap, error) {
	if len(flat) > 2*fewRanges {
		return loadRoaring(rangesToRoaring(flat))
	}
	roll := roaring.New()
	for i := 0; i+1 < len(flat); i += 2 {
		roll.AddRange(uint64(flat[i]), uint64(flat[i+1])+1)
	}
	roll.RunOptimize()
	return roll, nil
}

// chunk is the part of some ranges that one container holds.
type chunk struct {
	key  uint16
	card int
	runs []uint16 // first, length-1, first, length-1 …
}

// chunks cuts ranges at the borders of containers, merging those that touch.
func chunks(flat []uint32) []chunk {
	var all []chunk
	for i := 0; i+1 < len(flat); i += 2 {
		for at := uint64(flat[i]); at <= uint64(flat[i+1]); {
			last := min(uint64(flat[i+1]), at|0xffff)
			all = appendRun(all, uint32(at), uint32(last))
			at = last + 1
		}
	}
	return all
}

func appendRun(all []chunk, first, last uint32) []chunk {
	key, low := uint16(first>>16), uint16(first)
	if len(all) == 0 || all[len(all)-1].key != key {
		all = append(all, chunk{key: key})
	}
	c := &all[len(all)-1]
	n := len(c.runs)
	if n > 0 && int(c.runs[n-2])+int(c.runs[n-1])+1 == int(low) {
		c.runs[n-1] += uint16(last-first) + 1
	} else {
		c.runs = append(c.runs, low, uint16(last-first))
	}
	c.card += int(last-first) + 1
	return all
}

// rangesToRoaring serialises at least one range in Roaring portable format, in linear time.
func rangesToRoaring(flat []uint32) []byte {
	all := chunks(flat)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(all)-1)<<16|cookieRuns)
	flags := make([]byte, (len(all)+7)/8)
	for i, c := range all {
		if c.isRun() {
			flags[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, flags...)
	for _, c := range all {
		b = binary.LittleEndian.AppendUint16(b, c.key)
		b = binary.LittleEndian.AppendUint16(b, uint16(c.card-1))
	}
	if len(all) >= offsetsFrom {
		b = append(b, make([]byte, 4*len(all))...) // offsets: the reader goes in order and skips them
	}
	for _, c := range all {
		b = c.append(b)
	}
	return b
}

func (c chunk) isRun() bool { return len(c.runs)/2 <= runContainerMost }

func (c chunk) append(b []byte) []byte {
	switch {
	case c.isRun():
		b = binary.LittleEndian.AppendUint16(b, uint16(len(c.runs)/2))
		for _, v := range c.runs {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
	case c.card <= arrayMost:
		c.each(func(v int) { b = binary.LittleEndian.AppendUint16(b, uint16(v)) })
	default:
		at := len(b)
		b = append(b, make([]byte, bitmapBytes)...)
		c.each(func(v int) { b[at+v/8] |= 1 << (v % 8) })
	}
	return b
}

func (c chunk) each(visit func(v int)) {
	for i := 0; i < len(c.runs); i += 2 {
		for v := int(c.runs[i]); v <= int(c.runs[i])+int(c.runs[i+1]); v++ {
			visit(v)
		}
	}
}
