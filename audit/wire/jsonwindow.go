package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

func (d *jsonDecoder) window(w *Window) {
	d.object([]string{"start", "seconds"}, func(key string) bool {
		switch key {
		case "start":
			w.Start = d.time()
		case "seconds":
			w.Seconds = d.uint32()
		case "sources":
			w.Sources = list(d, d.source)
		case "foreign":
			w.Foreign = list(d, d.foreign)
		case "latency":
			w.Latency = d.latency()
		case "schemas":
			w.Schemas = list(d, d.schema)
		case "reasons":
			w.Reasons = list(d, d.reason)
		case "unplaced":
			d.object(nil, func(key string) bool {
				u := &w.Unplaced
				return d.counter(key, counters{{"tooOld", &u.TooOld}, {"tooNew", &u.TooNew}, {"unreadable", &u.Unreadable}, {"noUid", &u.NoUID}})
			})
		default:
			return false
		}
		return true
	})
}

func (d *jsonDecoder) source(s *Source) {
	d.object([]string{"source", "seen"}, func(key string) bool {
		switch key {
		case "source":
			s.ID = d.uid()
			return true
		case "observations":
			s.Observations = d.uint64()
			return true
		case "bytes":
			s.Bytes = d.uint64()
			return true
		}
		for k := range Kinds {
			if k.String() == key {
				s.Rolls[k] = d.roll()
				return true
			}
		}
		return false
	})
}

func (d *jsonDecoder) roll() *roaring.Bitmap {
	var roll *roaring.Bitmap
	before, forms := len(d.faults), 0
	d.object(nil, func(key string) bool {
		switch key {
		case "ranges":
			roll = d.ranges()
		case "roaring":
			roll = d.roaring()
		default:
			return false
		}
		forms++
		return true
	})
	if forms != 1 && len(d.faults) == before {
		d.fault("want one of ranges and roaring, have %d of them", forms)
	}
	return roll
}

func (d *jsonDecoder) ranges() *roaring.Bitmap {
	var flat []uint32
	before := len(d.faults)
	d.array(func(i int) {
		pair := d.pair()
		if len(d.faults) > before || d.dead {
			return
		}
		flat = append(flat, pair[0], pair[1])
		if _, message := rangesFault(flat[max(0, 2*i-2):]); message != "" {
			d.fault("%s", message)
		}
	})
	if len(d.faults) > 0 || !d.afford(rangesCost(flat)) {
		return nil
	}
	roll, err := unpackRanges(flat)
	if err != nil {
		d.fault("%v", err)
	}
	return roll
}

// pair reads [first, last].
func (d *jsonDecoder) pair() (pair [2]uint32) {
	before, n := len(d.faults), 0
	d.array(func(i int) {
		if n++; i < 2 {
			pair[i] = d.uint32()
		} else {
			d.skip()
		}
	})
	if n != 2 && len(d.faults) == before {
		d.fault("a range of %d numbers; want [first, last]", n)
	}
	return pair
}

func (d *jsonDecoder) roaring() *roaring.Bitmap {
	text, ok := d.text()
	if !ok {
		return nil
	}
	if n := base64.StdEncoding.DecodedLen(len(text)); n > d.l.Roll+2 {
		d.fault("about %d bytes of Roaring; limit %d", n, d.l.Roll)
		return nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		d.fault("a string of %d characters that is not base64 (RFC 4648, with padding)", len(text))
		return nil
	}
	roll, cost, err := parseRoaring(b, d.l.Roll)
	if err != nil {
		d.fault("%v", err)
		return nil
	}
	d.afford(cost)
	return roll
}

func (d *jsonDecoder) foreign(f *Foreign) {
	d.object([]string{"uid"}, func(key string) bool {
		if key == "uid" {
			f.UID = d.string()
			return true
		}
		return d.counter(key, counters{
			{"count", &f.Count}, {"filtered", &f.Filtered}, {"rejected", &f.Rejected},
			{"corrupt", &f.Corrupt}, {"invalid", &f.Invalid}, {"skewed", &f.Skewed},
		})
	})
}

func (d *jsonDecoder) latency() *Latency {
	l := &Latency{}
	d.object(nil, func(key string) bool {
		switch key {
		case "scale":
			l.Scale = d.int32()
		case "counts":
			l.Counts = mapOf(d, d.bucket, d.uint64)
		default:
			return d.counter(key, counters{{"zero", &l.Zero}, {"negative", &l.Negative}})
		}
		return true
	})
	return l
}

func (d *jsonDecoder) bucket(text string) int32 {
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil || !isInteger(text) {
		d.fault("%q is no bucket; want an integer from %d to %d", clip(text), math.MinInt32, math.MaxInt32)
	}
	return int32(v)
}

func (d *jsonDecoder) schema(t *SchemaTally) {
	d.object(nil, func(key string) bool {
		switch key {
		case "id":
			t.ID = d.string()
		case "version":
			t.Version = d.string()
		case "outcome":
			t.Outcome = outcomeNames[oneOf[uint8](d, outcomeNames[:])]
		case "reason":
			t.Reason = d.string()
		case "count":
			t.Count = d.uint64()
		default:
			return false
		}
		return true
	})
}

func (d *jsonDecoder) reason(t *ReasonTally) {
	d.object([]string{"kind"}, func(key string) bool {
		switch key {
		case "kind":
			t.Kind = reasonKind(oneOf[uint8](d, reasonKindNames[:]))
		case "reason":
			t.Reason = d.string()
		case "count":
			t.Count = d.uint64()
		default:
			return false
		}
		return true
	})
}

func (d *jsonDecoder) ended(e *Ended) {
	d.object([]string{"emitter"}, func(key string) bool {
		switch key {
		case "emitter":
			e.Emitter = d.uid()
		case "source":
			e.Source = d.uid()
		case "windows":
			e.Windows = mapOf(d, d.parseTime, d.span)
		case "reason":
			e.Reason = d.string()
		default:
			return false
		}
		return true
	})
}

// span reads what an ended source had numbered in one window.
func (d *jsonDecoder) span() [2]uint32 {
	span := d.pair()
	if span[0] <= span[1] {
		d.afford(rangesCost(span[:]))
	}
	return span
}
