package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fullSample has every field.
func fullSample(t testing.TB) Sample {
	return Sample{
		Stream: "orders", Hop: "agent", Emitter: uid(t, "0199f0a0-0000-8000-8000-0000000000aa"), Host: "web-17",
		Window: theTime.Truncate(time.Minute), Seconds: 60, At: theTime.Truncate(time.Millisecond), UID: "0199f09c-1d2e-8abc-9def-012300000007",
		Schema: "orders", Version: "7", Outcome: "INVALID", Reason: "/amount: expected number", Path: "/amount",
		Payload: `{"id":"<string 9>","amount":"<string 4>"}`, Cut: true,
	}
}

// leastSample has what is required.
func leastSample(t testing.TB) Sample {
	s := fullSample(t)
	s.Host, s.Version, s.Reason, s.Path, s.Payload, s.Cut = "", "", "", "", "", false
	s.Outcome, s.UID = "UNDECODABLE", "order-77413"
	return s
}

func samplesText(t testing.TB, all ...Sample) string {
	t.Helper()
	text, err := EncodeSamples(SampleBatch{all})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSamplesKeepTheirBytesOnTheWire(t *testing.T) {
	batch := SampleBatch{[]Sample{fullSample(t), leastSample(t)}}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(samplesText(t, batch.Samples...)), "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	golden(t, "samples.golden", pretty.Bytes())
	back, err := DecodeSamples(pretty.Bytes(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, batch) {
		t.Errorf("read back as %+v", back)
	}
	if err := ValidateSamples(back, DefaultLimits(), theTime); err != nil {
		t.Errorf("the batch is refused: %v", err)
	}
}

func TestJSONThatIsNotExactlyASampleIsRefusedAtItsPath(t *testing.T) {
	good := samplesText(t, fullSample(t))
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the sample does not hold %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct{ name, body, path, message string }{
		{"empty", "", "", "the body is empty"},
		{"too long", `{"samples":[]}` + strings.Repeat(" ", MaxSampleBatch), "", "limit 524288"},
		{"no samples", "{}", "samples", "missing"},
		{"a report", reportText(""), "reports", "unknown key"},
		{"unknown key", with(`"hop"`, `"colour":1,"hop"`), "samples[0].colour", "unknown key"},
		{"duplicate key", with(`"hop"`, `"hop":"x","hop"`), "samples[0].hop", "comes twice"},
		{"key in capitals", with(`"hop"`, `"Hop"`), "samples[0].Hop", "unknown key"},
		{"payload as an object", with(`"payload":`, `"payload":{},"x":`), "samples[0].payload", "an object; want a string"},
		{"cut as a number", with(`"cut":true`, `"cut":1`), "samples[0].cut", "want true or false"},
		{"seconds as text", with(`"seconds":60`, `"seconds":"60"`), "samples[0].seconds", "a string; want an integer"},
		{"no emitter", with(`"emitter":"0199f0a0-0000-8000-8000-0000000000aa",`, ""), "samples[0].emitter", "missing"},
		{"text after the end", good + "x", "", "bytes after the end"},
		{"not UTF-8", strings.Replace(good, "web-17", "\xff", 1), "", "not valid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeSamples([]byte(c.body), DefaultLimits())
			wantFault(t, err, c.path, c.message)
		})
	}
}

func TestEachLimitOfASampleIsNamedInItsRefusal(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		path, message string
		change        func(*Sample)
	}{
		{"stream", "limit 200", func(s *Sample) { s.Stream = long(201) }},
		{"hop", "missing or empty", func(s *Sample) { s.Hop = "" }},
		{"emitter", "want a UUID", func(s *Sample) { s.Emitter = UID{} }},
		{"host", "limit 200", func(s *Sample) { s.Host = long(201) }},
		{"seconds", "want one of 10, 60", func(s *Sample) { s.Seconds = 61 }},
		{"window", "not aligned", func(s *Sample) { s.Window = s.Window.Add(time.Second) }},
		{"window", "limit 168h0m0s", func(s *Sample) { s.Window = s.Window.Add(-8 * 24 * time.Hour) }},
		{"window", "limit 5m0s ahead", func(s *Sample) { s.Window = s.Window.Add(time.Hour) }},
		{"at", "1970 to 2261", func(s *Sample) { s.At = time.Time{} }},
		{"uid", "1 to 1024 bytes", func(s *Sample) { s.UID = "" }},
		{"uid", "limit 1024", func(s *Sample) { s.UID = long(1025) }},
		{"uid", "control character", func(s *Sample) { s.UID = "a\x1b[2J" }},
		{"schema", "limit 200", func(s *Sample) { s.Schema = long(201) }},
		{"version", "limit 200", func(s *Sample) { s.Version = long(201) }},
		{"outcome", "want one of INVALID", func(s *Sample) { s.Outcome = "OK" }},
		{"outcome", "want one of INVALID", func(s *Sample) { s.Outcome = "" }},
		{"reason", "limit 1000", func(s *Sample) { s.Reason = long(1001) }},
		{"path", "limit 1000", func(s *Sample) { s.Path = long(1001) }},
		{"payload", "limit 4096", func(s *Sample) { s.Payload = long(4097) }},
		{"payload", "control character", func(s *Sample) { s.Payload = "a\nb" }},
		{"payload", "control character", func(s *Sample) { s.Payload = "\u009b2J" }},
		{"payload", "control character", func(s *Sample) { s.Payload = "a\u2028b" }},
		{"payload", "control character", func(s *Sample) { s.Payload = "\u202egnp.exe" }},
		{"payload", "not UTF-8", func(s *Sample) { s.Payload = "\xff" }},
	} {
		s := fullSample(t)
		c.change(&s)
		err := ValidateSamples(SampleBatch{[]Sample{fullSample(t), s}}, DefaultLimits(), theTime)
		t.Run(c.path+" "+c.message, func(t *testing.T) { wantFault(t, err, "samples[1]."+c.path, c.message) })
	}
	many := make([]Sample, MaxSamples+1)
	for i := range many {
		many[i] = fullSample(t)
	}
	wantFault(t, ValidateSamples(SampleBatch{many}, DefaultLimits(), theTime), "samples", "101 samples; limit 100")
	wantFault(t, ValidateSamples(SampleBatch{}, DefaultLimits(), theTime), "samples", "no sample")
	if err := ValidateSamples(SampleBatch{many[:MaxSamples]}, DefaultLimits(), theTime); err != nil {
		t.Errorf("%d samples are refused: %v", MaxSamples, err)
	}
}

