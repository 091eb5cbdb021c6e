package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
)

// The JSON shapes, in the order in which the keys are written.
type (
	jsonBatch struct {
		Reports []jsonReport `json:"reports"`
	}
	jsonReport struct {
		Stream     string               `json:"stream"`
		Hop        string               `json:"hop"`
		After      []string             `json:"after,omitempty"`
		Emitter    UID                  `json:"emitter"`
		Host       string               `json:"host,omitempty"`
		Container  string               `json:"container,omitempty"`
		Version    string               `json:"version,omitempty"`
		Epoch      uint32               `json:"epoch,omitempty"`
		Idempotent bool                 `json:"idempotent,omitempty"`
		Heartbeat  uint32               `json:"heartbeatSeconds,omitempty"`
		Number     uint64               `json:"number"`
		SentAt     time.Time            `json:"sentAt"`
		State      string               `json:"state"`
		LaneCount  uint32               `json:"laneCount,omitempty"`
		Lanes      map[string]time.Time `json:"lanes,omitempty"`
		Windows    []jsonWindow         `json:"windows,omitempty"`
		Spool      jsonSpool            `json:"spool,omitzero"`
		Ended      []jsonEnded          `json:"ended,omitempty"`
	}
	jsonWindow struct {
		Start    time.Time     `json:"start"`
		Seconds  uint32        `json:"seconds"`
		Sources  []jsonSource  `json:"sources,omitempty"`
		Foreign  []jsonForeign `json:"foreign,omitempty"`
		Latency  *jsonLatency  `json:"latency,omitempty"`
		Schemas  []jsonSchema  `json:"schemas,omitempty"`
		Reasons  []jsonReason  `json:"reasons,omitempty"`
		Unplaced jsonUnplaced  `json:"unplaced,omitzero"`
	}
	jsonSource struct {
		Source       UID       `json:"source"`
		Seen         jsonRoll  `json:"seen"`
		Repeated     *jsonRoll `json:"repeated,omitempty"`
		Corrupt      *jsonRoll `json:"corrupt,omitempty"`
		Invalid      *jsonRoll `json:"invalid,omitempty"`
		Filtered     *jsonRoll `json:"filtered,omitempty"`
		Rejected     *jsonRoll `json:"rejected,omitempty"`
		Skewed       *jsonRoll `json:"skewed,omitempty"`
		Observations uint64    `json:"observations,omitempty"`
		Bytes        uint64    `json:"bytes,omitempty"`
	}
	jsonRoll struct {
		Ranges  [][2]uint32 `json:"ranges,omitzero"`
		Roaring []byte      `json:"roaring,omitempty"`
	}
	jsonForeign struct {
		UID      string `json:"uid"`
		Count    uint64 `json:"count,omitempty"`
		Filtered uint64 `json:"filtered,omitempty"`
		Rejected uint64 `json:"rejected,omitempty"`
		Corrupt  uint64 `json:"corrupt,omitempty"`
		Invalid  uint64 `json:"invalid,omitempty"`
		Skewed   uint64 `json:"skewed,omitempty"`
	}
	jsonLatency struct {
		Scale    int32            `json:"scale"`
		Counts   map[int32]uint64 `json:"counts,omitempty"`
		Zero     uint64           `json:"zero,omitempty"`
		Negative uint64           `json:"negative,omitempty"`
	}
	jsonSchema struct {
		ID      string `json:"id,omitempty"`
		Version string `json:"version,omitempty"`
		Outcome string `json:"outcome,omitempty"`
		Reason  string `json:"reason,omitempty"`
		Count   uint64 `json:"count,omitempty"`
	}
	jsonReason struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason,omitempty"`
		Count  uint64 `json:"count,omitempty"`
	}
	jsonUnplaced struct {
		TooOld     uint64 `json:"tooOld,omitempty"`
		TooNew     uint64 `json:"tooNew,omitempty"`
		Unreadable uint64 `json:"unreadable,omitempty"`
		NoUID      uint64 `json:"noUid,omitempty"`
	}
	jsonSpool struct {
		Events uint64 `json:"events,omitempty"`
		Bytes  uint64 `json:"bytes,omitempty"`
	}
	jsonEnded struct {
		Emitter UID                     `json:"emitter"`
		Source  *UID                    `json:"source,omitempty"`
		Windows map[time.Time][2]uint32 `json:"windows,omitempty"`
		Reason  string                  `json:"reason,omitempty"`
	}
)

