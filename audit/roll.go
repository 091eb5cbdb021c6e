package audit

import "github.com/RoaringBitmap/roaring/v2"

// longestRun is how many numbers a run may hold before it is kept as a range of
// a bitmap, instead of being spread into bits, when a number breaks it.
const longestRun = 1 << 20

// roll is a set of sequence numbers under construction. While the numbers come
// one after the other it is a run and needs no memory of its own; out of order
// it is a plain bit set around the numbers seen, at most 16 bytes a number; what
// lies too far off goes into a Roaring bitmap.
type roll struct {
	lo, hi uint64 // the run [lo, hi), while bits is nil
	bits   []uint64
	base   uint32 // bit b of bits[i] is number (base+i)*64 + b
	count  uint64 // numbers in bits
	far    *roaring.Bitmap
}

func (r *roll) empty() bool { return r.lo == r.hi && r.bits == nil }

// add puts n into the roll and reports whether it was new.
func (r *roll) add(n uint32) bool {
	if r.bits != nil {
		return r.set(n)
	}
	switch v := uint64(n); {
	case r.lo == r.hi:
		r.lo, r.hi = v, v+1
	case v == r.hi:
		r.hi++
	case v >= r.lo && v < r.hi:
		return false
	case v+1 == r.lo:
		r.lo--
	default:
		r.spread(n)
		return r.set(n)
	}
	return true
}

// addRun puts lo to hi-1 into the roll and reports whether it did: it leaves the roll
// as it is where one of them is there already, or where it is cheaper to ask for each.
func (r *roll) addRun(lo, hi uint64) bool {
	if r.bits == nil {
		switch {
		case r.lo == r.hi:
			r.lo, r.hi = lo, hi
			return true
		case lo == r.hi:
			r.hi = hi
			return true
		case lo < r.hi && hi > r.lo:
			return false
		}
		r.spread(uint32(lo))
	}
	return r.far == nil && r.setRun(lo, hi)
}

// setRun sets bits lo to hi-1, if they are all clear.
func (r *roll) setRun(lo, hi uint64) bool {
	if !r.reach(uint32(lo>>6)) || !r.reach(uint32((hi-1)>>6)) {
		return false
	}
	clear := r.words(lo, hi, func(word *uint64, mask uint64) bool { return *word&mask == 0 })
	if !clear {
		return false
	}
	r.count += hi - lo
	return r.words(lo, hi, func(word *uint64, mask uint64) bool { *word |= mask; return true })
}

// words calls f with each word that bits lo to hi-1 lie in, and a mask of them, while
// it returns true.
func (r *roll) words(lo, hi uint64, f func(word *uint64, mask uint64) bool) bool {
	first, last := lo>>6, (hi-1)>>6
	for w := first; w <= last; w++ {
		mask := ^uint64(0)
		if w == first {
			mask <<= lo & 63
		}
		if w == last {
			mask &= ^uint64(0) >> (63 - (hi-1)&63)
		}
		if !f(&r.bits[w-uint64(r.base)], mask) {
			return false
		}
	}
	return true
}

// reach makes room for a word, unless there is room.
func (r *roll) reach(word uint32) bool {
	i := int64(word) - int64(r.base)
	return i >= 0 && i < int64(len(r.bits)) || r.cover(word)
}

// contains reports whether n is in the roll.
func (r *roll) contains(n uint32) bool {
	if r.bits == nil {
		return uint64(n) >= r.lo && uint64(n) < r.hi
	}
	i := int64(n>>6) - int64(r.base)
	if i >= 0 && i < int64(len(r.bits)) && r.bits[i]&(1<<(n&63)) != 0 {
		return true
	}
	return r.far != nil && r.far.Contains(n)
}

// spread turns the run into bits, for a number n that is next to neither end.
func (r *roll) spread(n uint32) {
	if r.hi-r.lo > longestRun {
		r.far = roaring.New()
		r.far.AddRange(r.lo, r.hi)
		r.base, r.bits = n>>6, make([]uint64, 1, 8)
	} else {
		r.base = uint32(r.lo >> 6)
		r.bits = make([]uint64, (r.hi-1)>>6-r.lo>>6+1)
		for v := r.lo; v < r.hi; v++ {
			r.bits[v>>6-uint64(r.base)] |= 1 << (v & 63)
		}
		r.count = r.hi - r.lo
	}
	r.lo, r.hi = 0, 0
}

