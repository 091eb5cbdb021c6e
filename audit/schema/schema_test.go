package schema

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"
)

// directory writes files, by name, into a directory of schemas.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const orderJSON = `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},
	"lines":{"type":"array","items":{"$ref":"../lines/1.json"}},"by":{"type":"object","additionalProperties":{"type":"string"}},
	"mail":{"type":"string","pattern":"^[a-z]+@"},"kind":{"anyOf":[{"const":"a"},{"const":"b"}]}},"additionalProperties":false}`

const lineJSON = `{"type":"object","properties":{"amount":{"type":["number","null"],"minimum":0}}}`

const orderAvro = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},
	{"name":"next","type":["null","Order"]},{"name":"tags","type":{"type":"map","values":"string"}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["new","paid"]}}]}`

const orderProto = `syntax = "proto3"; import "buf/validate/validate.proto"; import "lines/1.proto";
message Order { int64 id = 1 [(buf.validate.field).int64.gt = 0]; repeated Line lines = 2; map<string, string> tags = 3;
	message Inner { string text = 1; } }
message Other { bool yes = 1; }`

const lineProto = `syntax = "proto3"; import "buf/validate/validate.proto";
message Line { string sku = 1 [(buf.validate.field).string.max_len = 5]; }`

func loaded(t *testing.T, files map[string]string, cfg Config) *Checker {
	t.Helper()
	source, err := LoadFiles(FilesConfig{Dir: directory(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Source = source
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEachOutcomeOfJSONNamesTheFaultAndWhere(t *testing.T) {
	c := loaded(t, map[string]string{"orders/2.json": orderJSON, "orders/10.json": orderJSON, "lines/1.json": lineJSON},
		Config{Deprecated: []string{"orders@2"}, MaxPayload: 1000})
	for _, test := range []struct{ stream, header, payload, want string }{
		{"orders", "", `{"id":7}`, "OK orders@10"},
		{"orders", "2", `{"id":7}`, "DEPRECATED orders@2"},
		{"other", "orders@2", `{"id":7}`, "DEPRECATED orders@2"},
		{"orders", "3", `{"id":7}`, "UNKNOWN_SCHEMA orders@ no such schema"},
		{"payments", "", `{"id":7}`, "UNKNOWN_SCHEMA payments@ no such schema"},
		{"orders", "", `{"id":7`, "UNDECODABLE orders@10 not JSON"},
		{"orders", "", `{"id":7} 8`, "UNDECODABLE orders@10 more follows the JSON value"},
		{"orders", "", `{"id":1e999999999}`, "UNDECODABLE orders@10 a number is out of range"},
		{"orders", "", strings.Repeat("[", 400), "UNDECODABLE orders@10 not JSON"},
		{"orders", "", strings.Repeat("[", 400) + strings.Repeat("]", 400), "UNDECODABLE orders@10 nested deeper than 100"},
		{"orders", "", strings.Repeat(" ", 1001), "UNDECODABLE orders@ payload longer than 1000 bytes"},
		{"orders", "", `{}`, "INVALID orders@10 missing property id"},
		{"orders", "", `{"id":7.5}`, "INVALID orders@10 /id expected integer, got number"},
		{"orders", "", `{"id":7,"x":1}`, "INVALID orders@10 a property that is not allowed"},
		{"orders", "", `{"id":7,"mail":"9@"}`, "INVALID orders@10 /mail breaks pattern"},
		{"orders", "", `{"id":7,"kind":"c"}`, "INVALID orders@10 /kind breaks anyOf"},
		{"orders", "", `{"id":7,"by":{"ann":1}}`, "INVALID orders@10 /by/* expected string, got number"},
		{"orders", "", `{"id":7,"lines":[{},{"amount":-1}]}`, "INVALID orders@10 /lines/*/amount breaks minimum"},
	} {
		r := c.Examine(Event{Stream: test.stream, Header: []byte(test.header), Payload: []byte(test.payload)})
		if got := told(r); got != test.want {
			t.Errorf("%.40s: %s\nwant %s", test.payload, got, test.want)
		}
	}
}

func told(r Result) string {
	return strings.Join(strings.Fields(r.Outcome+" "+r.ID+"@"+r.Version+" "+r.Path+" "+r.Reason), " ")
}

func TestEachOutcomeOfAvroNamesTheFaultAndWhere(t *testing.T) {
	c := loaded(t, map[string]string{"orders/1.avsc": orderAvro}, Config{})
	order := func(state int) []byte { return []byte{14, 0, 2, 2, 'k', 2, 'v', 0, byte(2 * state)} }
	for name, test := range map[string]struct {
		payload []byte
		want    string
	}{
		"good":         {order(1), "OK"},
		"nested":       {append([]byte{14, 2}, append(order(0), 0, 0)...), "OK"},
		"symbol":       {order(2), "UNDECODABLE /state no such symbol of the enum"},
		"more":         {append(order(1), 0), "UNDECODABLE bytes follow the value"},
		"less":         {order(1)[:7], "UNDECODABLE /tags ends in the middle of a value"},
		"branch":       {[]byte{14, 4}, "UNDECODABLE /next no such branch of the union"},
		"giant string": {[]byte{14, 0, 2, 0xfe, 0xff, 0xff, 0xff, 0x7f}, "UNDECODABLE /tags/* ends in the middle of a value"},
		"giant block":  {[]byte{14, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "UNDECODABLE /tags/* ends in the middle of a value"},
		"not UTF-8":    {[]byte{14, 0, 2, 2, 'k', 2, 0xff, 0, 0}, "INVALID /tags/* a string that is not UTF-8"},
		"deep":         {[]byte(strings.Repeat("\x0e\x02", 200)), "UNDECODABLE /next/next/next/next/next/next/next/next/… nested too deep"},
	} {
		r := c.Examine(Event{Stream: "orders", Payload: test.payload})
		if got := strings.Replace(told(r), " orders@1", "", 1); got != test.want {
			t.Errorf("%s: %s\nwant %s", name, got, test.want)
		}
	}
}

func TestAvroArraysOfNothingEndSoon(t *testing.T) {
	s := compiled(t, Document{Type: "AVRO", Name: "a", Text: []byte(`{"type":"array","items":"null"}`)})
	within(t, time.Minute, func() {
		giant := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0}
		if f := s.format.check(giant); f.outcome != Undecodable || f.reason != errSteps.Error() {
			t.Error(f)
		}
	})
}

func TestEachOutcomeOfProtobufNamesTheFaultAndWhere(t *testing.T) {
	c := loaded(t, map[string]string{"orders/1.proto": orderProto, "lines/1.proto": lineProto}, Config{})
	sub := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	id := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	for name, test := range map[string]struct {
		payload []byte
		want    string
	}{
		"good":       {slices.Concat(id, sub(2, sub(1, []byte("abc")))), "OK"},
		"unknown":    {slices.Concat(id, sub(77, []byte("new"))), "OK"},
		"rule":       {nil, "INVALID /id breaks int64.gt"},
		"inner rule": {slices.Concat(id, sub(2, sub(1, []byte("longer")))), "INVALID /lines/*/sku breaks string.max_len"},
		"type":       {sub(1, nil), "INVALID /id encoded as another type"},
		"cut":        {sub(2, sub(1, []byte("abc")))[:4], "UNDECODABLE ends in the middle of a value"},
		"garbage":    {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "UNDECODABLE not a message of Protobuf"},
		"not UTF-8":  {slices.Concat(id, sub(3, sub(2, []byte{0xff}))), "UNDECODABLE /tags/* a string that is not UTF-8"},
	} {
		r := c.Examine(Event{Stream: "orders", Payload: test.payload})
		got := strings.Replace(told(r), " orders@1", "", 1)
		if name == "cut" {
			got = strings.Replace(got, " /lines/*", "", 1)
		}
		if got != test.want {
			t.Errorf("%s: %s\nwant %s", name, got, test.want)
		}
	}
}

func TestDirectoriesWithBadSchemasAreRefusedWithTheNameOfTheFile(t *testing.T) {
	outside := directory(t, map[string]string{"secret.json": `{}`})
	for name, test := range map[string]struct{ file, text, want string }{
		"not JSON":       {"orders/1.json", `{`, "orders/1.json in JSON Schema: not JSON"},
		"no schema":      {"orders/1.json", `{"type":"strange"}`, "orders/1.json"},
		"looks ahead":    {"orders/1.json", `{"pattern":"(?=x)"}`, "orders/1.json"},
		"long pattern":   {"orders/1.json", fmt.Sprintf(`{"pattern":%q}`, strings.Repeat("x", 2000)), "orders/1.json"},
		"network":        {"orders/1.json", `{"$ref":"http://127.0.0.1:1/a.json"}`, "127.0.0.1:1/a.json"},
		"disk":           {"orders/1.json", `{"$ref":"file://` + outside + `/secret.json"}`, "secret.json"},
		"outside":        {"orders/1.json", `{"$ref":"../../../../secret.json"}`, "secret.json"},
		"number bomb":    {"orders/1.json", `{"maximum":1e999999999}`, "a number is out of range"},
		"deep":           {"orders/1.json", strings.Repeat(`{"not":`, 200) + "{}" + strings.Repeat("}", 200), "nested deeper than 100"},
		"too long":       {"orders/1.json", `"` + strings.Repeat("x", maxSchemaText) + `"`, "bytes"},
		"Avro":           {"orders/1.avsc", `{"type":"record","name":"A","fields":[{"name":"b","type":"Nowhere"}]}`, "orders/1.avsc"},
		"endless Avro":   {"orders/1.avsc", strings.Repeat("[", 100_000), "orders/1.avsc"},
		"Protobuf":       {"orders/1.proto", `message {`, "orders/1.proto"},
		"no message":     {"orders/1.proto", `syntax = "proto3";`, "it has no message"},
		"wrong rule":     {"orders/1.proto", `syntax = "proto3"; import "buf/validate/validate.proto"; message A { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "this +"}]; }`, "orders/1.proto"},
		"import outside": {"orders/1.proto", `syntax = "proto3"; import "../../secret.proto"; message A {}`, "secret.proto"},
	} {
		_, err := LoadFiles(FilesConfig{Dir: directory(t, map[string]string{test.file: test.text})})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
	link := directory(t, map[string]string{"orders/1.json": `{"$ref":"2.json"}`})
	if err := os.Symlink(filepath.Join(outside, "secret.json"), filepath.Join(link, "orders", "2.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFiles(FilesConfig{Dir: link}); err == nil {
		t.Error("a link out of the directory was followed")
	}
	if _, err := LoadFiles(FilesConfig{Dir: t.TempDir(), Streams: map[string]string{"a": "b@1"}}); err == nil {
		t.Error("a stream has a schema that is not there")
	}
}

// within fails the test when f takes longer than it may.
func within(t *testing.T, most time.Duration, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if took := time.Since(begun); took > most {
		t.Errorf("it took %v, longer than %v", took, most)
	}
}

func TestHostileSchemasAndPayloadsEndSoon(t *testing.T) {
	laughs := `{"$defs":{"l0":{"not":{"type":"integer"}}`
	for i := 1; i < 40; i++ {
		laughs += fmt.Sprintf(`,"l%d":{"allOf":[{"$ref":"#/$defs/l%d"},{"$ref":"#/$defs/l%d"}]}`, i, i-1, i-1)
	}
	laughs += `},"$ref":"#/$defs/l39"}`
	branching := `{"oneOf":[{"properties":{"a":{"$ref":"#"}},"required":["a"]},{"properties":{"a":{"$ref":"#"}},"maxProperties":0}]}`
	deep := strings.Repeat(`{"a":`, 90) + "1" + strings.Repeat("}", 90)
	each := func(part string, times int) string { return `{"allOf":[` + strings.Repeat(part+",", times) + `{}]}` }
	long, wide := `"`+strings.Repeat("é", 400_000)+`"`, strings.Repeat(",1", 4_000)
	members := `{"a":1`
	for i := range 20_000 {
		members += fmt.Sprintf(`,"%d":1`, i)
	}
	members += "}"
	slow := `{"pattern":"(a?){500}(b?){499}c$"}`
	for name, test := range map[string]struct{ schema, payload, outcome string }{
		"laughs":        {laughs, `"x"`, Undecodable},
		"branching":     {branching, deep, Undecodable},
		"slow pattern":  {slow, `"` + strings.Repeat("a", 900_000) + `"`, Undecodable},
		"refers itself": {`{"$ref":"#"}`, `1`, UnknownSchema},
		"recursive":     {`{"properties":{"a":{"$ref":"#"}}}`, deep, ""},
		"many values":   {`{"items":{"type":"string"}}`, "[" + strings.Repeat("1,", 400_000) + "1]", Undecodable},
		"alternatives":  {`{"items":{"enum":[` + strings.Repeat("0,", 5_000) + `0]}}`, "[" + strings.Repeat("1,", 90_000) + "1]", Invalid},
		"long text":     {each(`{"maxLength":900000}`, 1_000), long, Undecodable},
		"long texts":    {each(`{"enum":["a","b"]}`, 1), long, Invalid},
		"many members":  {each(`{"properties":{"a":{}}}`, 1_000), members, Undecodable},
		"same items":    {each(`{"uniqueItems":true}`, 1_000), "[[0" + wide + "],[1" + wide + "],[2" + wide + "]]", Undecodable},
		"unique":        {`{"uniqueItems":true}`, "[" + strings.Repeat("[0],", 40_000) + "1]", Invalid},
	} {
		within(t, time.Minute, func() {
			s, err := Compile(Document{Type: "JSON", Name: "a.json", Text: []byte(test.schema)})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if f := s.format.check([]byte(test.payload)); f.outcome != test.outcome {
				t.Errorf("%s: %+v", name, f)
			}
			if f := s.format.check([]byte(`"x"`)); name != "laughs" && name != "refers itself" && f.reason == errSteps.Error() {
				t.Errorf("%s: the next event pays for it: %+v", name, f)
			}
		})
	}
}

func TestTheNewestVersionIsTheHighestNumberWhateverElseIsThere(t *testing.T) {
	c := loaded(t, map[string]string{
		"orders/9.json": `{}`, "orders/10.json": `{}`, "orders/draft.json": `{}`, "orders/v11.json": `{}`, "orders/-1.json": `{}`,
		"clicks/draft.json": `{}`,
	}, Config{})
	for _, test := range []struct{ stream, header, want string }{
		{"orders", "", "OK orders@10"},
		{"orders", "draft", "OK orders@draft"},
		{"other", "orders@v11", "OK orders@v11"},
		{"clicks", "", "UNKNOWN_SCHEMA clicks@ no such schema"},
		{"clicks", "draft", "OK clicks@draft"},
	} {
		if got := told(c.Examine(Event{Stream: test.stream, Header: []byte(test.header), Payload: []byte("1")})); got != test.want {
			t.Errorf("%s %s: %s", test.stream, test.header, got)
		}
	}
	dir := directory(t, map[string]string{"clicks/draft.json": `{}`})
	if _, err := LoadFiles(FilesConfig{Dir: dir, Streams: map[string]string{"s": "clicks"}}); err == nil || !strings.Contains(err.Error(), `"clicks" of stream s`) {
		t.Errorf("a stream whose schema has no number: %v", err)
	}
	if _, err := LoadFiles(FilesConfig{Dir: dir, Streams: map[string]string{"s": "clicks@draft"}}); err != nil {
		t.Error(err)
	}
}

func TestPayloadsOf100MBAreNotRead(t *testing.T) {
	c := loaded(t, map[string]string{"orders/1.json": `{}`}, Config{})
	big := append([]byte{'"'}, bytes.Repeat([]byte("a"), 100<<20)...)
	within(t, time.Minute, func() {
		r := c.Examine(Event{Stream: "orders", Payload: big})
		if r.Outcome != Undecodable || r.Reason != "payload longer than 1048576 bytes" {
			t.Error(r)
		}
	})
}

func TestProtobufBombsEndSoon(t *testing.T) {
	s := compiled(t, Document{Type: "PROTOBUF", Name: "a.proto", Text: []byte(`syntax = "proto3"; message A { A a = 1; repeated A all = 2; }`)})
	deep := []byte{}
	for range 20_000 {
		deep = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), deep)
	}
	wide := []byte(strings.Repeat("\x12\x00", 500_000))
	for name, payload := range map[string][]byte{"deep": deep, "wide": wide} {
		within(t, time.Minute, func() {
			if f := s.format.check(payload); f.outcome != Undecodable {
				t.Errorf("%s: %+v", name, f)
			}
		})
	}
}

func TestTheFramingOfTheRegistryClientIsRead(t *testing.T) {
	var header sr.ConfluentHeader
	for _, index := range [][]int{{0}, {3}, {1, 0, 2}} {
		b, err := header.AppendEncode(nil, 258, index)
		if err != nil {
			t.Fatal(err)
		}
		f, rest, ok := unframe(append(b, "event"...), nil)
		if !ok || f.id != 258 || f.global() {
			t.Fatalf("%x: %v %v", b, f, ok)
		}
		got, rest, ok := readIndexes(rest, nil)
		if fmt.Sprint(got) != fmt.Sprint(index) || string(rest) != "event" || !ok {
			t.Errorf("%x: %v %q", b, got, rest)
		}
	}
}

func TestTheThreeFormsOfFramingNameTheSameSchema(t *testing.T) {
	guid := []byte{1, 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x43, 0x33, 0x84, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}
	f, rest, ok := unframe(append(guid, 'x'), nil)
	if !ok || string(rest) != "x" || f.text() != "11111111-2222-4333-8444-555555555555" {
		t.Errorf("GUID in front: %v %q %s", ok, rest, f.text())
	}
	f, rest, ok = unframe([]byte("x"), guid)
	if !ok || len(rest) != 0 || f.text() != "11111111-2222-4333-8444-555555555555" {
		t.Errorf("GUID in a header: %v %q %s", ok, rest, f.text())
	}
	f, _, ok = unframe([]byte("x"), []byte{0, 0, 0, 0, 9})
	if !ok || f.id != 9 {
		t.Errorf("id in a header: %v %v", ok, f)
	}
	for _, none := range []string{"", "{}", "\x00\x00", "\x01short", "\x02aaaaaaaaaaaaaaaaaaaaaaa"} {
		if _, _, ok := unframe([]byte(none), nil); ok {
			t.Errorf("%q is framed", none)
		}
	}
}

func TestWhatTheAvroWalkTakesTheDecoderTakes(t *testing.T) {
	e := twentyAvro(t)
	s := compiled(t, e.doc)
	schema := avro.MustParse(string(e.doc.Text))
	for cut := range len(e.payload) {
		for _, b := range [][]byte{e.payload[:cut], append([]byte{byte(cut)}, e.payload...)} {
			var v any
			rest, err := schema.Decode(b, &v)
			decoded := err == nil && len(rest) == 0
			if walked := s.format.check(b).outcome == ""; walked && !decoded {
				t.Errorf("%x: walked and not decoded", b)
			}
		}
	}
	if f := s.format.check(e.payload); f.outcome != "" {
		t.Error(f)
	}
}
