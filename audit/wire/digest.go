package wire

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// Digest returns 64 bits of SHA-256 over a canonical form of a normalised
// report's content, and never 0. It does not depend on the form in which the
// report came, nor on the order of maps or the containers of bitmaps; the order of
// lists counts. Two reports of one number and different digests are different reports.
func Digest(r Report) uint64 {
	d := digester{h: sha256.New()}
	d.report(&r)
	sum := d.h.Sum(nil)
	return max(1, binary.BigEndian.Uint64(sum))
}

// digester feeds a hash; every value has a length or follows a count, so that no
// two contents give the same bytes.
type digester struct {
	h   hash.Hash
	buf [binary.MaxVarintLen64]byte
}

func (d *digester) numbers(all ...uint64) {
	for _, v := range all {
		d.h.Write(binary.AppendUvarint(d.buf[:0], v))
	}
}

func (d *digester) text(all ...string) {
	for _, t := range all {
		d.numbers(uint64(len(t)))
		d.h.Write([]byte(t))
	}
}

func (d *digester) time(t time.Time) { d.numbers(uint64(t.Unix()), uint64(t.Nanosecond())) }

func (d *digester) report(r *Report) {
	d.text(r.Stream, r.Hop, r.Host, r.Container, r.Version)
	d.numbers(uint64(len(r.After)))
	d.text(r.After...)
	d.h.Write(r.Emitter[:])
	idempotent := uint64(0)
	if r.Idempotent {
		idempotent = 1
	}
	d.numbers(uint64(r.Epoch), idempotent, uint64(r.Heartbeat), r.Number, uint64(r.State), uint64(r.LaneCount))
	d.time(r.SentAt)
	d.numbers(r.Spool.Events, r.Spool.Bytes, uint64(len(r.Lanes)))
	for _, lane := range slices.Sorted(maps.Keys(r.Lanes)) {
		d.text(lane)
		d.time(r.Lanes[lane])
	}
	d.numbers(uint64(len(r.Windows)))
	for i := range r.Windows {
		d.window(&r.Windows[i])
	}
	d.numbers(uint64(len(r.Ended)))
	for i := range r.Ended {
		d.ended(&r.Ended[i])
	}
}

func (d *digester) window(w *Window) {
	d.time(w.Start)
	d.numbers(uint64(w.Seconds), w.Unplaced.TooOld, w.Unplaced.TooNew, w.Unplaced.Unreadable, w.Unplaced.NoUID)
	d.numbers(uint64(len(w.Sources)))
	for i := range w.Sources {
		s := &w.Sources[i]
		d.h.Write(s.ID[:])
		d.numbers(s.Observations, s.Bytes)
		for _, roll := range s.Rolls {
			d.roll(roll)
		}
	}
	d.numbers(uint64(len(w.Foreign)))
	for _, f := range w.Foreign {
		d.text(f.UID)
		d.numbers(f.Count, f.Filtered, f.Rejected, f.Corrupt, f.Invalid, f.Skewed)
	}
	d.numbers(uint64(len(w.Schemas)))
	for _, t := range w.Schemas {
		d.text(t.ID, t.Version, t.Outcome, t.Reason)
		d.numbers(t.Count)
	}
	d.numbers(uint64(len(w.Reasons)))
	for _, t := range w.Reasons {
		d.text(t.Reason)
		d.numbers(uint64(t.Kind), t.Count)
	}
	d.latency(w.Latency)
}

func (d *digester) latency(l *Latency) {
	if l == nil {
		d.numbers(0)
		return
	}
	d.numbers(1, uint64(uint32(l.Scale)), l.Zero, l.Negative, uint64(len(l.Counts)))
	for _, bucket := range slices.Sorted(maps.Keys(l.Counts)) {
		d.numbers(uint64(uint32(bucket)), l.Counts[bucket])
	}
}

func (d *digester) ended(e *Ended) {
	d.h.Write(e.Emitter[:])
	d.h.Write(e.Source[:])
	d.text(e.Reason)
	d.numbers(uint64(len(e.Windows)))
	starts := slices.SortedFunc(maps.Keys(e.Windows), func(a, b time.Time) int {
		return cmp.Or(cmp.Compare(a.Unix(), b.Unix()), cmp.Compare(a.Nanosecond(), b.Nanosecond()))
	})
	for _, start := range starts {
		span := e.Windows[start]
		d.time(start)
		d.numbers(uint64(span[0]), uint64(span[1]))
	}
}

// roll feeds the canonical Roaring form. An empty roll counts as none.
func (d *digester) roll(roll *roaring.Bitmap) {
	if roll == nil || roll.IsEmpty() {
		d.numbers(0)
		return
	}
	best := optimised(roll)
	d.numbers(best.GetSerializedSizeInBytes())
	_, _ = best.WriteTo(d.h) // a hash never fails
}
