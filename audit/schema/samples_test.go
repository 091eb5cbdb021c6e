package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// album keeps the samples that are sent, or fails.
type album struct {
	mu      sync.Mutex
	samples []wire.Sample
	err     error
}

func (a *album) SendSamples(_ context.Context, samples []wire.Sample) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.samples = append(a.samples, samples...)
	}
	return a.err
}

// nowhere is a transport whose server takes everything.
type nowhere struct{}

func (nowhere) Send(context.Context, wire.Batch) error { return nil }

func newHop(t *testing.T) (*audit.Hop, func() audit.Header) {
	t.Helper()
	hop, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "sink", Transport: nowhere{}})
	if err != nil {
		t.Fatal(err)
	}
	source, err := audit.NewSource(audit.SourceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return hop, func() audit.Header { return source.Take(time.Time{}, nil) }
}

func newSampler(t *testing.T, cfg SamplerConfig) *Sampler {
	t.Helper()
	s, err := NewSampler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSamplesShowShapesAndOnlyTheFieldsThatAreOpen(t *testing.T) {
	a := &album{}
	s := newSampler(t, SamplerConfig{Sender: a, Show: []string{"/id", "/lines/*/amount", "/by/*"}})
	c := loaded(t, map[string]string{"orders/1.json": orderJSON, "lines/1.json": lineJSON}, Config{Samples: s})
	hop, next := newHop(t)
	h := next()
	c.Tell(hop, h, []byte(`{"id":7.5,"mail":"ann@x","lines":[{"amount":-1},{},{},{},{}],"by":{"ann":"Jones"},"new":[true,null]}`), nil)
	c.Tell(hop, next(), []byte(`{"id":7}`), nil) // in order: no sample
	c.Tell(hop, next(), []byte(`{"id":`), nil)
	s.Start()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(a.samples) != 2 {
		t.Fatalf("%d samples: %+v", len(a.samples), a.samples)
	}
	one := a.samples[0]
	want := `{"by":{"*1":"Jones"},"id":7.5,"lines":[{"amount":-1},{},{},"2 more"],"mail":"string(5)","*1":["boolean",null]}`
	if one.Payload != want || one.Outcome != Invalid || one.UID != h.UID.String() || one.Schema != "orders" || one.Version != "1" {
		t.Errorf("%+v\nwant %s", one, want)
	}
	if a.samples[1].Payload != `"bytes(6)"` || a.samples[1].Reason != "not JSON" {
		t.Errorf("%+v", a.samples[1])
	}
}

func TestSamplesAreFewOfEachKindAndTheRestIsCounted(t *testing.T) {
	a := &album{}
	s := newSampler(t, SamplerConfig{Sender: a, PerMinute: 2})
	now := time.Now()
	s.now = func() time.Time { return now }
	c := loaded(t, map[string]string{"orders/1.json": orderJSON, "lines/1.json": lineJSON}, Config{Samples: s})
	hop, next := newHop(t)
	for range 10 {
		c.Tell(hop, next(), []byte(`{}`), nil)
		c.Tell(hop, next(), []byte(`{"id":"x"}`), nil)
	}
	if got := s.Stats(); got.Taken != 4 || got.Limited != 16 {
		t.Errorf("%+v", got)
	}
	now = now.Add(time.Minute)
	c.Tell(hop, next(), []byte(`{}`), nil)
	if got := s.Stats(); got.Taken != 5 {
		t.Errorf("a minute later: %+v", got)
	}
	a.err = errors.New("no")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Dropped != 5 || got.Sent != 0 {
		t.Errorf("after a failed sending: %+v", got)
	}
}

func TestASampleThatTheServerWouldRefuseIsNotSentAndCounted(t *testing.T) {
	a := &album{}
	s := newSampler(t, SamplerConfig{Sender: a})
	c := loaded(t, map[string]string{"orders/1.json": orderJSON, "lines/1.json": lineJSON}, Config{Samples: s})
	hop, next := newHop(t)
	old := next()
	old.ProducedAt = time.Now().AddDate(0, 0, -9)
	c.Check(hop, old, []byte(`{}`), nil)
	c.Check(hop, next(), []byte(`{}`), nil)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got != (SamplerStats{Taken: 1, Unfit: 1, Sent: 1}) || len(a.samples) != 1 {
		t.Errorf("%+v, %d sent", got, len(a.samples))
	}
}

func TestSamplesThatTheServerTookOfABatchCountAsSent(t *testing.T) {
	a := &album{err: &audit.SendError{Err: &audit.PartlyError{Accepted: 2, Detail: "samples[1].window"}}}
	var told error
	s := newSampler(t, SamplerConfig{Sender: a, OnError: func(err error) { told = err }})
	c := loaded(t, map[string]string{"orders/1.json": orderJSON, "lines/1.json": lineJSON}, Config{Samples: s})
	hop, next := newHop(t)
	for range 3 {
		c.Check(hop, next(), []byte(`{}`), nil)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got != (SamplerStats{Taken: 3, Sent: 2, Dropped: 1}) || told == nil || !strings.Contains(told.Error(), "took only 2: samples[1].window") {
		t.Errorf("%+v, %v", got, told)
	}
}

func TestSamplesOfLongPayloadsAreCut(t *testing.T) {
	var properties, values []string
	for i := range 1000 {
		properties = append(properties, fmt.Sprintf(`"é%03d":{"type":"string"}`, i))
		values = append(values, fmt.Sprintf(`"é%03d":1`, i))
	}
	s := compiled(t, Document{Type: "JSON", Name: "a.json", Text: []byte(`{"properties":{` + strings.Join(properties, ",") + `}}`)})
	payload := []byte("{" + strings.Join(values, ",") + "}")
	text, cut := mask(Found{Schema: s, Body: payload}, payload, nil)
	if len(text) > wire.MaxSamplePayload || len(text) < wire.MaxSamplePayload-4 || !cut {
		t.Errorf("%d bytes, cut %v", len(text), cut)
	}
}

// What turns a terminal or a page around is in no sample: not in a value that is shown, nor in a name of a schema.
func TestSamplesHoldNoCharactersThatNobodySees(t *testing.T) {
	unseen := "\x00\x1b\x7f\u0080\u009b\u061c\u200b\u200e\u2028\u2029\u202e\u2066\ufeff"
	name, _ := json.Marshal("a" + unseen)
	s := compiled(t, Document{Type: "JSON", Name: "a.json", Text: []byte(`{"properties":{` + string(name) + `:{}}}`)})
	payload := []byte("{" + string(name) + ":" + string(name) + `,"x":1}`)
	for _, open := range []map[string]bool{nil, {"/a" + unseen: true}} {
		text, _ := mask(Found{Schema: s, Body: payload}, payload, open)
		for _, r := range text {
			if !unicode.IsPrint(r) {
				t.Errorf("%U in %q", r, text)
			}
		}
		if strings.Contains(text, `\u`) {
			t.Errorf("escaped in %s", text)
		}
	}
}

// planted is an event with secrets in it, in each format.
func planted(t *rapid.T, secret string, number int64) []byte {
	tree := rapid.SampledFrom([]any{
		secret, number, float64(number) + 0.5, []any{secret}, map[string]any{secret: number}, map[string]any{secret: map[string]any{secret: secret}},
		map[string]any{"id": secret}, map[string]any{"id": number, secret: 1}, map[string]any{"id": 1, "mail": secret},
		map[string]any{"id": 1, "by": map[string]any{secret: 1}}, map[string]any{"id": 1, "kind": secret},
		map[string]any{"id": 1, "lines": []any{map[string]any{"amount": -number}}}, map[string]any{"id": 1, "lines": map[string]any{secret: secret}},
	}).Draw(t, "tree")
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func plantedAvro(t *rapid.T, secret string, number int64) []byte {
	b, err := avro.MustParse(orderAvro).Encode(map[string]any{
		"id": number, "next": nil, "tags": map[string]string{secret: secret}, "state": "new",
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func plantedProto(secret string, number int64) []byte {
	sub := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(-number))
	b = append(b, sub(2, sub(1, []byte(secret)))...)
	b = append(b, sub(3, append(sub(1, []byte(secret)), sub(2, []byte(secret))...))...)
	return append(b, sub(99, []byte(secret))...)
}

func TestNothingThatAnEventHoldsIsShown(t *testing.T) {
	files := map[string]string{
		"json/1.json": orderJSON, "lines/1.json": lineJSON, "avro/1.avsc": orderAvro,
		"proto/1.proto": strings.ReplaceAll(orderProto, "lines/1.proto", "line/1.proto"), "line/1.proto": lineProto,
	}
	a := &album{err: errors.New("not reached")}
	var errs []string
	s := newSampler(t, SamplerConfig{Sender: a, PerMinute: 1 << 30, OnError: func(err error) { errs = append(errs, err.Error()) }})
	c := loaded(t, files, Config{Samples: s})
	hop, next := newHop(t)
	rapid.Check(t, func(t *rapid.T) {
		secret := "s" + rapid.StringMatching(`[a-zA-Z0-9 é/~"\\]{8,40}`).Draw(t, "secret") + "z"
		number := rapid.Int64Range(1_234_567_890, 9_000_000_000_000).Draw(t, "number")
		format := rapid.SampledFrom([]string{"json", "avro", "proto"}).Draw(t, "format")
		payload := map[string]func() []byte{
			"json":  func() []byte { return planted(t, secret, number) },
			"avro":  func() []byte { return plantedAvro(t, secret, number) },
			"proto": func() []byte { return plantedProto(secret, number) },
		}[format]()
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			payload = payload[:rapid.IntRange(0, len(payload)).Draw(t, "cut")]
		case 1:
			payload = append(payload, secret...)
		}
		s.total, s.queue = 0, nil
		tally := c.Check(hop, next(), payload, []byte(format+"@1"))
		var shown strings.Builder
		fmt.Fprintf(&shown, "%+v %v", tally, errs)
		for _, one := range s.queue {
			fmt.Fprintf(&shown, " %s %s %s %s %s", one.Schema, one.Version, one.Reason, one.Path, one.Payload)
		}
		if tally.Outcome != OK && len(s.queue) != 1 {
			t.Fatalf("%s without a sample", tally.Outcome)
		}
		quoted, _ := json.Marshal(secret)
		for _, never := range []string{secret, strings.Trim(string(quoted), `"`), escape.Replace(secret), fmt.Sprint(number)} {
			if strings.Contains(shown.String(), never) {
				t.Fatalf("%q is in %s", never, shown.String())
			}
		}
	})
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0}, []byte(nil))
	f.Add([]byte{1, 2, 3}, []byte{0, 0, 0, 0, 1, 4, 2, 2})
	f.Fuzz(func(t *testing.T, payload, header []byte) {
		if _, rest, ok := unframe(payload, header); ok {
			if indexes, left, ok := readIndexes(rest, nil); ok && (len(left) >= len(rest) || len(indexes) == 0 || len(indexes) > maxIndexes) {
				t.Errorf("%v of %x leaves %x", indexes, rest, left)
			}
		}
	})
}

// FuzzCheck checks and masks any payload with each format: it ends, and samples are bounded.
func FuzzCheck(f *testing.F) {
	files := map[string]string{"a.json": orderJSON, "a.avsc": orderAvro, "a.proto": orderProto}
	var schemas []*Schema
	for name, kind := range map[string]string{"a.json": "JSON", "a.avsc": "AVRO", "a.proto": "PROTOBUF"} {
		refer := func(at string) ([]byte, error) {
			if strings.HasSuffix(at, ".proto") {
				return []byte(lineProto), nil
			}
			return []byte(lineJSON), nil
		}
		s, err := Compile(Document{Type: kind, Name: name, Text: []byte(files[name]), Refer: refer})
		if err != nil {
			f.Fatal(err)
		}
		schemas = append(schemas, s)
	}
	f.Add([]byte(`{"id":7,"by":{"x":1}}`))
	f.Add([]byte{14, 0, 2, 2, 'k', 2, 'v', 0, 0})
	f.Add(plantedProto("secret", 7))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, s := range schemas {
			fault := s.format.check(payload)
			if len(fault.path) > 4*maxPath || len(fault.reason) > 4*maxReason || (fault.outcome == "") != (fault.reason == "") {
				t.Errorf("%+v", fault)
			}
			if text, _ := mask(Found{Schema: s, Body: payload}, payload, nil); len(text) > wire.MaxSamplePayload {
				t.Errorf("a sample of %d bytes", len(text))
			}
		}
	})
}
