package wire

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// manySources returns n sources with an empty roll each.
func manySources(n int) []Source {
	base := UID{6: 0x80, 8: 0x80}
	all := make([]Source, n)
	for i := range all {
		id := base
		id[9], id[10], id[11] = byte(i>>16), byte(i>>8), byte(i)
		all[i].ID = id
		all[i].Rolls[Seen] = rollOf()
	}
	return all
}

// TestEveryLimitIsRefusedAtItsPath spoils one thing of a good batch at a time.
func TestEveryLimitIsRefusedAtItsPath(t *testing.T) {
	const window = "reports[0].windows[0]"
	const tooMany = 1 << 53
	long := strings.Repeat("x", 201)
	for _, c := range []struct {
		path, message string
		spoil         func(b *Batch, r *Report, w *Window, s *Source)
	}{
		{"reports", "want at least 1", func(b *Batch, _ *Report, _ *Window, _ *Source) { b.Reports = nil }},
		{"reports[0].stream", "want 1 to 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = "" }},
		{"reports[0].stream", "limit 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = long }},
		{"reports[0].stream", `holds '"'`, func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = `a"b` }},
		{"reports[0].stream", "holds '/'", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = "a/b" }},
		{"reports[0].stream", `holds '\n'`, func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = "a\nb" }},
		{"reports[0].stream", "holds 'é'", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Stream = "é" }},
		{"reports[0].hop", "begins and ends", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Hop = ".a" }},
		{"reports[0].hop", "begins and ends", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Hop = "a-" }},
		{"reports[0].hop", `no ".."`, func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Hop = "a..b" }},
		{"reports[0].after[1]", "missing or empty", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.After = []string{"a", ""} }},
		{"reports[0].after[1]", "twice", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.After = []string{"a", "a"} }},
		{"reports[0].after", "101 hops; limit 100", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.After = make([]string, 101) }},
		{"reports[0].emitter", "want a UUID", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Emitter = UID{} }},
		{"reports[0].host", "limit 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Host = long }},
		{"reports[0].host", "printable", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Host = "a\x00" }},
		{"reports[0].container", "limit 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Container = long }},
		{"reports[0].version", "limit 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Version = long }},
		{"reports[0].heartbeatSeconds", "1 to 86400", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Heartbeat = 86401 }},
		{"reports[0].number", "want 1 to", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Number = 0 }},
		{"reports[0].number", "want 1 to", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Number = tooMany }},
		{"reports[0].sentAt", "1970 to 2261", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.SentAt = time.Time{} }},
		{"reports[0].state", "want RUNNING or CLOSED", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.State = 0 }},
		{"reports[0].laneCount", "limit 100000", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.LaneCount = 100_001 }},
		{"reports[0].lanes", "100001 lanes; limit 100000", func(_ *Batch, r *Report, _ *Window, _ *Source) {
			for i := range 100_001 {
				r.Lanes[fmt.Sprint(i)] = theTime
			}
			delete(r.Lanes, "")
			delete(r.Lanes, "orders/0")
		}},
		{`reports[0].lanes["a\nb"]`, "printable", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Lanes["a\nb"] = theTime }},
		{`reports[0].lanes["` + long[:40] + `…"]`, "limit 200", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Lanes[long] = theTime }},
		{`reports[0].lanes["a"]`, "1970 to 2261", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Lanes["a"] = theTime.AddDate(300, 0, 0) }},
		{"reports[0].spool.events", "limit 9007199254740991", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Spool.Events = tooMany }},
		{"reports[0].spool.bytes", "limit 9007199254740991", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Spool.Bytes = tooMany }},
		{"reports[0].windows", "limit 20000", func(_ *Batch, r *Report, w *Window, _ *Source) {
			for i := range 20_000 {
				r.Windows = append(r.Windows, Window{Start: w.Start.Add(-10 * time.Second * time.Duration(i+1)), Seconds: 10})
			}
		}},
		{window + ".seconds", "one of 10, 60, 300, 600, 3600", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Seconds = 61 }},
		{window + ".start", "not aligned", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Start = w.Start.Add(time.Second) }},
		{window + ".start", "not aligned", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Start = w.Start.Add(time.Millisecond) }},
		{window + ".start", "limit 168h0m0s", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Start = w.Start.AddDate(0, 0, -8) }},
		{window + ".start", "limit 168h0m0s", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Start = time.Unix(0, 0) }},
		{window + ".start", "limit 5m0s ahead", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Start = w.Start.Add(7 * time.Minute) }},
		{window + ".start", "limit 5m0s ahead", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			w.Start = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
		}},
		{"reports[0].windows[1].start", "twice", func(_ *Batch, r *Report, w *Window, _ *Source) {
			r.Windows = append(r.Windows, Window{Start: w.Start, Seconds: 10})
		}},
		{window + ".sources", "10001 sources; limit 10000", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Sources = manySources(10_001) }},
		{"reports[0].windows[1].sources", "10001 sources; limit 10000", func(_ *Batch, r *Report, w *Window, _ *Source) {
			r.Windows = append(r.Windows, Window{Start: w.Start.Add(-time.Minute), Seconds: 60, Sources: manySources(10_000)})
		}},
		{window + ".sources[0].source", "UUIDv8", func(_ *Batch, _ *Report, _ *Window, s *Source) { s.ID[6] = 0x40 }},
		{window + ".sources[0].source", "sequence", func(_ *Batch, _ *Report, _ *Window, s *Source) { s.ID[15] = 1 }},
		{window + ".sources[1].source", "twice", func(_ *Batch, _ *Report, w *Window, s *Source) { w.Sources = append(w.Sources, *s) }},
		{window + ".sources[0].seen", "required", func(_ *Batch, _ *Report, _ *Window, s *Source) { s.Rolls[Seen] = nil }},
		{window + ".sources[0].observations", "limit", func(_ *Batch, _ *Report, _ *Window, s *Source) { s.Observations = tooMany }},
		{window + ".sources[0].bytes", "limit", func(_ *Batch, _ *Report, _ *Window, s *Source) { s.Bytes = tooMany }},
		{window + ".foreign", "10001 foreign UIDs; limit 10000", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			for i := range 10_000 {
				w.Foreign = append(w.Foreign, Foreign{UID: fmt.Sprint(i)})
			}
		}},
		{window + ".foreign[0].uid", "want 1 to 1024 bytes", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].UID = "" }},
		{window + ".foreign[0].uid", "1025 bytes; limit 1024", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			w.Foreign[0].UID = strings.Repeat("x", 1025)
		}},
		{window + ".foreign[0].uid", "control character", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].UID = "a\nb" }},
		{window + ".foreign[0].uid", "control character", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].UID = "a\x00" }},
		{window + ".foreign[0].uid", "UTF-8", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].UID = "\xff" }},
		{window + ".foreign[1].uid", "twice", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign = append(w.Foreign, w.Foreign[0]) }},
		{window + ".foreign[0].count", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].Count = tooMany }},
		{window + ".foreign[0].skewed", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Foreign[0].Skewed = tooMany }},
		{window + ".latency.scale", "want -10 to 20", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Scale = 21 }},
		{window + ".latency.scale", "want -10 to 20", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Scale = -11 }},
		{window + ".latency.counts", "1001 buckets; limit 1000", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			w.Latency.Counts = map[int32]uint64{}
			for i := range int32(1001) {
				w.Latency.Counts[i-500] = 1
			}
		}},
		{window + `.latency.counts["512"]`, "want -512 to 511", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Counts[512] = 1 }},
		{window + `.latency.counts["12"]`, "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Counts[12] = tooMany }},
		{window + ".latency.zero", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Zero = tooMany }},
		{window + ".latency.negative", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Latency.Negative = tooMany }},
		{window + ".schemas", "limit 100000", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas = make([]SchemaTally, 100_000) }},
		{window + ".schemas[0].id", "limit 200", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas[0].ID = long }},
		{window + ".schemas[0].version", "limit 200", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas[0].Version = long }},
		{window + ".schemas[0].reason", "limit 1000", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			w.Schemas[0].Reason = strings.Repeat("x", 1001)
		}},
		{window + ".schemas[0].outcome", "want one of OK", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas[0].Outcome = "" }},
		{window + ".schemas[0].count", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas[0].Count = tooMany }},
		{window + ".schemas[2]", "twice", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Schemas = append(w.Schemas, w.Schemas[0]) }},
		{window + ".reasons[0].kind", "want filtered or rejected", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Reasons[0].Kind = Seen }},
		{window + ".reasons[0].reason", "limit 1000", func(_ *Batch, _ *Report, w *Window, _ *Source) {
			w.Reasons[0].Reason = strings.Repeat("x", 1001)
		}},
		{window + ".reasons[0].count", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Reasons[0].Count = tooMany }},
		{window + ".reasons[2]", "twice", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Reasons = append(w.Reasons, w.Reasons[0]) }},
		{window + ".unplaced.tooOld", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Unplaced.TooOld = tooMany }},
		{window + ".unplaced.noUid", "limit", func(_ *Batch, _ *Report, w *Window, _ *Source) { w.Unplaced.NoUID = tooMany }},
		{"reports[0].ended", "10001 ended emitters; limit 10000", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Ended = make([]Ended, 10_001) }},
		{"reports[0].ended[0].emitter", "want a UUID", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Ended[0].Emitter = UID{} }},
		{"reports[0].ended[0].source", "UUIDv8", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Ended[0].Source[8] = 0 }},
		{"reports[0].ended[0].source", "missing", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Ended[0].Source = UID{} }},
		{"reports[0].ended[0].reason", "limit 1000", func(_ *Batch, r *Report, _ *Window, _ *Source) {
			r.Ended[0].Reason = strings.Repeat("x", 1001)
		}},
		{"reports[0].ended[2]", "twice", func(_ *Batch, r *Report, _ *Window, _ *Source) { r.Ended = append(r.Ended, r.Ended[0]) }},
		{`reports[0].ended[0].windows["2026-11-22T05:08:00Z"]`, "ends before", func(_ *Batch, r *Report, w *Window, _ *Source) {
			r.Ended[0].Windows[w.Start.Add(-time.Minute)] = [2]uint32{2, 1}
		}},
		{`reports[0].ended[0].windows["2026-11-22T05:09:01Z"]`, "aligned to 10 s", func(_ *Batch, r *Report, w *Window, _ *Source) {
			r.Ended[0].Windows[w.Start.Add(time.Second)] = [2]uint32{}
		}},
		{`reports[0].ended[0].windows["2026-11-14T05:09:00Z"]`, "limit 168h0m0s", func(_ *Batch, r *Report, w *Window, _ *Source) {
			r.Ended[0].Windows[w.Start.AddDate(0, 0, -8)] = [2]uint32{}
		}},
		{"reports[0].ended[0].windows", "limit 20000", func(_ *Batch, r *Report, w *Window, _ *Source) {
			for i := range 20_000 {
				r.Ended[0].Windows[w.Start.Add(-10*time.Second*time.Duration(i))] = [2]uint32{}
			}
			r.Ended[0].Windows[w.Start.Add(10*time.Second)] = [2]uint32{}
		}},
	} {
		t.Run(c.path+" "+c.message, func(t *testing.T) {
			b := fullBatch(t)
			r := &b.Reports[0]
			c.spoil(&b, r, &r.Windows[0], &r.Windows[0].Sources[0])
			wantFault(t, Validate(b, DefaultLimits(), theTime), c.path, c.message)
		})
	}
}

