package wire

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// benchReport is what one of 8 emitters of a hop says after 5 s: 64 sources at
// 31 000 events/s each, of which every event went to one of 8 lanes at random.
func benchReport(lanes int) (Batch, int) {
	const sources, perSource = 64, 31_000 * 5
	random := rand.New(rand.NewPCG(1, 2))
	r := Report{
		Stream: "orders", Hop: "agent", After: []string{"app"}, Emitter: UID{1}, Host: "web-17",
		Heartbeat: 5, Number: 7, SentAt: theTime, State: Running, LaneCount: uint32(lanes),
		Lanes: map[string]time.Time{"orders/0": theTime},
	}
	w := Window{Start: WindowStart(theTime, 60), Seconds: 60, Sources: manySources(sources)}
	events := 0
	for i := range w.Sources {
		roll := roaring.New()
		begin := random.Uint32N(1 << 24)
		for n := range uint32(perSource) {
			if random.IntN(lanes) == 0 {
				roll.Add(begin + n)
			}
		}
		w.Sources[i].Rolls[Seen] = roll
		w.Sources[i].Observations, w.Sources[i].Bytes = roll.GetCardinality(), 100*roll.GetCardinality()
		events += int(roll.GetCardinality())
	}
	r.Windows = []Window{w}
	return Batch{Reports: []Report{r}}, events
}

func perEvent(b *testing.B, bytes, events int) {
	b.ReportMetric(float64(bytes)/float64(events), "bytes/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}

func BenchmarkEncodeProto(b *testing.B) {
	for name, lanes := range map[string]int{"whole": 1, "eight-lanes": 8} {
		b.Run(name, func(b *testing.B) {
			batch, events := benchReport(lanes)
			size := 0
			for b.Loop() {
				out, err := EncodeProto(batch)
				if err != nil {
					b.Fatal(err)
				}
				size = len(out)
			}
			perEvent(b, size, events)
		})
	}
}

func BenchmarkDecodeProto(b *testing.B) {
	batch, events := benchReport(8)
	body, err := EncodeProto(batch)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := DecodeProto(body, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, len(body), events)
}

// BenchmarkSmallSources has 10 000 sources of 20 events each, as phones have.
func BenchmarkSmallSources(b *testing.B) {
	sources := manySources(10_000)
	for i := range sources {
		sources[i].Rolls[Seen].AddRange(uint64(i), uint64(i)+20)
		sources[i].Observations, sources[i].Bytes = 20, 2000
	}
	batch, _ := benchReport(8)
	batch.Reports[0].Windows[0].Sources = sources
	size := 0
	for b.Loop() {
		body, err := EncodeProto(batch)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeProto(body, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
		size = len(body)
	}
	perEvent(b, size, 20*len(sources))
}

func BenchmarkDecodeJSON(b *testing.B) {
	batch, events := benchReport(8)
	body, err := EncodeJSON(batch)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := DecodeJSON(body, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, len(body), events)
}

func BenchmarkDigest(b *testing.B) {
	batch, events := benchReport(8)
	for b.Loop() {
		Digest(batch.Reports[0])
	}
	perEvent(b, 0, events)
}

func BenchmarkHeader(b *testing.B) {
	h := Header{Flags: FlagNumbered, ProducedAt: theTime, Checksum: 7}
	buf := make([]byte, 0, HeaderSize)
	b.ReportAllocs()
	for b.Loop() {
		buf = h.Append(buf[:0])
		if _, err := DecodeHeader(buf); err != nil {
			b.Fatal(err)
		}
	}
}