func (r *roll) set(n uint32) bool {
	i := int64(n>>6) - int64(r.base)
	if i < 0 || i >= int64(len(r.bits)) {
		if !r.cover(n >> 6) {
			return r.setFar(n)
		}
		i = int64(n>>6) - int64(r.base)
	}
	bit := uint64(1) << (n & 63)
	if r.bits[i]&bit != 0 || (r.far != nil && r.far.Contains(n)) {
		return false
	}
	r.bits[i] |= bit
	r.count++
	return true
}

// cover makes room for the given word, unless that would cost more than the
// numbers are worth. Room in front is taken generously, so that numbers that
// come in descending order do not copy the whole set each time.
func (r *roll) cover(word uint32) bool {
	limit := int64(64 + 2*r.count)
	if word >= r.base {
		need := int64(word) - int64(r.base) + 1
		if need > limit {
			return false
		}
		r.bits = append(r.bits, make([]uint64, need-int64(len(r.bits)))...)
		return true
	}
	more := int64(r.base) - int64(word)
	if more+int64(len(r.bits)) > limit {
		return false
	}
	more = min(int64(r.base), max(more, int64(len(r.bits)/2)))
	r.bits = append(make([]uint64, more, more+int64(cap(r.bits))), r.bits...)
	r.base -= uint32(more)
	return true
}

func (r *roll) setFar(n uint32) bool {
	if r.far == nil {
		r.far = roaring.New()
	}
	return r.far.CheckedAdd(n)
}

// bitmap returns the roll as a bitmap of its own.
func (r *roll) bitmap() *roaring.Bitmap {
	b := roaring.New()
	if r.bits == nil {
		b.AddRange(r.lo, r.hi)
		return b
	}
	first := r.base &^ 1023 // 1024 words are one container
	dense := make([]uint64, int(r.base-first)+len(r.bits))
	copy(dense[r.base-first:], r.bits)
	b = roaring.FromDense(dense, false)
	if first > 0 {
		b = roaring.AddOffset64(b, int64(first)<<6)
	}
	if r.far != nil {
		b.Or(r.far)
	}
	b.RunOptimize()
	return b
}

// size is about how many bytes the roll takes beside its own struct.
func (r *roll) size() int {
	n := 8 * cap(r.bits)
	if r.far != nil {
		n += int(r.far.GetSizeInBytes())
	}
	return n
}

// settled is a set of numbers that were sealed into a report. It is read for
// repeats on the event path, so the common answer, "newer than all of these", is
// one comparison.
type settled struct {
	lo, hi uint64 // all numbers lie in [lo, hi); they are all there while bm is nil
	bm     *roaring.Bitmap
}

func (s *settled) contains(n uint32) bool {
	v := uint64(n)
	if v >= s.hi || v < s.lo {
		return false
	}
	return s.bm == nil || s.bm.Contains(n)
}

// meets reports whether one of lo to hi-1 is in the set.
func (s *settled) meets(lo, hi uint64) bool {
	if lo >= s.hi || hi <= s.lo {
		return false
	}
	return s.bm == nil || s.bm.IntersectsWithInterval(lo, hi)
}

// seal moves the fresh roll into the settled set and returns what moved.
func (s *settled) seal(fresh *roll) *roaring.Bitmap {
	moved := fresh.bitmap()
	run := fresh.bits == nil
	lo, hi := fresh.lo, fresh.hi
	*fresh = roll{}
	switch {
	case moved.IsEmpty():
		return moved
	case s.hi == s.lo && run:
		s.lo, s.hi = lo, hi
		return moved
	case run && s.bm == nil && lo <= s.hi && hi >= s.lo:
		s.lo, s.hi = min(s.lo, lo), max(s.hi, hi)
		return moved
	}
	s.join(moved)
	return moved
}

func (s *settled) join(moved *roaring.Bitmap) {
	if s.bm == nil {
		s.bm = roaring.New()
		s.bm.AddRange(s.lo, s.hi)
	}
	s.bm.Or(moved)
	s.lo, s.hi = uint64(s.bm.Minimum()), uint64(s.bm.Maximum())+1
}

// covers reports whether first..last are all in the set.
func (s *settled) covers(first, last uint32) bool {
	if uint64(first) < s.lo || uint64(last) >= s.hi {
		return false
	}
	if s.bm == nil {
		return true
	}
	n := s.bm.Rank(last)
	if first > 0 {
		n -= s.bm.Rank(first - 1)
	}
	return n == uint64(last)-uint64(first)+1
}

func (s *settled) size() int {
	if s.bm == nil {
		return 0
	}
	return int(s.bm.GetSizeInBytes())
}
