package wire

import (
	"fmt"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rollcallhq/rollcall/audit/wire/rollcallv1"
)

// DecodeProto reads a batch from its protobuf form, rollcall.v1.ReportBatch,
// normalised (see Normalise). Unknown fields are ignored, so that what a newer
// emitter sends is taken; a body, a roll, or a sum of rolls beyond l is refused,
// and so is what is no such message. The error is of type Faults, whose paths are
// those of the JSON form. What the values mean is Validate's matter.
func DecodeProto(body []byte, l Limits) (Batch, error) {
	if f := bodyFault(body, l); f != nil {
		return Batch{}, f
	}
	var message rollcallv1.ReportBatch
	left := l.Entries
	if err := countMessages(body, message.ProtoReflect().Descriptor(), &left); err != nil {
		return Batch{}, Faults{{"", err.Error()}}
	}
	if left < 0 {
		return Batch{}, Faults{{"", fmt.Sprintf("too many messages in one request; limit %d", l.Entries)}}
	}
	if err := proto.Unmarshal(body, &message); err != nil {
		return Batch{}, Faults{{"", "not a rollcall.v1.ReportBatch: " + err.Error()}}
	}
	d := &protoDecoder{l: l, memory: l.Memory}
	var b Batch
	d.at.field("reports")
	b.Reports = convert(d, message.Reports, d.report)
	if err := d.faults.err(); err != nil {
		return Batch{}, err
	}
	Normalise(b)
	return b, nil
}

