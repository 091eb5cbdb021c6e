package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// TestAlternativesAreThoseOfTheValidator holds what is compared here to what the library compares, with formats beside.
func TestAlternativesAreThoseOfTheValidator(t *testing.T) {
	values := rapid.SampledFrom([]string{`1`, `1.0`, `10e-1`, `0`, `-0`, `"1"`, `""`, `"a@b.c"`, `true`, `false`, `null`, `[]`, `[1]`, `[1.0]`, `[[],1]`, `[[1]]`, `{}`, `{"a":1}`, `{"a":1,"b":[null]}`, `{"b":[null],"a":1.0}`, `{"a1":"b"}`, `{"a":"1b"}`, `["ab"]`, `["a","b"]`, `["s1:a"]`, `1e400`, `"1/1"`, `"#1;"`, `"n"`,
		`{"` + strings.Repeat("k", 90) + `":1}`, `["` + strings.Repeat("k", 90) + `"]`, `123456789012345678901234567890123456789012345678901234567890123`})
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
}

// TestValuesHaveOneKeyWhereTheyAreEqual makes values of values, and holds their keys to what the library takes for equal.
func TestValuesHaveOneKeyWhereTheyAreEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someJSON(3).Draw(t, "a"), someJSON(3).Draw(t, "b")
		if rapid.Bool().Draw(t, "same") {
			b = strings.ReplaceAll(a, "1", "1.0")
		}
		library := jsonschema.NewCompiler()
		want, _ := schemaDocument([]byte(a))
		if err := library.AddResource("a.json", map[string]any{"const": want}); err != nil {
			t.Fatal(err)
		}
		compiled, err := library.Compile("a.json")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := schemaDocument([]byte(b))
		x, y := canon{most: maxSchemaKey, b: new(budget)}, canon{most: maxSchemaKey, b: new(budget)}
		if !x.value(want) || !y.value(got) {
			t.Fatal("no key")
		}
		if equal := compiled.Validate(got) == nil; equal != (x.key() == y.key()) {
			t.Fatalf("%s and %s are equal: %v; their keys are %s and %s", a, b, equal, x.out, y.out)
		}
	})
}

// someJSON is JSON of few different values, that often are equal.
func someJSON(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 {
			kind = min(kind, 4)
		}
		var parts []string
		for i := range rapid.IntRange(0, 2).Draw(t, "parts") * (kind / 5) {
			one := someJSON(depth-1).Draw(t, "part")
			if kind == 6 {
				one = fmt.Sprintf("%q:%s", rapid.SampledFrom([]string{"x", "y", "xy", ""}).Draw(t, "name")+fmt.Sprint(i), one)
			}
			parts = append(parts, one)
		}
		switch kind {
		case 0:
			return "null"
		case 1:
			return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
		case 2:
			return rapid.SampledFrom([]string{"1", "10e-1", "-1", "0.5", "5e-1", "0", "-0.0"}).Draw(t, "number")
		case 3, 4:
			return fmt.Sprintf("%q", rapid.SampledFrom([]string{"", "x", "xy", "s1:x", "1", "n", "true"}).Draw(t, "text"))
		case 5:
			return "[" + strings.Join(parts, ",") + "]"
		}
		return "{" + strings.Join(parts, ",") + "}"
	})
}

func TestLongAlternativesAreLookedUpAndNotTriedOneByOne(t *testing.T) {
	var text strings.Builder
	for n := range 15_000 {
		fmt.Fprintf(&text, `,{"a":[%d,1e999],"b":%d}`, n, n)
	}
	s := compiled(t, Document{Type: "JSON", Name: "a.json", Text: []byte(`{"items":{"enum":[` + text.String()[1:] + `]}}`)})
	if f := s.format.check([]byte(`[{"b":14999,"a":[14999,1e999]},{"b":1,"a":[2,1e999]}]`)); f != (fault{Invalid, "breaks enum", "/*"}) {
		t.Errorf("%+v", f)
	}
	eachSchema((<-s.format.(*jsonFormat).idle).schema, func(part *jsonschema.Schema) {
		if part.Enum != nil {
			t.Error("the validator still compares")
		}
	})
}
