package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// seed adds the golden files with an extension.
func seed(f *testing.F, extension string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*." + extension)
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files *.%s: %v", extension, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// same holds a decoded batch against what it is after encoding and decoding both ways.
func same(t *testing.T, b Batch) {
	l := DefaultLimits()
	l.Request, l.Roll = 1<<30, 1<<30 // another form may be longer
	text, err := EncodeJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := EncodeProto(b)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := DecodeJSON(text, l)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	fromProto, err := DecodeProto(binary, l)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(b, fromJSON) + diff(b, fromProto); d != "" {
		t.Fatal(d)
	}
	for i := range b.Reports {
		if Digest(b.Reports[i]) != Digest(fromProto.Reports[i]) || Digest(b.Reports[i]) != Digest(fromJSON.Reports[i]) {
			t.Fatal("the digest changed on the way")
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	seed(f, "json")
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeJSON(body, DefaultLimits())
		if err != nil {
			return
		}
		if err := Validate(b, DefaultLimits(), theTime); err == nil {
			same(t, b)
		}
	})
}

func FuzzDecodeProto(f *testing.F) {
	seed(f, "pb")
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeProto(body, DefaultLimits())
		if err != nil {
			return
		}
		if err := Validate(b, DefaultLimits(), theTime); err == nil {
			same(t, b)
		}
	})
}

func FuzzRoaring(f *testing.F) {
	for _, flat := range [][]uint32{{0, 99, 101, 200}, {0, 1 << 18}, {5, 5, 70_000, 70_000, 1 << 31, 1<<32 - 1}} {
		f.Add(rangesToRoaring(flat))
	}
	sparse, err := sparseBatch(f).Reports[1].Windows[0].Sources[0].Rolls[Seen].ToBytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sparse)
	f.Fuzz(func(t *testing.T, in []byte) {
		roll, _, err := parseRoaring(in, 1<<20)
		if err != nil {
			return
		}
		if err := roll.Validate(); err != nil {
			t.Fatalf("taken, but roaring refuses it: %v", err)
		}
		out, err := roll.ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parseRoaring(out, 1<<20)
		if err != nil || !again.Equals(roll) {
			t.Fatalf("not read back: %v", err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(Header{Flags: FlagNumbered, ProducedAt: theTime, Checksum: 1}.Append(nil))
	f.Add([]byte(Header{Flags: FlagCanary}.Text()))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, in []byte) {
		if h, err := DecodeHeader(in); err == nil && !bytes.Equal(h.Append(nil), in) {
			t.Fatalf("%x is read as %+v, which is written %x", in, h, h.Append(nil))
		}
		if h, err := DecodeHeaderText(string(in)); err == nil && h.Text() != string(in) {
			t.Fatalf("%q is read as %+v, which is written %q", in, h, h.Text())
		}
	})
}
