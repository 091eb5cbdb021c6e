package certificate

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// said is that a hop says one thing of one event.
type said struct {
	start  int64
	source byte
	hop    string
	kind   wire.Kind
	number uint32
}

// saidOfForeign is the same of an event with a foreign UID.
type saidOfForeign struct {
	start int64
	uid   string
	hop   string
	bits  byte
}

func sourceOf(b byte) wire.UID { return wire.UID{0: 1, 6: 0x80, 8: 0x80, 11: b} }

func drawSaid(t *rapid.T) map[said]bool {
	return maps.Collect(func(yield func(said, bool) bool) {
		for _, s := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) said {
			return said{
				start: rapid.Int64Range(0, 2).Draw(t, "start") * 60, source: rapid.ByteRange(0, 2).Draw(t, "source"),
				hop:  rapid.SampledFrom([]string{"app", "agent"}).Draw(t, "hop"),
				kind: rapid.SampledFrom([]wire.Kind{wire.Seen, wire.Filtered, wire.Rejected}).Draw(t, "kind"),
				number: rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Uint32Range(65_530, 65_540),
					rapid.Uint32Range(1<<32-3, 1<<32-1)).Draw(t, "number"),
			}
		}), 1, 60).Draw(t, "said") {
			if !yield(s, true) {
				return
			}
		}
	})
}

// feed gives what is said in pieces as it is drawn: of a source in any order, each set in one of several encodings.
func feed(t *rapid.T, all map[said]bool) []Hop {
	type place struct {
		start  int64
		source byte
	}
	pieces := map[place][]said{}
	for s := range all {
		p := place{s.start, s.source}
		pieces[p] = append(pieces[p], s)
	}
	d := NewDigests("app", "agent")
	order := slices.SortedFunc(maps.Keys(pieces), func(a, b place) int {
		return int(a.start-b.start)*1000 + int(a.source) - int(b.source)
	})
	for _, p := range order {
		for _, s := range rapid.Permutation(slices.Collect(maps.Keys(set(pieces[p])))).Draw(t, "order") {
			roll := roaring.BitmapOf(s.number)
			if rapid.Bool().Draw(t, "with others") { // a piece may repeat what others hold
				for o := range all {
					if o.start == s.start && o.source == s.source && o.hop == s.hop && o.kind == s.kind {
						roll.Add(o.number)
					}
				}
			}
			if rapid.Bool().Draw(t, "run containers") {
				roll.RunOptimize()
			}
			if err := d.Roll(time.Unix(s.start, 0), sourceOf(s.source), s.hop, s.kind, roll); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d.Hops()
}

func set(list []said) map[said]bool {
	m := map[said]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

func TestADigestIsOfTheSetAndOfNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := drawSaid(t)
		first, again := feed(t, all), feed(t, all)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("the same set, otherwise fed: %s", diff)
		}
		if diff := cmp.Diff(plainly(all), first); diff != "" {
			t.Fatalf("not as it is written down: %s", diff)
		}
		victim := rapid.SampledFrom(slices.SortedFunc(maps.Keys(all), compareSaid)).Draw(t, "victim")
		changed := maps.Clone(all)
		delete(changed, victim)
		if rapid.Bool().Draw(t, "another number") {
			other := victim
			other.number ^= 1 << rapid.IntRange(0, 31).Draw(t, "bit")
			if all[other] {
				return
			}
			changed[other] = true
		}
		if digestOf(feed(t, changed), victim.hop) == digestOf(first, victim.hop) {
			t.Fatalf("without %+v the digest is the same", victim)
		}
	})
}

func compareSaid(a, b said) int {
	return slices.Compare([]int64{a.start, int64(a.source), int64(a.kind), int64(a.number), int64(len(a.hop))},
		[]int64{b.start, int64(b.source), int64(b.kind), int64(b.number), int64(len(b.hop))})
}

func digestOf(hops []Hop, name string) Hash {
	for _, h := range hops {
		if h.Hop == name {
			return h.Digest
		}
	}
	return Hash{}
}

