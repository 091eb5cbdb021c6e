package wire

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rollcallhq/rollcall/audit/wire/rollcallv1"
)

func TestProtobufThatIsNoReportIsRefusedAtItsPath(t *testing.T) {
	const window, source = "reports[0].windows[0]", "reports[0].windows[0].sources[0]"
	id := uid(t, "0199f09c-1d2e-8abc-9def-012300000000")
	whole := &rollcallv1.Roll{Ranges: []uint32{0, 1<<32 - 1}}
	for _, c := range []struct {
		path, message string
		spoil         func(r *rollcallv1.Report, w *rollcallv1.Window, s *rollcallv1.Source)
	}{
		{"reports[0].emitter", "3 bytes; want the 16", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) { r.Emitter = id[:3] }},
		{"reports[0].emitter", "0 bytes", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) { r.Emitter = nil }},
		{"reports[0].sentAt", "missing", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) { r.SentAt = nil }},
		{"reports[0].sentAt", "no time of the years 1 to 9999", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) { r.SentAt.Nanos = -1 }},
		{"reports[0].state", "9 is none of RUNNING", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) { r.State = 9 }},
		{`reports[0].lanes["a"]`, "no time", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) {
			r.Lanes = map[string]*timestamppb.Timestamp{"a": {Seconds: 1 << 60}}
		}},
		{"reports[0].ended[0].source", "15 bytes", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) {
			r.Ended = []*rollcallv1.Ended{{Emitter: id[:], Source: id[:15]}}
		}},
		{"reports[0].ended[0].windows[1]", "twice", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) {
			w := &rollcallv1.EndedWindow{Start: timestamppb.New(theTime)}
			r.Ended = []*rollcallv1.Ended{{Emitter: id[:], Source: id[:], Windows: []*rollcallv1.EndedWindow{w, w}}}
		}},
		{"reports[0].ended[0].windows[12]", "limit 67108864", func(r *rollcallv1.Report, _ *rollcallv1.Window, _ *rollcallv1.Source) {
			e := &rollcallv1.Ended{Emitter: id[:], Source: id[:]}
			for i := range 13 {
				e.Windows = append(e.Windows, &rollcallv1.EndedWindow{Start: &timestamppb.Timestamp{Seconds: int64(60 * i)}, Last: 1<<32 - 1})
			}
			r.Ended = []*rollcallv1.Ended{e}
		}},
		{window + ".start", "missing", func(_ *rollcallv1.Report, w *rollcallv1.Window, _ *rollcallv1.Source) { w.Start = nil }},
		{window + ".schemas[0]", "outcome 7 is not known", func(_ *rollcallv1.Report, w *rollcallv1.Window, _ *rollcallv1.Source) {
			w.Schemas = []*rollcallv1.SchemaTally{{Outcome: 7}}
		}},
		{window + ".reasons[0]", "kind 0 is none of filtered", func(_ *rollcallv1.Report, w *rollcallv1.Window, _ *rollcallv1.Source) {
			w.Reasons = []*rollcallv1.ReasonTally{{}}
		}},
		{source + ".source", "0 bytes", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) { s.Source = nil }},
		{source + ".seen", "missing", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) { s.Seen = nil }},
		{source + ".seen.ranges", "3 numbers; want pairs", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) {
			s.Seen.Ranges = []uint32{1, 2, 3}
		}},
		{source + ".corrupt.ranges[1]", "ends before it begins", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) {
			s.Corrupt = &rollcallv1.Roll{Ranges: []uint32{1, 2, 9, 8}}
		}},
		{source + ".seen", "have both", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) {
			s.Seen = &rollcallv1.Roll{Ranges: []uint32{1, 2}, Roaring: rangesToRoaring([]uint32{1, 2})}
		}},
		{source + ".seen.roaring", "not Roaring", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) {
			s.Seen = &rollcallv1.Roll{Roaring: []byte("hello")}
		}},
		{source + ".seen.roaring", "1048577 bytes of Roaring; limit 1048576", func(_ *rollcallv1.Report, _ *rollcallv1.Window, s *rollcallv1.Source) {
			s.Seen = &rollcallv1.Roll{Roaring: make([]byte, 1<<20+1)}
		}},
		{"reports[0].windows[0].sources[12].seen.ranges", "limit 67108864", func(_ *rollcallv1.Report, w *rollcallv1.Window, s *rollcallv1.Source) {
			s.Seen = whole
			for range 20 {
				w.Sources = append(w.Sources, s)
			}
		}},
	} {
		t.Run(c.path+" "+c.message, func(t *testing.T) {
			s := &rollcallv1.Source{Source: id[:], Seen: &rollcallv1.Roll{}}
			w := &rollcallv1.Window{Start: timestamppb.New(theTime), Seconds: 60, Sources: []*rollcallv1.Source{s}}
			r := &rollcallv1.Report{
				Stream: "orders", Hop: "app", Emitter: id[:], Number: 1, SentAt: timestamppb.New(theTime),
				State: rollcallv1.State_STATE_RUNNING, Windows: []*rollcallv1.Window{w},
			}
			c.spoil(r, w, s)
			body, err := proto.Marshal(&rollcallv1.ReportBatch{Reports: []*rollcallv1.Report{r}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = DecodeProto(body, DefaultLimits())
			wantFault(t, err, c.path, c.message)
		})
	}
}

func TestARollInJSONIsBoundedLikeOneInProtobuf(t *testing.T) {
	l := DefaultLimits()
	l.Roll = 100
	_, err := DecodeJSON([]byte(sourceText(`"seen":{"roaring":"`+strings.Repeat("A", 200)+`"}`)), l)
	wantFault(t, err, "reports[0].windows[0].sources[0].seen.roaring", "limit 100")
	_, err = DecodeJSON([]byte(sourceText(`"seen":{"roaring":"`+strings.Repeat("A", 136)+`"}`)), l)
	wantFault(t, err, "reports[0].windows[0].sources[0].seen.roaring", "102 bytes of Roaring; limit 100")
}