// countMessages takes one from left for every message within b, without making
// any, so that a few bytes cannot become many objects. It ends once left is below 0.
func countMessages(b []byte, of protoreflect.MessageDescriptor, left *int) error {
	for len(b) > 0 && *left >= 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("not a rollcall.v1.ReportBatch: %w", protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, kind, b)
		if size < 0 {
			return fmt.Errorf("not a rollcall.v1.ReportBatch: %w", protowire.ParseError(size))
		}
		field := of.Fields().ByNumber(number)
		if field != nil && field.Message() != nil && kind == protowire.BytesType {
			if *left--; *left < 0 {
				return nil
			}
			inner, _ := protowire.ConsumeBytes(b)
			if err := countMessages(inner, field.Message(), left); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

type protoDecoder struct {
	l      Limits
	at     path
	faults Faults
	memory int // bytes that rolls may still take
}

func (d *protoDecoder) fault(format string, args ...any) { d.faults.add(&d.at, format, args...) }

// in reads the value of a field; the faults met are at its name.
func in[M, T any](d *protoDecoder, name string, m M, read func(M) T) T {
	d.at.field(name)
	defer d.at.up()
	return read(m)
}

// convert reads a repeated field, at the path set by who calls.
func convert[M, T any](d *protoDecoder, messages []M, read func(M) T) []T {
	if len(messages) == 0 {
		return nil
	}
	all := make([]T, len(messages))
	for i, m := range messages {
		if d.faults.full() {
			break
		}
		d.at.item(i)
		all[i] = read(m)
		d.at.up()
	}
	return all
}

func listIn[M, T any](d *protoDecoder, name string, messages []M, read func(M) T) []T {
	return in(d, name, messages, func(m []M) []T { return convert(d, m, read) })
}

func (d *protoDecoder) uid(b []byte) (u UID) {
	if len(b) != len(u) {
		d.fault("%d bytes; want the 16 of a UUID", len(b))
		return u
	}
	return UID(b)
}

func (d *protoDecoder) optionalUID(b []byte) UID {
	if len(b) == 0 {
		return UID{}
	}
	return d.uid(b)
}

func (d *protoDecoder) time(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		d.fault("missing; it is required")
		return time.Time{}
	}
	if err := t.CheckValid(); err != nil {
		d.fault("%d s and %d ns since 1970 is no time of the years 1 to 9999", t.Seconds, t.Nanos)
		return time.Time{}
	}
	return t.AsTime()
}

func (d *protoDecoder) report(m *rollcallv1.Report) Report {
	return Report{
		Stream: m.Stream, Hop: m.Hop, After: m.After,
		Emitter: in(d, "emitter", m.Emitter, d.uid),
		Host:    m.Host, Container: m.Container, Version: m.Version,
		Epoch: m.Epoch, Idempotent: m.Idempotent, Heartbeat: m.HeartbeatSeconds,
		Number:    m.Number,
		SentAt:    in(d, "sentAt", m.SentAt, d.time),
		State:     in(d, "state", m.State, d.state),
		LaneCount: m.LaneCount,
		Lanes:     in(d, "lanes", m.Lanes, d.lanes),
		Windows:   listIn(d, "windows", m.Windows, d.window),
		Spool:     Spool{m.GetSpool().GetEvents(), m.GetSpool().GetBytes()},
		Ended:     listIn(d, "ended", m.Ended, d.ended),
	}
}

func (d *protoDecoder) state(s rollcallv1.State) State {
	if s < 0 || int(s) >= len(stateNames) {
		d.fault("%d is none of RUNNING, CLOSED", s)
		return 0
	}
	return State(s)
}

func (d *protoDecoder) lanes(m map[string]*timestamppb.Timestamp) map[string]time.Time {
	if len(m) == 0 {
		return nil
	}
	lanes := make(map[string]time.Time, len(m))
	for lane, t := range m {
		d.at.entry(lane)
		lanes[lane] = d.time(t)
		d.at.up()
	}
	return lanes
}

func (d *protoDecoder) window(m *rollcallv1.Window) Window {
	u := m.GetUnplaced()
	return Window{
		Start:    in(d, "start", m.Start, d.time),
		Seconds:  m.Seconds,
		Sources:  listIn(d, "sources", m.Sources, d.source),
		Foreign:  listIn(d, "foreign", m.Foreign, foreignOf),
		Latency:  latencyOf(m.Latency),
		Schemas:  listIn(d, "schemas", m.Schemas, d.schema),
		Reasons:  listIn(d, "reasons", m.Reasons, d.reason),
		Unplaced: Unplaced{u.GetTooOld(), u.GetTooNew(), u.GetUnreadable(), u.GetNoUid()},
	}
}

func foreignOf(m *rollcallv1.Foreign) Foreign {
	return Foreign{
		UID: m.Uid, Count: m.Count, Filtered: m.Filtered, Rejected: m.Rejected,
		Corrupt: m.Corrupt, Invalid: m.Invalid, Skewed: m.Skewed,
	}
}

func latencyOf(m *rollcallv1.Latency) *Latency {
	if m == nil {
		return nil
	}
	return &Latency{Scale: m.Scale, Counts: m.Counts, Zero: m.Zero, Negative: m.Negative}
}

func (d *protoDecoder) schema(m *rollcallv1.SchemaTally) SchemaTally {
	t := SchemaTally{ID: m.Id, Version: m.Version, Reason: m.Reason, Count: m.Count}
	if m.Outcome < 0 || int(m.Outcome) >= len(outcomeNames) {
		d.fault("outcome %d is not known", m.Outcome)
		return t
	}
	t.Outcome = outcomeNames[m.Outcome]
	return t
}

func (d *protoDecoder) reason(m *rollcallv1.ReasonTally) ReasonTally {
	if m.Kind < 1 || int(m.Kind) >= len(reasonKindNames) {
		d.fault("kind %d is none of filtered, rejected", m.Kind)
		return ReasonTally{}
	}
	return ReasonTally{Kind: reasonKind(uint8(m.Kind)), Reason: m.Reason, Count: m.Count}
}

func (d *protoDecoder) source(m *rollcallv1.Source) Source {
	s := Source{
		ID:           in(d, "source", m.Source, d.uid),
		Observations: m.Observations, Bytes: m.Bytes,
	}
	if m.Seen == nil {
		in(d, "seen", "missing; it is required", func(text string) any { d.fault("%s", text); return nil })
	}
	rolls := [Kinds]*rollcallv1.Roll{m.Seen, m.Repeated, m.Corrupt, m.Invalid, m.Filtered, m.Rejected, m.Skewed}
	for k, roll := range rolls {
		if roll != nil {
			s.Rolls[k] = in(d, Kind(k).String(), roll, d.roll)
		}
	}
	return s
}

func (d *protoDecoder) roll(m *rollcallv1.Roll) *roaring.Bitmap {
	switch {
	case len(m.Ranges) > 0 && len(m.Roaring) > 0:
		d.fault("want one of ranges and roaring, have both")
		return nil
	case len(m.Roaring) > 0:
		roll, cost, err := parseRoaring(m.Roaring, d.l.Roll)
		if err != nil {
			in(d, "roaring", err, func(err error) any { d.fault("%v", err); return nil })
			return nil
		}
		d.afford(cost)
		return roll
	}
	return in(d, "ranges", m.Ranges, d.ranges)
}

func (d *protoDecoder) ranges(flat []uint32) *roaring.Bitmap {
	if len(flat)%2 != 0 {
		d.fault("%d numbers; want pairs of first and last", len(flat))
		return nil
	}
	if i, message := rangesFault(flat); message != "" {
		d.at.item(i)
		d.fault("%s", message)
		d.at.up()
		return nil
	}
	if !d.afford(rangesCost(flat)) {
		return nil
	}
	roll, err := unpackRanges(flat)
	if err != nil {
		d.fault("%v", err)
	}
	return roll
}

// afford takes bytes from what rolls may take in memory.
func (d *protoDecoder) afford(bytes int) bool {
	before := d.memory
	if d.memory -= bytes; d.memory < 0 && before >= 0 {
		d.fault("the rolls of this request take too much memory when unpacked; limit %d bytes", d.l.Memory)
	}
	return d.memory >= 0
}

func (d *protoDecoder) ended(m *rollcallv1.Ended) Ended {
	return Ended{
		Emitter: in(d, "emitter", m.Emitter, d.uid),
		Source:  in(d, "source", m.Source, d.optionalUID),
		Windows: in(d, "windows", m.Windows, d.spans),
		Reason:  m.Reason,
	}
}

func (d *protoDecoder) spans(windows []*rollcallv1.EndedWindow) map[time.Time][2]uint32 {
	if len(windows) == 0 {
		return nil
	}
	spans := make(map[time.Time][2]uint32, len(windows))
	for i, w := range windows {
		d.at.item(i)
		start := d.time(w.Start)
		if _, twice := spans[start]; twice {
			d.fault("the window comes twice")
		}
		span := [2]uint32{w.First, w.Last}
		if w.First <= w.Last {
			d.afford(rangesCost(span[:]))
		}
		spans[start] = span
		d.at.up()
	}
	return spans
}