// plainly is the digest written a second time, number by number and straight from its description.
func plainly(all map[said]bool) []Hop {
	var hops []Hop
	for _, name := range []string{"agent", "app"} {
		rolls, h := sha256.New(), Hop{Hop: name}
		for start := int64(0); start <= 120; start += 60 {
			for source := byte(0); source < 3; source++ {
				for _, kind := range []wire.Kind{wire.Seen, wire.Filtered, wire.Rejected} {
					var numbers []uint32
					for s := range all {
						if s.start == start && s.source == source && s.kind == kind && s.hop == name {
							numbers = append(numbers, s.number)
						}
					}
					if len(numbers) == 0 {
						continue
					}
					slices.Sort(numbers)
					var runs [][2]uint32
					for i, n := range numbers {
						if i > 0 && numbers[i-1]+1 == n {
							runs[len(runs)-1][1] = n
						} else {
							runs = append(runs, [2]uint32{n, n})
						}
					}
					id := sourceOf(source)
					_ = binary.Write(rolls, binary.BigEndian, struct {
						Mark  byte
						Start int64
					}{1, start})
					rolls.Write(id[:])
					rolls.Write([]byte{map[wire.Kind]byte{wire.Seen: 0, wire.Filtered: 4, wire.Rejected: 5}[kind]})
					_ = binary.Write(rolls, binary.BigEndian, uint32(len(runs)))
					_ = binary.Write(rolls, binary.BigEndian, runs)
					*map[wire.Kind]*uint64{wire.Seen: &h.Events, wire.Filtered: &h.Filtered, wire.Rejected: &h.Rejected}[kind] += uint64(len(numbers))
				}
			}
		}
		none := sha256.Sum256(nil)
		h.Digest = sha256.Sum256(append(rolls.Sum(nil), none[:]...))
		hops = append(hops, h)
	}
	return hops
}

func TestForeignUIDsAreDigestedAsSets(t *testing.T) {
	digest := func(all ...saidOfForeign) []Hop {
		d := NewDigests("app")
		for _, s := range all {
			if err := d.Foreign(time.Unix(s.start, 0), s.uid, s.hop, s.bits&1 > 0, s.bits&2 > 0, s.bits&4 > 0); err != nil {
				t.Fatal(err)
			}
		}
		return d.Hops()
	}
	one := digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "b", "app", 3}, saidOfForeign{60, "a", "app", 1})
	if want := (Hop{Hop: "app", Events: 3, Filtered: 1, Digest: one[0].Digest}); one[0] != want {
		t.Errorf("%+v; want %+v", one[0], want)
	}
	split := digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "b", "app", 2}, saidOfForeign{0, "b", "app", 1}, saidOfForeign{0, "b", "app", 1},
		saidOfForeign{60, "a", "app", 1}, saidOfForeign{60, "a", "app", 0})
	if diff := cmp.Diff(one, split); diff != "" {
		t.Error(diff)
	}
	for name, other := range map[string][]Hop{
		"another window": digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "b", "app", 3}, saidOfForeign{120, "a", "app", 1}),
		"another UID":    digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "c", "app", 3}, saidOfForeign{60, "a", "app", 1}),
		"another kind":   digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "b", "app", 5}, saidOfForeign{60, "a", "app", 1}),
		"one fewer":      digest(saidOfForeign{0, "a", "app", 1}, saidOfForeign{0, "b", "app", 3}),
		"joined UIDs":    digest(saidOfForeign{0, "ab", "app", 3}, saidOfForeign{60, "a", "app", 1}),
	} {
		if other[0].Digest == one[0].Digest {
			t.Errorf("%s has the same digest", name)
		}
	}
}

func TestWhatComesTooLateForADigestIsRefused(t *testing.T) {
	d, roll := NewDigests(), roaring.BitmapOf(1)
	if err := d.Roll(time.Unix(60, 0), sourceOf(2), "app", wire.Seen, roll); err != nil {
		t.Fatal(err)
	}
	if d.Roll(time.Unix(60, 0), sourceOf(1), "app", wire.Seen, roll) == nil || d.Roll(time.Unix(0, 0), sourceOf(3), "app", wire.Seen, roll) == nil {
		t.Error("a source that was passed is taken")
	}
	if err := d.Foreign(time.Unix(60, 0), "b", "app", true, false, false); err != nil {
		t.Fatal(err)
	}
	if d.Foreign(time.Unix(60, 0), "a", "app", true, false, false) == nil {
		t.Error("a UID that was passed is taken")
	}
}
