package wire

import (
	"errors"
	"testing"
	"time"
)

func TestHeaderThatCannotBeReadSaysWhy(t *testing.T) {
	good := Header{Flags: FlagNumbered}.Append(nil)
	change := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"empty", nil, ErrHeaderLength},
		{"short", good[:27], ErrHeaderLength},
		{"long", append(append([]byte(nil), good...), 0), ErrHeaderLength},
		{"later version", change(0, 2), ErrHeaderVersion},
		{"later and longer version", append(change(0, 2), 0), ErrHeaderVersion},
		{"version zero", change(0, 0), ErrHeaderVersion},
		{"reserved flag", change(1, 4), ErrHeaderFlags},
		{"highest flag", change(1, 0x81), ErrHeaderFlags},
		{"good", good, nil},
	} {
		if _, err := DecodeHeader(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestHeaderTextThatCannotBeReadSaysWhy(t *testing.T) {
	good := Header{Flags: FlagNumbered}.Text()
	later := "Ag" + good[2:]
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrHeaderLength},
		{"padded", good + "==", ErrHeaderLength},
		{"standard alphabet", good[:36] + "+/", ErrHeaderText},
		{"newline inside", good[:20] + "\n" + good[21:], ErrHeaderText},
		{"stray bits at the end", good[:37] + "B", ErrHeaderText},
		{"later version", later, ErrHeaderVersion},
		{"later and longer version", later + "AAAA", ErrHeaderVersion},
		{"good", good, nil},
	} {
		if _, err := DecodeHeaderText(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestHeaderClampsTimesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want int64
	}{
		{time.UnixMilli(-1), 0},
		{time.UnixMilli(0), 0},
		{time.UnixMilli(1<<48 - 1), 1<<48 - 1},
		{time.UnixMilli(1 << 48), 1<<48 - 1},
	} {
		h, err := DecodeHeader(Header{ProducedAt: c.at}.Append(nil))
		if err != nil || h.ProducedAt.UnixMilli() != c.want {
			t.Errorf("%v came back as %v, %v", c.at, h.ProducedAt, err)
		}
	}
}

func TestHeaderIsWrittenAndReadWithoutAllocating(t *testing.T) {
	h := Header{Flags: FlagNumbered, ProducedAt: theTime, Checksum: 7}
	text := h.Text()
	buf := make([]byte, 0, HeaderSize)
	allocs := testing.AllocsPerRun(100, func() {
		buf = h.Append(buf[:0])
		if _, err := DecodeHeader(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeHeaderText(text); err != nil {
			t.Fatal(err)
		}
		Checksum(buf)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a header", allocs)
	}
}

func TestWindowsAreAlignedToTheEpoch(t *testing.T) {
	for _, seconds := range WindowSeconds() {
		for _, text := range []string{"2026-11-22T05:10:07.12Z", "1969-12-31T23:59:59Z", "2026-11-22T05:00:00Z"} {
			at := instant(t, text)
			start := WindowStart(at, seconds)
			if !Aligned(start, seconds) || start.After(at) || at.Sub(start) >= time.Duration(seconds)*time.Second {
				t.Errorf("window of %d s of %v starts at %v", seconds, at, start)
			}
		}
	}
	if Aligned(time.Unix(60, 1), 60) || Aligned(time.Unix(61, 0), 60) || Aligned(time.Unix(60, 0), 0) {
		t.Error("a misaligned start counts as aligned")
	}
}