// EncodeJSON writes a batch in its JSON form, each roll as ranges or Roaring,
// whichever is smaller; the same batch gives the same bytes. It returns an error
// for text that is not UTF-8 and times that RFC 3339 has no form for; it does not
// apply any limit.
func EncodeJSON(b Batch) ([]byte, error) {
	out := jsonBatch{Reports: make([]jsonReport, len(b.Reports))}
	for i := range b.Reports {
		if err := toJSONReport(&b.Reports[i], &out.Reports[i]); err != nil {
			return nil, fmt.Errorf("encode reports[%d]: %w", i, err)
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode reports: %w", err)
	}
	return body, nil
}

func toJSONReport(r *Report, out *jsonReport) error {
	if err := checkText(r); err != nil {
		return err
	}
	*out = jsonReport{
		Stream: r.Stream, Hop: r.Hop, After: r.After, Emitter: r.Emitter,
		Host: r.Host, Container: r.Container, Version: r.Version,
		Epoch: r.Epoch, Idempotent: r.Idempotent, Heartbeat: r.Heartbeat,
		Number: r.Number, SentAt: r.SentAt.UTC(), State: r.State.String(),
		LaneCount: r.LaneCount, Lanes: utcLanes(r.Lanes), Spool: jsonSpool(r.Spool),
		Windows: make([]jsonWindow, len(r.Windows)), Ended: make([]jsonEnded, len(r.Ended)),
	}
	for i := range r.Windows {
		if err := toJSONWindow(&r.Windows[i], &out.Windows[i]); err != nil {
			return fmt.Errorf("windows[%d]: %w", i, err)
		}
	}
	for i := range r.Ended {
		e := &r.Ended[i]
		out.Ended[i] = jsonEnded{Emitter: e.Emitter, Windows: utcSpans(e.Windows), Reason: e.Reason}
		if !e.Source.IsZero() {
			out.Ended[i].Source = &e.Source
		}
	}
	return nil
}

func utcLanes(lanes map[string]time.Time) map[string]time.Time {
	out := make(map[string]time.Time, len(lanes))
	for lane, at := range lanes {
		out[lane] = at.UTC()
	}
	return out
}

func utcSpans(spans map[time.Time][2]uint32) map[time.Time][2]uint32 {
	out := make(map[time.Time][2]uint32, len(spans))
	for start, span := range spans {
		out[start.UTC()] = span
	}
	return out
}

func toJSONWindow(w *Window, out *jsonWindow) error {
	*out = jsonWindow{Start: w.Start.UTC(), Seconds: w.Seconds, Unplaced: jsonUnplaced(w.Unplaced)}
	out.Latency = (*jsonLatency)(w.Latency)
	for _, f := range w.Foreign {
		out.Foreign = append(out.Foreign, jsonForeign(f))
	}
	for _, t := range w.Schemas {
		out.Schemas = append(out.Schemas, jsonSchema(t))
	}
	for _, t := range w.Reasons {
		out.Reasons = append(out.Reasons, jsonReason{t.Kind.String(), t.Reason, t.Count})
	}
	out.Sources = make([]jsonSource, len(w.Sources))
	for i := range w.Sources {
		if err := toJSONSource(&w.Sources[i], &out.Sources[i]); err != nil {
			return fmt.Errorf("sources[%d]: %w", i, err)
		}
	}
	return nil
}

func toJSONSource(s *Source, out *jsonSource) error {
	*out = jsonSource{Source: s.ID, Observations: s.Observations, Bytes: s.Bytes}
	others := [Kinds]**jsonRoll{
		Repeated: &out.Repeated, Corrupt: &out.Corrupt, Invalid: &out.Invalid,
		Filtered: &out.Filtered, Rejected: &out.Rejected, Skewed: &out.Skewed,
	}
	for k, roll := range s.Rolls {
		encoded, err := toJSONRoll(roll)
		if err != nil {
			return fmt.Errorf("%v: %w", Kind(k), err)
		}
		switch {
		case Kind(k) == Seen:
			out.Seen = *encoded
		case roll != nil && !roll.IsEmpty():
			*others[k] = encoded
		}
	}
	return nil
}

func toJSONRoll(roll *roaring.Bitmap) (*jsonRoll, error) {
	flat, b, err := smallest(roll, textSize, base64.StdEncoding.EncodedLen)
	if b != nil || err != nil {
		return &jsonRoll{Roaring: b}, err
	}
	out := &jsonRoll{Ranges: make([][2]uint32, 0, len(flat)/2)}
	for i := 0; i < len(flat); i += 2 {
		out.Ranges = append(out.Ranges, [2]uint32{flat[i], flat[i+1]})
	}
	return out, nil
}

// textSize returns the length of n in a JSON range, with its share of ",[],".
func textSize(n uint32) int {
	var digits [10]byte
	return len(strconv.AppendUint(digits[:0], uint64(n), 10)) + 2
}

// checkText finds text that is not UTF-8, which encoding/json would change without a word.
func checkText(r *Report) error {
	all := append([]string{r.Stream, r.Hop, r.Host, r.Container, r.Version}, r.After...)
	for lane := range r.Lanes {
		all = append(all, lane)
	}
	for i := range r.Ended {
		all = append(all, r.Ended[i].Reason)
	}
	for i := range r.Windows {
		w := &r.Windows[i]
		for j := range w.Foreign {
			all = append(all, w.Foreign[j].UID)
		}
		for _, t := range w.Schemas {
			all = append(all, t.ID, t.Version, t.Outcome, t.Reason)
		}
		for _, t := range w.Reasons {
			all = append(all, t.Reason)
		}
	}
	for _, text := range all {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not UTF-8", clip(text))
		}
	}
	return nil
}
