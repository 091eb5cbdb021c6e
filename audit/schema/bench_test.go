package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// twenty is an event of 20 fields in one format, with its schema.
type twenty struct {
	doc     Document
	payload []byte
}

func twentyJSON() twenty {
	var fields, required, values []string
	for i := range 20 {
		name := fmt.Sprintf("field%02d", i)
		required = append(required, fmt.Sprintf("%q", name))
		switch i % 4 {
		case 0:
			fields = append(fields, fmt.Sprintf(`%q:{"type":"string","minLength":1,"maxLength":100}`, name))
			values = append(values, fmt.Sprintf(`%q:"customer number %d"`, name, i))
		case 1:
			fields = append(fields, fmt.Sprintf(`%q:{"type":"integer","minimum":0}`, name))
			values = append(values, fmt.Sprintf(`%q:%d`, name, 1000*i))
		case 2:
			fields = append(fields, fmt.Sprintf(`%q:{"type":"number"}`, name))
			values = append(values, fmt.Sprintf(`%q:%d.25`, name, i))
		default:
			fields = append(fields, fmt.Sprintf(`%q:{"enum":["new","paid","sent"]}`, name))
			values = append(values, fmt.Sprintf(`%q:"paid"`, name))
		}
	}
	text := fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s],"additionalProperties":false}`,
		strings.Join(fields, ","), strings.Join(required, ","))
	return twenty{Document{Type: "JSON", Name: "orders/1.json", Text: []byte(text)}, []byte("{" + strings.Join(values, ",") + "}")}
}

func twentyAvro(tb testing.TB) twenty {
	var fields []string
	value := make(map[string]any)
	for i := range 20 {
		name := fmt.Sprintf("field%02d", i)
		kind := []string{`"string"`, `"long"`, `"double"`, `{"type":"enum","name":"S%d","symbols":["new","paid"]}`}[i%4]
		if i%4 == 3 {
			kind = fmt.Sprintf(kind, i)
		}
		value[name] = []any{"customer number", int64(1000 * i), 0.25, "paid"}[i%4]
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":%s}`, name, kind))
	}
	text := fmt.Sprintf(`{"type":"record","name":"Order","fields":[%s]}`, strings.Join(fields, ","))
	payload, err := avro.MustParse(text).Encode(value)
	if err != nil {
		tb.Fatal(err)
	}
	return twenty{Document{Type: "AVRO", Name: "orders/1.avsc", Text: []byte(text)}, payload}
}

func twentyProto() twenty {
	var b strings.Builder
	var payload []byte
	b.WriteString("syntax = \"proto3\";\nmessage Order {\n")
	for i := range 20 {
		n := protowire.Number(i + 1)
		fmt.Fprintf(&b, "  %s field%02d = %d;\n", []string{"string", "int64", "double", "bool"}[i%4], i, n)
		switch i % 4 {
		case 0:
			payload = protowire.AppendString(protowire.AppendTag(payload, n, protowire.BytesType), "customer number")
		case 2:
			payload = protowire.AppendFixed64(protowire.AppendTag(payload, n, protowire.Fixed64Type), 1<<62)
		default:
			payload = protowire.AppendVarint(protowire.AppendTag(payload, n, protowire.VarintType), 1)
		}
	}
	b.WriteString("}\n")
	return twenty{Document{Type: "PROTOBUF", Name: "orders/1.proto", Text: []byte(b.String())}, payload}
}

// ruled is the same with two rules of protovalidate.
func (e twenty) ruled() twenty {
	text := string(e.doc.Text)
	for _, change := range [][2]string{
		{"\"proto3\";", "\"proto3\"; import \"buf/validate/validate.proto\";"},
		{"field00 = 1;", "field00 = 1 [(buf.validate.field).string.min_len = 1];"},
		{"field01 = 2;", "field01 = 2 [(buf.validate.field).int64.gt = 0];"},
	} {
		text = strings.Replace(text, change[0], change[1], 1)
	}
	e.doc.Text = []byte(text)
	return e
}

func compiled(tb testing.TB, d Document) *Schema {
	tb.Helper()
	s, err := Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkCheck checks an event of 20 fields, and beside it has the decoder of the format
// make its values, which is what a consumer pays anyway.
func BenchmarkCheck(b *testing.B) {
	events := map[string]twenty{"json": twentyJSON(), "avro": twentyAvro(b), "protobuf": twentyProto(), "rules": twentyProto().ruled()}
	for _, name := range []string{"json", "avro", "protobuf", "rules"} {
		e := events[name]
		s := compiled(b, e.doc)
		b.Run(name+"/check", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f := s.format.check(e.payload); f.outcome != "" {
					b.Fatal(f)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(name+"/decoder", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decodeAlone(s, e.payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func decodeAlone(s *Schema, payload []byte) error {
	switch f := s.format.(type) {
	case *avroFormat:
		var v any
		_, err := f.schema.Decode(payload, &v)
		return err
	case *protoFormat:
		return proto.Unmarshal(payload, dynamicpb.NewMessage(f.desc))
	}
	var v any
	return json.Unmarshal(payload, &v)
}
