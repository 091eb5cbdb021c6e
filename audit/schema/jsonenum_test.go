package schema

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// TestAlternativesAreThoseOfTheValidator holds what is compared here to what the library compares, with formats beside.
func TestAlternativesAreThoseOfTheValidator(t *testing.T) {
	values := rapid.SampledFrom([]string{`1`, `1.0`, `10e-1`, `0`, `-0`, `"1"`, `""`, `"a@b.c"`, `true`, `false`, `null`, `[]`, `[1]`, `{}`, `1e400`, `"1/1"`})
	rapid.Check(t, func(t *rapid.T) {
		allowed, format := rapid.SliceOfN(values, 1, 6).Draw(t, "alternatives"), rapid.SampledFrom([]string{"", `,"format":"email","$schema":"http://json-schema.org/draft-07/schema#"`}).Draw(t, "format")
		value := values.Draw(t, "value")
		text := `{"enum":[`
		for i, one := range allowed {
			if i > 0 {
				text += ","
			}
			text += one
		}
		text += "]" + format + "}"
		doc, err := schemaDocument([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		library := jsonschema.NewCompiler()
		if err := library.AddResource("a.json", doc); err != nil {
			t.Fatal(err)
		}
		compiled, err := library.Compile("a.json")
		if err != nil {
			t.Skip("this draft wants each alternative once")
		}
		ours, err := Compile(Document{Type: "JSON", Name: "a.json", Text: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		v, why := decodeJSON([]byte(value))
		if why != "" {
			t.Fatal(why)
		}
		want := compiled.Validate(v) == nil
		if got := ours.format.check([]byte(value)); (got.outcome == "") != want {
			t.Fatalf("%s of %s: %+v, and the library says %v", value, text, got, want)
		}
	})
}

func TestAValueThatIsNoAlternativeSaysSoAndWhere(t *testing.T) {
	s, err := Compile(Document{Type: "JSON", Name: "a.json", Text: []byte(`{"properties":{"kind":{"type":"string","enum":["a","b"],"format":"email"}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.format.check([]byte(`{"kind":"c@d.e"}`)); got != (fault{Invalid, "breaks enum", "/kind"}) {
		t.Errorf("%+v", got)
	}
	if key, ok := scalar(json.Number("1")); !ok || fmt.Sprint(key) != "1" || key == any("1") {
		t.Error("a number is a text of the same letters")
	}
}
