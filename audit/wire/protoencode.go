package wire

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rollcallhq/rollcall/audit/wire/rollcallv1"
)

// EncodeProto writes a batch in its protobuf form, rollcall.v1.ReportBatch, each
// roll as ranges or Roaring, whichever is smaller; the same batch gives the same
// bytes. It returns an error for text that is not UTF-8 and for a tally without a
// proper kind or outcome; it does not apply any limit.
func EncodeProto(b Batch) ([]byte, error) {
	m := &rollcallv1.ReportBatch{Reports: make([]*rollcallv1.Report, len(b.Reports))}
	for i := range b.Reports {
		report, err := toProtoReport(&b.Reports[i])
		if err != nil {
			return nil, fmt.Errorf("encode reports[%d]: %w", i, err)
		}
		m.Reports[i] = report
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode reports: %w", err)
	}
	return body, nil
}

func toProtoReport(r *Report) (*rollcallv1.Report, error) {
	m := &rollcallv1.Report{
		Stream: r.Stream, Hop: r.Hop, After: r.After, Emitter: r.Emitter[:],
		Host: r.Host, Container: r.Container, Version: r.Version,
		Epoch: r.Epoch, Idempotent: r.Idempotent, HeartbeatSeconds: r.Heartbeat,
		Number: r.Number, SentAt: timestamppb.New(r.SentAt), State: rollcallv1.State(r.State),
		LaneCount: r.LaneCount, Lanes: make(map[string]*timestamppb.Timestamp, len(r.Lanes)),
	}
	for lane, at := range r.Lanes {
		m.Lanes[lane] = timestamppb.New(at)
	}
	if r.Spool != (Spool{}) {
		m.Spool = &rollcallv1.Spool{Events: r.Spool.Events, Bytes: r.Spool.Bytes}
	}
	for i := range r.Windows {
		w, err := toProtoWindow(&r.Windows[i])
		if err != nil {
			return nil, fmt.Errorf("windows[%d]: %w", i, err)
		}
		m.Windows = append(m.Windows, w)
	}
	for i := range r.Ended {
		m.Ended = append(m.Ended, toProtoEnded(&r.Ended[i]))
	}
	return m, nil
}

func toProtoEnded(e *Ended) *rollcallv1.Ended {
	m := &rollcallv1.Ended{Emitter: e.Emitter[:], Reason: e.Reason}
	if !e.Source.IsZero() {
		m.Source = e.Source[:]
	}
	for start, span := range e.Windows {
		m.Windows = append(m.Windows, &rollcallv1.EndedWindow{Start: timestamppb.New(start), First: span[0], Last: span[1]})
	}
	slices.SortFunc(m.Windows, func(a, b *rollcallv1.EndedWindow) int {
		return a.Start.AsTime().Compare(b.Start.AsTime())
	})
	return m
}

func toProtoWindow(w *Window) (*rollcallv1.Window, error) {
	m := &rollcallv1.Window{Start: timestamppb.New(w.Start), Seconds: w.Seconds}
	m.Sources = make([]*rollcallv1.Source, len(w.Sources))
	for i := range w.Sources {
		s, err := toProtoSource(&w.Sources[i])
		if err != nil {
			return nil, fmt.Errorf("sources[%d]: %w", i, err)
		}
		m.Sources[i] = s
	}
	for _, f := range w.Foreign {
		m.Foreign = append(m.Foreign, &rollcallv1.Foreign{
			Uid: f.UID, Count: f.Count, Filtered: f.Filtered, Rejected: f.Rejected,
			Corrupt: f.Corrupt, Invalid: f.Invalid, Skewed: f.Skewed,
		})
	}
	if l := w.Latency; l != nil {
		m.Latency = &rollcallv1.Latency{Scale: l.Scale, Counts: l.Counts, Zero: l.Zero, Negative: l.Negative}
	}
	if u := w.Unplaced; u != (Unplaced{}) {
		m.Unplaced = &rollcallv1.Unplaced{TooOld: u.TooOld, TooNew: u.TooNew, Unreadable: u.Unreadable, NoUid: u.NoUID}
	}
	return m, toProtoTallies(w, m)
}

func toProtoTallies(w *Window, m *rollcallv1.Window) error {
	for i, t := range w.Schemas {
		outcome := indexOf(outcomeNames[:], t.Outcome)
		if outcome < 0 {
			return fmt.Errorf("schemas[%d]: %q is no outcome", i, clip(t.Outcome))
		}
		m.Schemas = append(m.Schemas, &rollcallv1.SchemaTally{
			Id: t.ID, Version: t.Version, Outcome: rollcallv1.Outcome(outcome), Reason: t.Reason, Count: t.Count,
		})
	}
	for i, t := range w.Reasons {
		kind := indexOf(reasonKindNames[:], t.Kind.String())
		if kind < 0 {
			return fmt.Errorf("reasons[%d]: the kind %v has no reasons", i, t.Kind)
		}
		m.Reasons = append(m.Reasons, &rollcallv1.ReasonTally{Kind: rollcallv1.ReasonKind(kind), Reason: t.Reason, Count: t.Count})
	}
	return nil
}

func toProtoSource(s *Source) (*rollcallv1.Source, error) {
	m := &rollcallv1.Source{Source: s.ID[:], Observations: s.Observations, Bytes: s.Bytes}
	into := [Kinds]**rollcallv1.Roll{&m.Seen, &m.Repeated, &m.Corrupt, &m.Invalid, &m.Filtered, &m.Rejected, &m.Skewed}
	for k, roll := range s.Rolls {
		if Kind(k) != Seen && (roll == nil || roll.IsEmpty()) {
			continue
		}
		encoded, err := toProtoRoll(roll)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", Kind(k), err)
		}
		*into[k] = encoded
	}
	return m, nil
}

func toProtoRoll(roll *roaring.Bitmap) (*rollcallv1.Roll, error) {
	flat, b, err := smallest(roll, varintSize, func(n int) int { return n })
	return &rollcallv1.Roll{Ranges: flat, Roaring: b}, err
}

// varintSize returns the length of n as a varint.
func varintSize(n uint32) int { return (bits.Len32(n|1) + 6) / 7 }
