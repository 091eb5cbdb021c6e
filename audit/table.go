package audit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// table finds the entry of a source. It is a hash table with linear probing: ids
// are 12 bytes of which 42 bits are random, so that two multiplications with random
// numbers spread them, and whoever makes up ids cannot aim at one slot. It exists
// because the built-in map costs half of what observing an event may.
type table struct {
	slots []slot // a power of two, at most half of them used
	used  int
	shift uint8 // 64 - log2(len(slots))
	seed  [2]uint64
}

type slot struct {
	high  uint64 // bytes 0-7 of the id
	low   uint32 // bytes 8-11
	entry *entry // nil: free
}

func newTable() table {
	const size = 8
	return table{
		slots: make([]slot, size), shift: uint8(64 - bits.Len(size-1)),
		seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1},
	}
}

// key returns what a table knows a source by, without its sequence.
func key(id *UID) (high uint64, low uint32) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint32(id[8:12])
}

// find returns the entry of a source, nil when there is none.
func (t *table) find(high uint64, low uint32) *entry {
	for i := t.place(high, low); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		if s.entry == nil || s.high == high && s.low == low {
			return s.entry
		}
	}
}

// add puts in the entry of a source that find did not find.
func (t *table) add(high uint64, low uint32, e *entry) {
	if t.used++; t.used > len(t.slots)/2 {
		old := t.slots
		t.slots = make([]slot, 2*len(old))
		t.shift--
		for _, s := range old {
			if s.entry != nil {
				t.put(s)
			}
		}
	}
	t.put(slot{high, low, e})
}

func (t *table) put(s slot) {
	i := t.place(s.high, s.low)
	for t.slots[i&(len(t.slots)-1)].entry != nil {
		i++
	}
	t.slots[i&(len(t.slots)-1)] = s
}

func (t *table) place(high uint64, low uint32) int {
	return int((high*t.seed[0] + uint64(low)*t.seed[1]) >> t.shift)
}
