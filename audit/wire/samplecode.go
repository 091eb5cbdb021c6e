package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// DecodeSamples reads a batch from JSON as strictly as DecodeJSON reads reports, with MaxSampleBatch in place of the
// limit of a request. The error is of type Faults. What the values mean is ValidateSamples' matter.
func DecodeSamples(body []byte, l Limits) (SampleBatch, error) {
	l.Request = MaxSampleBatch
	if f := bodyFault(body, l); f != nil {
		return SampleBatch{}, f
	}
	d := &jsonDecoder{scanner: scanner{b: body, most: l.Entries, mute: true}, l: l}
	d.begin()
	var b SampleBatch
	d.object([]string{"samples"}, func(key string) bool {
		if key != "samples" {
			return false
		}
		b.Samples = list(d, d.sample)
		return true
	})
	d.end()
	if err := d.faults.err(); err != nil {
		return SampleBatch{}, err
	}
	return b, nil
}

func (d *jsonDecoder) sample(s *Sample) {
	required := []string{"stream", "hop", "emitter", "window", "seconds", "at", "uid", "schema", "outcome", "payload"}
	d.object(required, func(key string) bool {
		if into := s.text(key); into != nil {
			*into = d.string()
			return true
		}
		switch key {
		case "emitter":
			s.Emitter = d.uid()
		case "window":
			s.Window = d.time()
		case "seconds":
			s.Seconds = d.uint32()
		case "at":
			s.At = d.time()
		case "cut":
			s.Cut = d.boolean()
		default:
			return false
		}
		return true
	})
}

// text is the field of a sample that holds the string of a key, or nil.
func (s *Sample) text(key string) *string {
	switch key {
	case "stream":
		return &s.Stream
	case "hop":
		return &s.Hop
	case "host":
		return &s.Host
	case "uid":
		return &s.UID
	case "schema":
		return &s.Schema
	case "version":
		return &s.Version
	case "outcome":
		return &s.Outcome
	case "reason":
		return &s.Reason
	case "path":
		return &s.Path
	case "payload":
		return &s.Payload
	}
	return nil
}

// EncodeSamples writes a batch as JSON. Text that is not UTF-8 is an error, since JSON cannot hold it.
func EncodeSamples(b SampleBatch) ([]byte, error) {
	for i := range b.Samples {
		s := &b.Samples[i]
		for _, text := range []string{s.Stream, s.Hop, s.Host, s.UID, s.Schema, s.Version, s.Outcome, s.Reason, s.Path, s.Payload} {
			if !utf8.ValidString(text) {
				return nil, fmt.Errorf("wire: encode samples[%d]: text that is not UTF-8", i)
			}
		}
	}
	if b.Samples == nil {
		b.Samples = []Sample{}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // it is for people to read, and no page takes it for HTML
	if err := encoder.Encode(b); err != nil {
		return nil, fmt.Errorf("wire: encode samples: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
