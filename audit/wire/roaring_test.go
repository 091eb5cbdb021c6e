package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// words returns little endian bytes of uint16s.
func words(all ...uint16) []byte {
	var b []byte
	for _, w := range all {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b
}

func TestHostileRoaringIsRefused(t *testing.T) {
	array := func(values ...uint16) []byte {
		return append(words(cookiePlain, 0, 1, 0, 0, uint16(len(values)-1), 16, 0), words(values...)...)
	}
	runs := func(card uint16, all ...uint16) []byte {
		b := append(words(cookieRuns, 0), 1)
		return append(b, words(append([]uint16{0, card - 1, uint16(len(all) / 2)}, all...)...)...)
	}
	bitmap := func(card uint16, first byte) []byte {
		b := append(words(cookiePlain, 0, 1, 0, 0, card-1, 16, 0), bytes.Repeat([]byte{0xff}, 8192)...)
		b[16] = first
		return b
	}
	for _, c := range []struct {
		name    string
		in      []byte
		message string
	}{
		{"nothing", nil, "truncated"},
		{"three bytes", []byte{0x3a, 0x30, 0}, "truncated"},
		{"another cookie", words(1, 2, 3, 4), "not Roaring portable format"},
		{"too many containers", words(cookiePlain, 0, 1, 1), "65537 Roaring containers; limit 65536"},
		{"heads missing", words(cookiePlain, 0, 0xffff, 0), "truncated"},
		{"run flags missing", words(cookieRuns, 0xffff), "truncated"},
		{"array cut off", array(1, 2, 3)[:20], "truncated"},
		{"array out of order", array(1, 3, 2), "numbers ascend"},
		{"array with a repeat", array(1, 1), "numbers ascend"},
		{"bytes after the end", append(array(1), 0), "1 bytes after the end"},
		{"keys out of order", words(cookiePlain, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 7), "keys ascend"},
		{"key twice", words(cookiePlain, 0, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 7, 7), "keys ascend"},
		{"run beyond the container", runs(2, 0xffff, 1), "leaves its container"},
		{"runs overlap", runs(9, 0, 4, 3, 3), "touches"},
		{"runs touch", runs(10, 0, 4, 5, 4), "touches"},
		{"run container without runs", runs(1), "head says 1"},
		{"run cardinality wrong", runs(3, 0, 3), "hold 4 numbers, its head says 3"},
		{"bitmap cardinality wrong", bitmap(0xffff, 0), "holds 65528 numbers, its head says 65535"},
		{"bitmap cut off", bitmap(0, 0xff)[:8000], "truncated"},
	} {
		_, _, err := parseRoaring(c.in, 1<<20)
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, want %q", c.name, err, c.message)
		}
	}
	if _, _, err := parseRoaring(array(1, 2, 3), 21); err == nil || !strings.Contains(err.Error(), "22 bytes of Roaring; limit 21") {
		t.Errorf("above the limit: %v", err)
	}
}

// A run container may hold 32 768 runs, and roaring's own Validate compares each with
// each: a request of 4 MiB would keep a processor busy for a quarter of a minute.
func TestManyRunsAreCheckedInLinearTime(t *testing.T) {
	const containers, n = 7, 32_768
	b := append(words(cookieRuns, containers-1), 0x7f)
	for key := range uint16(containers) {
		b = append(b, words(key, n-1)...)
	}
	b = append(b, make([]byte, 4*containers)...)
	for range containers {
		b = append(b, words(n)...)
		for i := range n {
			b = append(b, words(uint16(2*i), 0)...)
		}
	}
	begin := time.Now()
	roll, _, err := parseRoaring(b, 1<<20)
	if err != nil || roll.GetCardinality() != containers*n {
		t.Fatalf("%v", err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("%v for %d bytes", took, len(b))
	}
	if err := roll.Validate(); err != nil {
		t.Error(err)
	}
}

func TestManyRangesAreUnpackedInLinearTime(t *testing.T) {
	var flat []uint32
	for n := uint32(0); n < 1<<21; n += 2 {
		flat = append(flat, n, n)
	}
	begin := time.Now()
	roll, err := unpackRanges(flat)
	if err != nil || roll.GetCardinality() != 1<<20 {
		t.Fatalf("%v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("%v for %d ranges", took, len(flat)/2)
	}
}

// genRanges draws ascending, disjoint ranges: dense and sparse, within and across containers.
func genRanges(t *rapid.T) []uint32 {
	var flat []uint32
	at := rapid.Uint64Range(0, 1<<32-1).Draw(t, "begin")
	gap := rapid.SampledFrom([]uint64{1, 3, 70, 70_000}).Draw(t, "gap")
	length := rapid.SampledFrom([]uint64{0, 2, 90, 200_000}).Draw(t, "length")
	for n := rapid.IntRange(0, 60).Draw(t, "n"); n > 0 && at < 1<<32; n-- {
		last := min(at+rapid.Uint64Range(0, length).Draw(t, "len"), 1<<32-1)
		flat = append(flat, uint32(at), uint32(last))
		at = last + rapid.Uint64Range(1, gap).Draw(t, "skip")
	}
	return flat
}

func TestRangesUnpackToTheSetTheyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flat := genRanges(t)
		want := roaring.New()
		for i := 0; i < len(flat); i += 2 {
			want.AddRange(uint64(flat[i]), uint64(flat[i+1])+1)
		}
		got, err := unpackRanges(flat)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		if !got.Equals(want) {
			t.Fatalf("%v unpack to %v", flat, got)
		}
		if len(flat) == 0 {
			return
		}
		again, _, err := parseRoaring(rangesToRoaring(flat), 1<<20)
		if err != nil || !again.Equals(want) {
			t.Fatalf("%v by way of Roaring: %v", flat, err)
		}
	})
}

// Between 2048 and 4096 single numbers an array is the smallest container.
func TestManySingleNumbersUnpackToAnArray(t *testing.T) {
	var flat []uint32
	want := roaring.New()
	for n := uint32(1 << 16); n < 1<<16+3*2100; n += 3 {
		flat = append(flat, n, n)
		want.Add(n)
	}
	got, err := unpackRanges(flat)
	if err != nil || !got.Equals(want) || got.Validate() != nil {
		t.Errorf("%d numbers, want %d: %v", got.GetCardinality(), want.GetCardinality(), err)
	}
}

func TestEncoderTakesTheSmallerForm(t *testing.T) {
	bytesOf := func(roll *roaring.Bitmap) (ranges bool, size int) {
		m, err := toProtoRoll(roll)
		if err != nil {
			t.Fatal(err)
		}
		return len(m.Roaring) == 0, proto.Size(m)
	}
	if ranges, size := bytesOf(rollOf(0, 150_000)); !ranges || size > 6 {
		t.Errorf("one range: %d bytes, ranges %v", size, ranges)
	}
	split := roaring.New()
	for n := uint32(0); n < 1<<16; n += 8 {
		split.Add(n + n*n%7)
	}
	if ranges, size := bytesOf(split); ranges || size > 8192+20 {
		t.Errorf("an eighth of a container: %d bytes, ranges %v", size, ranges)
	}
	if ranges, size := bytesOf(rollOf()); !ranges || size != 0 {
		t.Errorf("nothing: %d bytes, ranges %v", size, ranges)
	}
	before := split.HasRunCompression()
	if _, err := EncodeProto(Batch{Reports: []Report{{Windows: []Window{{Sources: []Source{{Rolls: [Kinds]*roaring.Bitmap{split}}}}}}}}); err != nil {
		t.Fatal(err)
	}
	if split.HasRunCompression() != before {
		t.Error("encoding changed the caller's bitmap")
	}
}
