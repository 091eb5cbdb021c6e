package schema

import (
	"strings"
	"testing"
	"time"
)

// fragile is a format, and a source, of libraries that break down.
type fragile struct{ when string }

func (f fragile) panics(now string) {
	if f.when == now {
		panic("4111111111111111")
	}
}

func (f fragile) check([]byte) fault {
	f.panics("check")
	return fault{Invalid, "breaks the schema", ""}
}

func (f fragile) tree([]byte) (any, words, bool) {
	f.panics("tree")
	return nil, nil, true
}

// Find implements Source.
func (f fragile) Find(e Event) Found {
	f.panics("find")
	return Found{Schema: &Schema{ID: "orders", Version: "3", format: f}, Body: e.Payload}
}

func TestALibraryThatBreaksDownTakesNoEventAndNoProcessWithIt(t *testing.T) {
	for _, test := range []struct {
		when, want, payload string
		broken              uint64
	}{
		{"check", "UNDECODABLE orders@3 the check broke down", `null`, 1},
		{"find", "UNDECODABLE orders@ the check broke down", `"bytes(2)"`, 1},
		{"tree", "INVALID orders@3 breaks the schema", `"bytes(2)"`, 0},
	} {
		a := &album{}
		s := newSampler(t, SamplerConfig{Sender: a})
		c, err := New(Config{Source: fragile{test.when}, Samples: s})
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Stream: "orders", Payload: []byte("41")}
		if got := told(c.Examine(e)); got != test.want {
			t.Errorf("%s: %s", test.when, got)
		}
		hop, next := newHop(t)
		c.Take(hop, next(), e.Payload, nil, time.Time{})
		if got := c.State(); got.Broken != 2*test.broken || got.Registry != nil {
			t.Errorf("%s: %+v", test.when, got)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(a.samples) != 1 || a.samples[0].Payload != test.payload || strings.Contains(a.samples[0].Reason, "4111") {
			t.Errorf("%s: %+v", test.when, a.samples)
		}
	}
}

func TestASchemaThatALibraryBreaksDownOfIsAnError(t *testing.T) {
	for _, kind := range []string{"JSON", "AVRO"} {
		doc := Document{
			Type: kind, Name: "a.json", Text: []byte(`{"$ref":"b.json"}`), Order: []string{"b"},
			Refer: func(string) ([]byte, error) { panic("4111") },
		}
		if s, err := Compile(doc); s != nil || err == nil || err.Error() != "schema a.json: the library that reads it broke down" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
