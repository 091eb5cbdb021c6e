package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

var (
	genName  = rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9_:-]{0,20}[A-Za-z0-9])?`)
	genText  = rapid.StringMatching(`[ -~äπ😀"\\]{0,20}`)
	genCount = rapid.Uint64Range(0, 1<<53-1)
)

func genUID(t *rapid.T) UID {
	var u UID
	copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uid"))
	u[0] = 1 // never all zero
	return u
}

func genSourceID(t *rapid.T) UID {
	u := genUID(t).Source()
	u[6], u[8] = 0x80|u[6]&0x0f, 0x80|u[8]&0x3f
	return u
}

func genTime(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
}

// genBatch draws batches that Validate takes.
func genBatch(t *rapid.T) Batch {
	return Batch{Reports: rapid.SliceOfN(rapid.Custom(genReport), 1, 3).Draw(t, "reports")}
}

func genReport(t *rapid.T) Report {
	hop := genName.Draw(t, "hop")
	r := Report{
		Stream: genName.Draw(t, "stream"), Hop: hop,
		After:   orNil(rapid.SliceOfNDistinct(genName.Filter(func(s string) bool { return s != hop }), 0, 3, rapid.ID).Draw(t, "after")),
		Emitter: genUID(t), Host: genText.Draw(t, "host"), Container: genText.Draw(t, "container"), Version: genText.Draw(t, "version"),
		Epoch: rapid.Uint32().Draw(t, "epoch"), Idempotent: rapid.Bool().Draw(t, "idempotent"),
		Heartbeat: rapid.Uint32Range(1, 86400).Draw(t, "heartbeat"), Number: rapid.Uint64Range(1, 1<<53-1).Draw(t, "number"),
		SentAt: genTime(t), State: rapid.SampledFrom([]State{Running, Closed}).Draw(t, "state"),
		LaneCount: rapid.Uint32Range(0, 100_000).Draw(t, "laneCount"),
		Spool:     Spool{genCount.Draw(t, "events"), genCount.Draw(t, "bytes")},
	}
	if lanes := rapid.MapOfN(genText, rapid.Custom(genTime), 0, 4).Draw(t, "lanes"); len(lanes) > 0 {
		r.Lanes = lanes
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "windows") {
		r.Windows = append(r.Windows, genWindow(t, theTime.Truncate(time.Hour).Add(time.Duration(-i)*time.Hour)))
	}
	if rapid.Bool().Draw(t, "ended") {
		r.Ended = []Ended{{Emitter: genUID(t), Reason: genText.Draw(t, "reason")}, {
			Emitter: genUID(t), Source: genSourceID(t),
			Windows: map[time.Time][2]uint32{theTime.Truncate(time.Hour): {rapid.Uint32Range(0, 9).Draw(t, "first"), rapid.Uint32Range(9, 1<<20).Draw(t, "last")}},
		}}
	}
	return r
}

func orNil(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	return all
}

func genWindow(t *rapid.T, start time.Time) Window {
	w := Window{
		Start: start, Seconds: rapid.SampledFrom(WindowSeconds()).Draw(t, "seconds"),
		Unplaced: Unplaced{TooOld: genCount.Draw(t, "tooOld"), NoUID: genCount.Draw(t, "noUid")},
	}
	for range rapid.IntRange(0, 3).Draw(t, "sources") {
		w.Sources = append(w.Sources, genSource(t))
	}
	for _, uid := range rapid.SliceOfNDistinct(rapid.StringMatching(`[ -~]{1,20}`), 0, 3, rapid.ID).Draw(t, "foreign") {
		w.Foreign = append(w.Foreign, Foreign{UID: uid, Count: genCount.Draw(t, "count"), Corrupt: genCount.Draw(t, "corrupt")})
	}
	if rapid.Bool().Draw(t, "latency") {
		w.Latency = &Latency{Scale: rapid.Int32Range(-10, 20).Draw(t, "scale"), Negative: genCount.Draw(t, "negative")}
		if counts := rapid.MapOfN(rapid.Int32Range(-1, 0), genCount, 0, 2).Draw(t, "counts"); len(counts) > 0 {
			w.Latency.Counts = counts
		}
	}
	if rapid.Bool().Draw(t, "schema") {
		outcome := rapid.SampledFrom(outcomeNames[1:]).Draw(t, "outcome")
		w.Schemas = []SchemaTally{{genText.Draw(t, "id"), genText.Draw(t, "version"), outcome, genText.Draw(t, "why"), genCount.Draw(t, "n")}}
	}
	if rapid.Bool().Draw(t, "reason") {
		w.Reasons = []ReasonTally{{rapid.SampledFrom([]Kind{Filtered, Rejected}).Draw(t, "kind"), genText.Draw(t, "why"), genCount.Draw(t, "n")}}
	}
	return w
}

func genSource(t *rapid.T) Source {
	s := Source{ID: genSourceID(t), Observations: genCount.Draw(t, "observations"), Bytes: genCount.Draw(t, "bytes")}
	s.Rolls[Seen] = genRoll(t)
	for k := Seen + 1; k < Kinds; k++ {
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			s.Rolls[k] = genRoll(t)
		}
	}
	return s
}

func genRoll(t *rapid.T) *roaring.Bitmap {
	roll := roaring.New()
	flat := genRanges(t)
	for i := 0; i < len(flat); i += 2 {
		roll.AddRange(uint64(flat[i]), uint64(flat[i+1])+1)
	}
	return roll
}

