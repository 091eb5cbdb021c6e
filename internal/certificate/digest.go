package certificate

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// kinds are those that are digested: the order is part of the digest.
var kinds = []wire.Kind{wire.Seen, wire.Filtered, wire.Rejected}

// Digests makes the digests of what hops took over in an hour, in one pass and bounded memory. Fed with the same sets it gives the same
// digests, however these are encoded and into whatever pieces of a source they come, in whichever order; sources come in the order of window
// and source, foreign UIDs in that of window and UID.
//
// The digest of a hop is the SHA-256 of two others, that of its rolls and that of its foreign UIDs. The first is over, for each window, source and
// kind (seen 0, filtered 4, rejected 5) of which there is any event, ascending: the byte 1, the window's start (Unix seconds, 8 bytes, as all
// numbers big endian), the source (16 bytes), the kind (1 byte), the number of maximal runs of numbers (4 bytes), and of each run its first and last number
// (4 bytes each). The second is over, for each window and foreign UID ascending: the byte 2, the window's start, the length of the UID in bytes (4
// bytes), the UID, and one byte with the bits 1 (seen), 2 (filtered), 4 (rejected).
type Digests struct {
	hops    map[string]*hopDigest
	start   int64    // of the source in hand
	source  wire.UID // in hand
	rolls   map[string]*[wire.Kinds]*roaring.Bitmap
	foreign struct {
		start int64
		uid   string
		hops  map[string]byte
		any   bool
	}
	any    bool
	buffer []byte
}

// hopDigest is what a hop has come to so far.
type hopDigest struct {
	Hop
	rolls, foreign hash.Hash
}

// NewDigests digests nothing yet. Hops that are named are in the outcome, be there no event.
func NewDigests(hops ...string) *Digests {
	d := &Digests{hops: map[string]*hopDigest{}, rolls: map[string]*[wire.Kinds]*roaring.Bitmap{}}
	d.foreign.hops = map[string]byte{}
	for _, h := range hops {
		d.hop(h)
	}
	return d
}

func (d *Digests) hop(name string) *hopDigest {
	h := d.hops[name]
	if h == nil {
		h = &hopDigest{Hop: Hop{Hop: name}, rolls: sha256.New(), foreign: sha256.New()}
		d.hops[name] = h
	}
	return h
}

// Roll adds a piece of what a hop says of a source. Kinds that are not digested, and empty pieces, change nothing. The roll is not kept.
func (d *Digests) Roll(start time.Time, source wire.UID, hop string, kind wire.Kind, roll *roaring.Bitmap) error {
	if !slices.Contains(kinds, kind) || roll == nil || roll.IsEmpty() {
		return nil
	}
	if at := start.Unix(); !d.any || at != d.start || source != d.source {
		if d.any && cmp.Or(cmp.Compare(at, d.start), slices.Compare(source[:], d.source[:])) < 0 {
			return fmt.Errorf("certificate: source %s of window %s comes too late", source, stamp(start))
		}
		d.endSource()
		d.start, d.source, d.any = at, source, true
	}
	set := d.rolls[hop]
	if set == nil {
		set = &[wire.Kinds]*roaring.Bitmap{}
		d.rolls[hop] = set
	}
	if set[kind] == nil {
		set[kind] = roll.Clone()
	} else {
		set[kind].Or(roll)
	}
	return nil
}

// endSource digests the source in hand.
func (d *Digests) endSource() {
	for name, set := range d.rolls {
		h := d.hop(name)
		for _, kind := range kinds {
			if set[kind] != nil {
				h.rolls.Write(d.runs(kind, set[kind]))
				h.count(kind, set[kind].GetCardinality())
			}
		}
	}
	clear(d.rolls)
}

// runs writes a roll as the digest wants it.
func (d *Digests) runs(kind wire.Kind, roll *roaring.Bitmap) []byte {
	b := binary.BigEndian.AppendUint64(append(d.buffer[:0], 1), uint64(d.start))
	b = append(append(b, d.source[:]...), byte(kind))
	at, n := len(b), uint32(0)
	b = append(b, 0, 0, 0, 0)
	for first, end := range roll.Ranges() {
		b = binary.BigEndian.AppendUint32(b, first)
		b = binary.BigEndian.AppendUint32(b, uint32(end-1))
		n++
	}
	binary.BigEndian.PutUint32(b[at:], n)
	d.buffer = b
	return b
}

func (h *hopDigest) count(kind wire.Kind, n uint64) {
	switch kind {
	case wire.Seen:
		h.Events += n
	case wire.Filtered:
		h.Filtered += n
	case wire.Rejected:
		h.Rejected += n
	}
}

// Foreign adds what a hop says of an event that Rollcall did not number: whether it took it over, filtered and rejected it.
func (d *Digests) Foreign(start time.Time, uid, hop string, seen, filtered, rejected bool) error {
	bits := bit(seen) | bit(filtered)<<1 | bit(rejected)<<2
	if bits == 0 {
		return nil
	}
	f := &d.foreign
	if at := start.Unix(); !f.any || at != f.start || uid != f.uid {
		if f.any && cmp.Or(cmp.Compare(at, f.start), cmp.Compare(uid, f.uid)) < 0 {
			return fmt.Errorf("certificate: foreign UID %.80q of window %s comes too late", uid, stamp(start))
		}
		d.endForeign()
		f.start, f.uid, f.any = at, uid, true
	}
	f.hops[hop] |= bits
	return nil
}

func (d *Digests) endForeign() {
	f := &d.foreign
	for name, bits := range f.hops {
		h := d.hop(name)
		b := binary.BigEndian.AppendUint64(append(d.buffer[:0], 2), uint64(f.start))
		b = binary.BigEndian.AppendUint32(b, uint32(len(f.uid)))
		b = append(append(b, f.uid...), bits)
		h.foreign.Write(b)
		d.buffer = b
		for i, kind := range kinds {
			h.count(kind, uint64(bits>>i&1))
		}
	}
	clear(f.hops)
}

// Hops ends the digests and returns them by the names of the hops.
func (d *Digests) Hops() []Hop {
	d.endSource()
	d.endForeign()
	hops := make([]Hop, 0, len(d.hops))
	for _, name := range slices.Sorted(maps.Keys(d.hops)) {
		h := d.hops[name]
		h.Digest = sha256.Sum256(h.foreign.Sum(h.rolls.Sum(nil)))
		hops = append(hops, h.Hop)
	}
	return hops
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