// TestWhatIsJustWithinTheLimitsIsTaken holds the other side of the limits.
func TestWhatIsJustWithinTheLimitsIsTaken(t *testing.T) {
	b := fullBatch(t)
	r := &b.Reports[0]
	w := &r.Windows[0]
	r.Stream, r.Hop = strings.Repeat("x", 200), "A.b_c:d-9"
	r.Host, r.Container = strings.Repeat("é", 200), ""
	r.Lanes["π / 7"] = time.Unix(0, 0)
	r.LaneCount, r.Number, r.Epoch = 100_000, 1<<53-1, 1<<32-1
	w.Sources = append(manySources(9_999), w.Sources...)
	w.Sources[0].Rolls[Seen] = rollOf(1<<32-1, 1<<32-1)
	w.Foreign[0].UID = strings.Repeat("é", 512)
	r.Windows = append(r.Windows,
		Window{Start: instant(t, "2026-11-15T05:10:00Z"), Seconds: 60},
		Window{Start: instant(t, "2026-11-22T05:15:00Z"), Seconds: 60})
	if err := Validate(b, DefaultLimits(), theTime); err != nil {
		t.Error(err)
	}
}

func TestSourcesAreNeverRefusedForTheirStart(t *testing.T) {
	for _, start := range [][6]byte{{}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		b := fullBatch(t)
		copy(b.Reports[0].Windows[0].Sources[0].ID[:], start[:])
		if err := Validate(b, DefaultLimits(), theTime); err != nil {
			t.Errorf("start %x: %v", start, err)
		}
	}
}

