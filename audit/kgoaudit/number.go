package kgoaudit

import (
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// carrier is the memory of one record's audit header.
type carrier struct {
	header [1]kgo.RecordHeader // the whole of a record's headers, where it has no others
	value  [wire.HeaderSize]byte
}

// slabSize is how many carriers are made at a time: a record that is kept keeps alive
// the headers of at most that many, 2 kB.
const slabSize = 32

// put gives a record its header. Headers that it shares with other records are left
// alone: a slice with room at its end may be that of many.
func (c *carrier) put(r *kgo.Record, h audit.Header) {
	c.value = h.Encode()
	c.header[0] = kgo.RecordHeader{Key: HeaderKey, Value: c.value[:]}
	if len(r.Headers) == 0 {
		r.Headers = c.header[:]
		return
	}
	headers := make([]kgo.RecordHeader, 0, len(r.Headers)+1)
	for _, other := range r.Headers {
		if other.Key != HeaderKey {
			headers = append(headers, other)
		}
	}
	r.Headers = append(headers, c.header[0])
}

// slab is carriers made together.
type slab struct {
	used     atomic.Int32
	carriers [slabSize]carrier
}

func (p *Producer) carrier() *carrier {
	for {
		s := p.slab.Load()
		if s != nil {
			if n := s.used.Add(1); n <= slabSize {
				return &s.carriers[n-1]
			}
		}
		p.slab.CompareAndSwap(s, new(slab))
	}
}

// ownUID returns the UID of a header of one of our sources that a record carries.
func (p *Producer) ownUID(r *kgo.Record) (uid audit.UID, value []byte, ours bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- { // ours is the last, unless another hook came after
		if r.Headers[i].Key != HeaderKey {
			continue
		}
		value = r.Headers[i].Value
		if len(value) != wire.HeaderSize || value[1]&wire.FlagNumbered == 0 {
			return uid, nil, false
		}
		uid = audit.UID(value[2:18])
		return uid, value, p.known(uid)
	}
	return uid, nil, false
}

// known reports whether a UID is of a source of this producer.
func (p *Producer) known(uid audit.UID) bool {
	source := uid.Source()
	if current := p.current.Load(); current != nil && *current == source {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent[source] != nil
}

// meet notes a source that the numbers are of from now on.
func (p *Producer) meet(source audit.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent[source] == nil {
		p.spent[source] = roaring.New()
	}
	p.current.Store(&source)
}

// maxSpent bounds the memory of rejected numbers of one source, in bytes.
const maxSpent = 1 << 20

// spend remembers numbers that were rejected: a copy of such a record that is produced
// again is a new event. Beyond the bound the older half is forgotten.
func (p *Producer) spend(uid audit.UID, count uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.spent[uid.Source()]
	if b == nil {
		return
	}
	first := uint64(uid.Sequence())
	b.AddRange(first, first+uint64(count))
	if p.spends++; p.spends%4096 != 0 {
		return
	}
	if b.RunOptimize(); b.GetSizeInBytes() > maxSpent {
		if middle, err := b.Select(uint32(b.GetCardinality() / 2)); err == nil {
			b.RemoveRange(0, uint64(middle))
		}
	}
}

// again decides about a record that comes with a header. One whose number was rejected
// gets a new one; so does one of a transaction in doubt, which may have been aborted. One
// of ours that is under way or has arrived keeps its number, and of its promises one is
// left out of account. Any other is forwarded.
func (p *Producer) again(r *kgo.Record) (renumber bool) {
	uid, _, ours := p.ownUID(r)
	if !ours {
		return false
	}
	doubtful := p.doubtful(uid)
	p.mu.Lock()
	defer p.mu.Unlock()
	if doubtful || p.spent[uid.Source()].Contains(uid.Sequence()) {
		p.stats.Renumbered++
		return true
	}
	p.stats.Repeated++
	p.repeats[uid]++
	p.repeating.Add(1)
	return false
}

// repeated reports whether a promise is the one more of a record produced again.
func (p *Producer) repeated(uid audit.UID) bool {
	if p.repeating.Load() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.repeats[uid]
	if n == 0 {
		return false
	}
	if p.repeats[uid] = n - 1; n == 1 {
		delete(p.repeats, uid)
	}
	p.repeating.Add(-1)
	return true
}