// TestBothFormsCarryTheSameReports sends batches both ways and back.
func TestBothFormsCarryTheSameReports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batch := genBatch(t)
		text, err := EncodeJSON(batch)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := EncodeProto(batch)
		if err != nil {
			t.Fatal(err)
		}
		Normalise(batch)
		fromJSON, err := DecodeJSON(text, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		fromProto, err := DecodeProto(binary, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(batch, fromJSON) + diff(batch, fromProto); d != "" {
			t.Fatal(d)
		}
		if err := Validate(fromJSON, DefaultLimits(), theTime); err != nil {
			t.Fatal(err)
		}
		for i := range batch.Reports {
			want := Digest(batch.Reports[i])
			if a, b := Digest(fromJSON.Reports[i]), Digest(fromProto.Reports[i]); a != want || b != want {
				t.Fatalf("digests %x, %x and %x of one report", want, a, b)
			}
		}
		crossed, err := EncodeJSON(fromProto)
		if err != nil {
			t.Fatal(err)
		}
		again, err := EncodeJSON(fromJSON)
		if err != nil || !bytes.Equal(crossed, again) {
			t.Fatalf("two encodings of one batch: %s and %s, %v", crossed, again, err)
		}
	})
}

// TestDigestTellsEveryChange changes one field at a time.
func TestDigestTellsEveryChange(t *testing.T) {
	digests := map[uint64]string{Digest(fullBatch(t).Reports[0]): "nothing"}
	for name, change := range map[string]func(r *Report, w *Window){
		"stream":       func(r *Report, _ *Window) { r.Stream = "o" },
		"hop":          func(r *Report, _ *Window) { r.Hop = "o" },
		"text moved":   func(r *Report, _ *Window) { r.Stream, r.Hop = r.Stream+"a", "gent" },
		"after":        func(r *Report, _ *Window) { r.After = nil },
		"emitter":      func(r *Report, _ *Window) { r.Emitter[3]++ },
		"host":         func(r *Report, _ *Window) { r.Host = "" },
		"container":    func(r *Report, _ *Window) { r.Container = "" },
		"version":      func(r *Report, _ *Window) { r.Version = "" },
		"epoch":        func(r *Report, _ *Window) { r.Epoch++ },
		"idempotent":   func(r *Report, _ *Window) { r.Idempotent = false },
		"heartbeat":    func(r *Report, _ *Window) { r.Heartbeat++ },
		"number":       func(r *Report, _ *Window) { r.Number++ },
		"sentAt":       func(r *Report, _ *Window) { r.SentAt = r.SentAt.Add(1) },
		"state":        func(r *Report, _ *Window) { r.State = Closed },
		"laneCount":    func(r *Report, _ *Window) { r.LaneCount++ },
		"lane":         func(r *Report, _ *Window) { r.Lanes[""] = theTime },
		"no lane":      func(r *Report, _ *Window) { delete(r.Lanes, "") },
		"spool":        func(r *Report, _ *Window) { r.Spool.Events++ },
		"no window":    func(r *Report, _ *Window) { r.Windows = nil },
		"start":        func(_ *Report, w *Window) { w.Start = theTime },
		"seconds":      func(_ *Report, w *Window) { w.Seconds = 10 },
		"source":       func(_ *Report, w *Window) { w.Sources[0].ID[3]++ },
		"observations": func(_ *Report, w *Window) { w.Sources[0].Observations++ },
		"bytes":        func(_ *Report, w *Window) { w.Sources[0].Bytes++ },
		"seen":         func(_ *Report, w *Window) { w.Sources[0].Rolls[Seen].Add(100) },
		"kind":         func(_ *Report, w *Window) { r := &w.Sources[0].Rolls; r[Corrupt], r[Skewed] = r[Skewed], r[Corrupt] },
		"foreign":      func(_ *Report, w *Window) { w.Foreign[0].UID = "x" },
		"count":        func(_ *Report, w *Window) { w.Foreign[0].Count++ },
		"no latency":   func(_ *Report, w *Window) { w.Latency = nil },
		"bucket":       func(_ *Report, w *Window) { w.Latency.Counts[12]++ },
		"scale":        func(_ *Report, w *Window) { w.Latency.Scale++ },
		"outcome":      func(_ *Report, w *Window) { w.Schemas[0].Outcome = "DEPRECATED" },
		"reason":       func(_ *Report, w *Window) { w.Reasons[0].Kind = Rejected },
		"unplaced":     func(_ *Report, w *Window) { w.Unplaced.NoUID++ },
		"ended":        func(r *Report, _ *Window) { r.Ended = r.Ended[:1] },
		"ended reason": func(r *Report, _ *Window) { r.Ended[0].Reason = "" },
		"ended source": func(r *Report, _ *Window) { r.Ended[0].Source[3]++ },
		"ended range":  func(r *Report, w *Window) { r.Ended[0].Windows[w.Start.Add(-time.Minute)] = [2]uint32{300, 412} },
	} {
		b := fullBatch(t)
		change(&b.Reports[0], &b.Reports[0].Windows[0])
		digest := Digest(b.Reports[0])
		if other, twice := digests[digest]; twice || digest == 0 {
			t.Errorf("changing %s gives the digest %x, as changing %s does", name, digest, other)
		}
		digests[digest] = name
	}
}
