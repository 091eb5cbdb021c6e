package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs from what is encoded now:\n%q", file, got)
	}
}

func TestBatchesKeepTheirBytesOnTheWire(t *testing.T) {
	for name, batch := range map[string]Batch{"full": fullBatch(t), "least": leastBatch(t), "sparse": sparseBatch(t)} {
		t.Run(name, func(t *testing.T) {
			text, err := EncodeJSON(batch)
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, text, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, name+".json", pretty.Bytes())
			binary, err := EncodeProto(batch)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".pb", binary)
			fromJSON, err := DecodeJSON(pretty.Bytes(), DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			fromProto, err := DecodeProto(binary, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(batch, fromJSON) + diff(batch, fromProto); d != "" {
				t.Errorf("the golden files do not hold the batch: %s", d)
			}
			if err := Validate(fromJSON, DefaultLimits(), theTime); err != nil {
				t.Errorf("the batch is refused: %v", err)
			}
		})
	}
}

func TestTheExampleOfTheDocumentationIsRead(t *testing.T) {
	body, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := DecodeJSON(body, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(b, DefaultLimits(), theTime); err != nil {
		t.Fatal(err)
	}
	seen := b.Reports[0].Windows[0].Sources[0].Rolls[Seen]
	if seen.GetCardinality() != 200 || b.Reports[0].Windows[0].Latency.Counts[12] != 40 {
		t.Errorf("%d events seen, want 200: %+v", seen.GetCardinality(), b)
	}
}

func TestHeaderKeepsItsBytesOnTheWire(t *testing.T) {
	h := Header{
		Flags: FlagNumbered | FlagCanary, UID: uid(t, "0199f09c-1d2e-8abc-9def-012300000007"),
		ProducedAt: time.UnixMilli(1_795_324_207_120).UTC(), Checksum: Checksum([]byte("123456789")),
	}
	golden(t, "header.hex", []byte(hex.EncodeToString(h.Append(nil))+"\n"))
	golden(t, "header.txt", []byte(h.Text()+"\n"))
	if h.Checksum != 0xe3069283 { // the check value of CRC-32C in RFC 3720 and the CRC catalogues
		t.Errorf("CRC-32C of 123456789 is %#x", h.Checksum)
	}
	if back, err := DecodeHeader(h.Append(nil)); err != nil || back != h {
		t.Errorf("read back as %+v, %v", back, err)
	}
	if back, err := DecodeHeaderText(strings.TrimSpace(h.Text())); err != nil || back != h {
		t.Errorf("text read back as %+v, %v", back, err)
	}
}
