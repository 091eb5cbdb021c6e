package wire

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// ValidateSamples says what is wrong with the meaning of a decoded batch at the time now. Its error is of type Faults,
// and each message names the limit. That the payload is masked it cannot tell: masking is the hop's matter.
func ValidateSamples(b SampleBatch, l Limits, now time.Time) error {
	_, err := FitSamples(b, l, now)
	return err
}

// FitSamples returns those samples of a decoded batch that ValidateSamples finds nothing wrong with, and what is wrong with the others:
// samples are each for themselves. Of a batch that is itself wrong none fits.
func FitSamples(b SampleBatch, l Limits, now time.Time) (fit []Sample, err error) {
	whole := &validator{l: l, now: now}
	switch n := len(b.Samples); {
	case n == 0:
		whole.faultfAt("samples", "no sample; want at least 1")
	case n > MaxSamples:
		whole.faultfAt("samples", "%d samples; limit %d", n, MaxSamples)
	}
	if err := whole.faults.err(); err != nil {
		return nil, err
	}
	var faults Faults
	for i := range b.Samples {
		v := &validator{l: l, now: now}
		v.at.field("samples")
		v.at.item(i)
		if v.sample(&b.Samples[i]); len(v.faults) == 0 {
			fit = append(fit, b.Samples[i])
		}
		faults = append(faults, v.faults[:min(len(v.faults), maxFaults-len(faults))]...)
	}
	return fit, faults.err()
}

func (v *validator) sample(s *Sample) {
	v.faultAt("stream", nameFault(s.Stream, v.l.Name))
	v.faultAt("hop", nameFault(s.Hop, v.l.Name))
	if s.Emitter.IsZero() {
		v.faultfAt("emitter", "missing or all zero; want a UUID")
	}
	v.faultAt("host", textFault(s.Host, v.l.Text))
	v.sampleWindow(s)
	v.faultAt("at", timeFault(s.At))
	v.faultAt("uid", uidFault(s.UID, v.l.UID))
	v.faultAt("schema", textFault(s.Schema, v.l.Text))
	v.faultAt("version", textFault(s.Version, v.l.Text))
	if at := indexOf(outcomeNames[1:], s.Outcome); at < 0 || s.Outcome == "OK" {
		v.faultfAt("outcome", "%q; want one of INVALID, UNKNOWN_SCHEMA, UNDECODABLE, DEPRECATED", clip(s.Outcome))
	}
	v.faultAt("reason", textFault(s.Reason, v.l.Reason))
	v.faultAt("path", textFault(s.Path, v.l.Reason))
	v.faultAt("payload", payloadFault(s.Payload))
}

func (v *validator) sampleWindow(s *Sample) {
	switch {
	case !slices.Contains(WindowSeconds(), s.Seconds):
		v.faultfAt("seconds", "%d; want one of 10, 60, 300, 600, 3600", s.Seconds)
	case !Aligned(s.Window, s.Seconds):
		v.faultfAt("window", "a start that is not aligned to its %d s", s.Seconds)
	default:
		v.faultAt("window", v.ageFault(s.Window, s.Window.Add(time.Duration(s.Seconds)*time.Second)))
	}
}

// payloadFault says what keeps a masked payload, which may be empty, from being shown.
func payloadFault(payload string) string {
	switch {
	case len(payload) > MaxSamplePayload:
		return fmt.Sprintf("%d bytes; limit %d", len(payload), MaxSamplePayload)
	case !utf8.ValidString(payload):
		return "bytes that are not UTF-8"
	}
	for _, r := range payload {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return fmt.Sprintf("the control character %q; want none: write JSON in one line", r)
		}
	}
	return ""
}
