package wire

import "github.com/RoaringBitmap/roaring/v2"

// containerBytes is about what one roaring container costs in memory beside its content.
const containerBytes = 80

const defaultHeartbeat = 5

// packRanges returns roll as first, last, first, last …, or false as soon as
// these take more than most bytes by what size says of each number.
func packRanges(roll *roaring.Bitmap, size func(n uint32) int, most int) ([]uint32, bool) {
	var flat []uint32
	for first, end := range roll.Ranges() {
		last := uint32(end - 1)
		if most -= size(first) + size(last); most < 0 {
			return nil, false
		}
		flat = append(flat, first, last)
	}
	return flat, true
}

// optimised returns roll with its containers in their smallest form, which is
// also the canonical one. roll itself is left as it is.
func optimised(roll *roaring.Bitmap) *roaring.Bitmap {
	c := roll.Clone()
	c.RunOptimize()
	return c
}

// smallest returns the smaller of the two forms of a roll: its ranges as first,
// last …, where size says what a number takes on the wire, or its Roaring bytes,
// where expand says what these become.
func smallest(roll *roaring.Bitmap, size func(n uint32) int, expand func(bytes int) int) ([]uint32, []byte, error) {
	if roll == nil {
		return nil, nil, nil
	}
	best := optimised(roll)
	if flat, ok := packRanges(best, size, expand(int(best.GetSerializedSizeInBytes()))); ok {
		return flat, nil, nil
	}
	b, err := best.ToBytes()
	return nil, b, err
}

// Normalise makes of a batch what it means: in every source the other rolls join
// Seen, Seen is never nil and an empty other roll is, and a heartbeat not given is
// 5 s. The decoders end with it. It changes the batch's own bitmaps.
func Normalise(b Batch) {
	for i := range b.Reports {
		r := &b.Reports[i]
		if r.Heartbeat == 0 {
			r.Heartbeat = defaultHeartbeat
		}
		for j := range r.Windows {
			for k := range r.Windows[j].Sources {
				normaliseRolls(&r.Windows[j].Sources[k].Rolls)
			}
		}
	}
}

func normaliseRolls(rolls *[Kinds]*roaring.Bitmap) {
	if rolls[Seen] == nil {
		rolls[Seen] = roaring.New()
	}
	joined := false
	for k := Seen + 1; k < Kinds; k++ {
		switch {
		case rolls[k] == nil:
		case rolls[k].IsEmpty():
			rolls[k] = nil
		default:
			rolls[Seen].Or(rolls[k])
			joined = true
		}
	}
	if joined {
		rolls[Seen].RunOptimize()
	}
}