func TestWindowsMayBeAsOldAsTheLimitsSay(t *testing.T) {
	l := DefaultLimits()
	l.MaxAge = 30 * 24 * time.Hour
	b := fullBatch(t)
	b.Reports[0].Windows[0].Start = b.Reports[0].Windows[0].Start.AddDate(0, 0, -29)
	if err := Validate(b, l, theTime); err != nil {
		t.Error(err)
	}
}

// TestDecodersRefuseWhatWouldGrowTooLarge sends small bodies that would fill the memory.
func TestDecodersRefuseWhatWouldGrowTooLarge(t *testing.T) {
	l := DefaultLimits()
	whole := `"seen":{"ranges":[[0,4294967295]]}`
	var sources []string
	for _, s := range manySources(100) {
		sources = append(sources, `{"source":"`+s.ID.String()+`",`+whole+`}`)
	}
	_, err := DecodeJSON([]byte(windowText(`,"sources":[`+strings.Join(sources, ",")+`]`)), l)
	if err == nil || !strings.Contains(err.Error(), "limit 67108864") {
		t.Errorf("hundred whole rolls: %v", err)
	}
	if _, err := DecodeJSON([]byte(sourceText(whole)), l); err != nil {
		t.Errorf("one whole roll: %v", err)
	}
	_, err = DecodeJSON([]byte(windowText(`,"schemas":[`+strings.Repeat("{},", 400_000)+`{}]`)), l)
	if err == nil || !strings.Contains(err.Error(), "limit 400000") {
		t.Errorf("400 001 empty objects: %v", err)
	}
	_, err = DecodeProto([]byte(strings.Repeat("\x0a\x00", 400_001)), l)
	wantFault(t, err, "", "limit 400000")
	_, err = DecodeJSON(make([]byte, l.Request+1), l)
	wantFault(t, err, "", "4194305 bytes; limit 4194304")
	_, err = DecodeProto(make([]byte, l.Request+1), l)
	wantFault(t, err, "", "4194305 bytes; limit 4194304")
}