func TestSamplesThatFitAreToldFromThoseThatDoNot(t *testing.T) {
	var all []Sample
	for n := range 60 {
		s := fullSample(t)
		if s.UID = fmt.Sprint("order-", n); n%2 == 1 {
			s.Window = s.Window.Add(-8 * 24 * time.Hour)
		}
		all = append(all, s)
	}
	fit, err := FitSamples(SampleBatch{all}, DefaultLimits(), theTime)
	var faults Faults
	if len(fit) != 30 || !errors.As(err, &faults) || len(faults) != maxFaults || faults[1].Path != "samples[3].window" {
		t.Fatalf("%d fit: %v", len(fit), err)
	}
	for i, s := range fit {
		if s.UID != fmt.Sprint("order-", 2*i) {
			t.Errorf("sample %d is %s", i, s.UID)
		}
	}
}

// A fault repeats a few characters at most of what may be a value that was not masked.
func TestFaultsOfSamplesDoNotRepeatPayloads(t *testing.T) {
	s := fullSample(t)
	s.Payload = strings.Repeat("secret", 1000)
	if _, err := DecodeSamples([]byte("4111111111111111"), DefaultLimits()); err == nil || strings.Contains(err.Error(), "4111") {
		t.Errorf("%v", err)
	}
	if err := ValidateSamples(SampleBatch{[]Sample{s}}, DefaultLimits(), theTime); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	for _, payload := range []string{`["secret"]`, `{"a":"secret"}`, "4111111111111111", `"secret\x"`, "\"4111\nsecret\"", "secret", "true4111"} {
		_, err := DecodeSamples(fmt.Appendf(nil, `{"samples":[{"payload":%s}]}`, payload), DefaultLimits())
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestSamplesThatAreNotUTF8AreNotEncoded(t *testing.T) {
	s := fullSample(t)
	s.Payload = "\xff"
	if _, err := EncodeSamples(SampleBatch{[]Sample{s}}); err == nil {
		t.Error("EncodeSamples took it")
	}
}

func FuzzDecodeSamples(f *testing.F) {
	body, err := os.ReadFile("testdata/samples.golden")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"samples":[{"payload":"\ud83d\ude00\\u0000"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeSamples(body, DefaultLimits())
		if err != nil || ValidateSamples(b, DefaultLimits(), theTime) != nil {
			return
		}
		text, err := EncodeSamples(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > MaxSampleBatch {
			return // another spelling may be longer
		}
		back, err := DecodeSamples(text, DefaultLimits())
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if !reflect.DeepEqual(b, back) {
			t.Fatalf("%+v is read back as %+v", b, back)
		}
	})
}
