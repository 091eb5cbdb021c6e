package wire

import (
	"errors"
	"strings"
	"testing"
)

// reportText is a report with more keys put in.
func reportText(more string) string {
	return `{"reports":[{"stream":"orders","hop":"app","emitter":"0199f0a0-0000-8000-8000-0000000000aa",` +
		`"number":1,"sentAt":"2026-11-22T05:10:07Z","state":"RUNNING"` + more + `}]}`
}

func windowText(more string) string {
	return reportText(`,"windows":[{"start":"2026-11-22T05:09:00Z","seconds":60` + more + `}]`)
}

func sourceText(more string) string {
	return windowText(`,"sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000",` + more + `}]`)
}

// wantFault checks that err is Faults with a fault at path whose message holds text.
func wantFault(t *testing.T, err error, path, text string) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v, want faults", err)
	}
	for _, f := range faults {
		if f.Path == path && strings.Contains(f.Message, text) {
			return
		}
	}
	t.Errorf("faults %q, want one at %q with %q", faults, path, text)
}

func TestJSONThatIsNotExactlyAReportIsRefusedAtItsPath(t *testing.T) {
	const window, source = "reports[0].windows[0]", "reports[0].windows[0].sources[0]"
	for _, c := range []struct{ name, body, path, message string }{
		{"empty", "", "", "the body is empty"},
		{"only space", " \n", "", "the body is empty"},
		{"byte order mark", "\xef\xbb\xbf" + reportText(""), "", "byte order mark"},
		{"not UTF-8", `{"reports":"` + "\xff" + `"}`, "", "byte 12 is not valid UTF-8"},
		{"text after the end", reportText("") + " xy", "", "2 bytes after the end"},
		{"a second value", reportText("") + "{}", "", "2 bytes after the end"},
		{"an array", "[]", "", "an array; want an object"},
		{"null", "null", "", "null; want an object"},
		{"no reports", "{}", "reports", "missing"},
		{"cut off", reportText("")[:60], "reports[0].emitter", "ends"},
		{"trailing comma", `{"reports":[],}`, "", "not JSON"},
		{"trailing comma in array", `{"reports":[1,]}`, "reports", "not JSON"},
		{"no comma", `{"reports":[1 2]}`, "reports", "',' is wanted"},
		{"single quotes", `{'reports':[]}`, "", "a key in double quotes"},
		{"comment", `{"reports":[/**/]}`, "reports[0]", "an object"},
		{"NaN", reportText(`,"epoch":NaN`), "reports[0].epoch", "not JSON"},
		{"Infinity", reportText(`,"epoch":-Infinity`), "reports[0].epoch", "no number"},
		{"unknown key", reportText(`,"colour":1`), "reports[0].colour", "unknown key"},
		{"unknown key in capitals", reportText(`,"Epoch":1`), "reports[0].Epoch", "unknown key"},
		{"odd unknown key", reportText(`,"a\nb":1`), `reports[0]["a\nb"]`, "unknown key"},
		{"duplicate key", reportText(`,"hop":"app"`), "reports[0].hop", "comes twice"},
		{"duplicate key spelt by escape", reportText(`,"h\u006fp":"app"`), "reports[0].hop", "comes twice"},
		{"duplicate lane", reportText(`,"lanes":{"a":"2026-11-22T05:10:07Z","a":"2026-11-22T05:10:08Z"}`), `reports[0].lanes["a"]`, "comes twice"},
		{"fraction", reportText(`,"epoch":1.5`), "reports[0].epoch", "1.5 is not written as an integer"},
		{"whole fraction", reportText(`,"epoch":1.0`), "reports[0].epoch", "not written as an integer"},
		{"exponent", reportText(`,"epoch":1e3`), "reports[0].epoch", "not written as an integer"},
		{"negative", reportText(`,"epoch":-4`), "reports[0].epoch", "-4 is out of range; want 0 to 4294967295"},
		{"negative zero", reportText(`,"epoch":-0`), "reports[0].epoch", "not written as an integer"},
		{"leading zero", reportText(`,"epoch":01`), "reports[0].epoch", "no number"},
		{"plus", reportText(`,"epoch":+1`), "reports[0].epoch", "not JSON"},
		{"above 32 bits", reportText(`,"epoch":4294967296`), "reports[0].epoch", "out of range"},
		{"above 64 bits", reportText(`,"spool":{"events":18446744073709551616}`), "reports[0].spool.events", "out of range"},
		{"number as text", reportText(`,"epoch":"1"`), "reports[0].epoch", "a string; want an integer"},
		{"null for a number", reportText(`,"epoch":null`), "reports[0].epoch", "null; want an integer"},
		{"text as number", reportText(`,"host":1`), "reports[0].host", "the number 1; want a string"},
		{"boolean as text", reportText(`,"idempotent":"true"`), "reports[0].idempotent", "want true or false"},
		{"half a surrogate", reportText(`,"host":"\ud800"`), "reports[0].host", "surrogate"},
		{"two first halves", reportText(`,"host":"\ud800\ud800"`), "reports[0].host", "surrogate"},
		{"second half alone", reportText(`,"host":"\udc00x"`), "reports[0].host", "surrogate"},
		{"unfinished escape", `{"reports":"\u12`, "reports", "ends inside a string"},
		{"escape of no digits", reportText(`,"host":"\u12g4"`), "reports[0].host", "four hexadecimal digits"},
		{"misspelt word in an unknown key", reportText(`,"x":trUe`), "reports[0].x", "the word true"},
		{"cut off word", `{"x":nul`, "x", "ends"},
		{"object for a number", reportText(`,"epoch":{"a":[true,false,null,"x",-1.5e+7]}`), "reports[0].epoch", "an object; want an integer"},
		{"boolean for a number", reportText(`,"epoch":true`), "reports[0].epoch", "a boolean; want an integer"},
		{"scale above 32 bits", windowText(`,"latency":{"scale":2147483648}`), window + ".latency.scale", "out of range"},
		{"unfinished number", reportText(`,"epoch":1.`), "reports[0].epoch", "no number"},
		{"bad escape", reportText(`,"host":"\x41"`), "reports[0].host", "not JSON"},
		{"raw newline", reportText(",\"host\":\"a\nb\""), "reports[0].host", "control character"},
		{"unknown state", strings.Replace(reportText(""), "RUNNING", "running", 1), "reports[0].state", "none of RUNNING, CLOSED"},
		{"no time", strings.Replace(reportText(""), "2026-11-22T05:10:07Z", "2026-11-22 05:10:07", 1), "reports[0].sentAt", "want RFC 3339"},
		{"time with comma", strings.Replace(reportText(""), "07Z", "07,5Z", 1), "reports[0].sentAt", "want RFC 3339"},
		{"time with one digit of hours", strings.Replace(reportText(""), "T05:", "T5:", 1), "reports[0].sentAt", "want RFC 3339"},
		{"time in zone +24", strings.Replace(reportText(""), "07Z", "07+24:00", 1), "reports[0].sentAt", "want RFC 3339"},
		{"leap day of a common year", strings.Replace(reportText(""), "2026-11-22", "2026-02-29", 1), "reports[0].sentAt", "want RFC 3339"},
		{"time without zone", strings.Replace(reportText(""), "07Z", "07", 1), "reports[0].sentAt", "want RFC 3339"},
		{"no UUID", strings.Replace(reportText(""), "0199f0a0-", "0199f0a0_", 1), "reports[0].emitter", "not a UUID"},
		{"window without seconds", reportText(`,"windows":[{"start":"2026-11-22T05:09:00Z"}]`), window + ".seconds", "missing"},
		{"source without seen", sourceText(`"bytes":1`), source + ".seen", "missing"},
		{"roll without form", sourceText(`"seen":{}`), source + ".seen", "want one of ranges and roaring"},
		{"roll with both forms", sourceText(`"seen":{"ranges":[],"roaring":"OjAAAAAAAAA="}`), source + ".seen", "want one of ranges and roaring"},
		{"range backwards", sourceText(`"seen":{"ranges":[[0,1],[5,4]]}`), source + ".seen.ranges[1]", "ends before it begins"},
		{"ranges overlap", sourceText(`"seen":{"ranges":[[0,5],[5,9]]}`), source + ".seen.ranges[1]", "do not overlap"},
		{"ranges descend", sourceText(`"seen":{"ranges":[[10,11],[5,9]]}`), source + ".seen.ranges[1]", "ascend"},
		{"range of three", sourceText(`"seen":{"ranges":[[1,2,3]]}`), source + ".seen.ranges[0]", "a range of 3 numbers"},
		{"range above 32 bits", sourceText(`"seen":{"ranges":[[1,4294967296]]}`), source + ".seen.ranges[0][1]", "out of range"},
		{"range no array", sourceText(`"seen":{"ranges":[7]}`), source + ".seen.ranges[0]", "the number 7; want an array"},
		{"not base64", sourceText(`"seen":{"roaring":"OjAA*"}`), source + ".seen.roaring", "not base64"},
		{"base64 with newline", sourceText(`"seen":{"roaring":"OjAA\nAAAAAAA="}`), source + ".seen.roaring", "not base64"},
		{"not roaring", sourceText(`"seen":{"roaring":"AAAAAAAAAAA="}`), source + ".seen.roaring", "not Roaring"},
		{"bucket of another spelling", windowText(`,"latency":{"counts":{"+1":1}}`), window + `.latency.counts["+1"]`, "no bucket"},
		{"bucket twice", windowText(`,"latency":{"counts":{"1":1,"1":1}}`), window + `.latency.counts["1"]`, "comes twice"},
		{"unknown outcome", windowText(`,"schemas":[{"outcome":"FINE"}]`), window + ".schemas[0].outcome", "none of OK, INVALID"},
		{"unknown kind", windowText(`,"reasons":[{"kind":"seen"}]`), window + ".reasons[0].kind", "none of filtered, rejected"},
		{"ended window in two spellings", reportText(`,"ended":[{"emitter":"0199f0a0-0000-8000-8000-0000000000aa","windows":` +
			`{"2026-11-22T05:09:00Z":[1,2],"2026-11-22T06:09:00+01:00":[1,2]}}]`),
			`reports[0].ended[0].windows["2026-11-22T06:09:00+01:00"]`, "comes twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeJSON([]byte(c.body), DefaultLimits())
			wantFault(t, err, c.path, c.message)
		})
	}
}

func TestJSONIsNotReadDeeperThan64Levels(t *testing.T) {
	at := func(levels int) error {
		_, err := DecodeJSON([]byte(`{"x":`+strings.Repeat("[", levels)+strings.Repeat("]", levels)+`,"reports":[]}`), DefaultLimits())
		return err
	}
	if err := at(63); strings.Contains(err.Error(), "nested") {
		t.Errorf("64 levels: %v", err)
	}
	if err := at(64); !strings.Contains(err.Error(), "nested deeper than 64 levels") {
		t.Errorf("65 levels: %v", err)
	}
}

func TestSeveralFaultsAreToldAtOnce(t *testing.T) {
	_, err := DecodeJSON([]byte(reportText(`,"epoch":-1,"colour":{"a":[1,2]},"windows":[{"seconds":1.5}]`)), DefaultLimits())
	wantFault(t, err, "reports[0].epoch", "out of range")
	wantFault(t, err, "reports[0].colour", "unknown key")
	wantFault(t, err, "reports[0].windows[0].seconds", "not written as an integer")
	wantFault(t, err, "reports[0].windows[0].start", "missing")
}

func TestNoMoreThanTwentyFaultsAreTold(t *testing.T) {
	_, err := DecodeJSON([]byte(`{"reports":[`+strings.Repeat("1,", 5000)+`1]}`), DefaultLimits())
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 20 {
		t.Errorf("%d faults: %v", len(faults), err)
	}
}

func TestFaultsDoNotRepeatLongValues(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	_, err := DecodeJSON([]byte(reportText(`,"state":"`+long+`","`+long+`":1,"lanes":{"`+long+`":"`+long+`"}`)), DefaultLimits())
	if err == nil || len(err.Error()) > 2000 {
		t.Errorf("the error has %d characters", len(err.Error()))
	}
}

func TestEscapedTextIsReadAsWritten(t *testing.T) {
	b, err := DecodeJSON([]byte(reportText(`,"host":"a\"\\\/\u00e9\ud83d\ude00é"`)), DefaultLimits())
	if err != nil || b.Reports[0].Host != `a"\/é😀é` {
		t.Errorf("%q, %v", b.Reports[0].Host, err)
	}
}

func TestProtobufIgnoresUnknownFieldsAndRefusesGarbage(t *testing.T) {
	good, err := EncodeProto(leastBatch(t))
	if err != nil {
		t.Fatal(err)
	}
	unknown := append(append([]byte(nil), good...), 0xf8, 0x07, 0x01) // field 127, varint 1
	if b, err := DecodeProto(unknown, DefaultLimits()); err != nil || diff(leastBatch(t), b) != "" {
		t.Errorf("with an unknown field: %v", err)
	}
	for name, body := range map[string][]byte{
		"cut off":          good[:len(good)-1],
		"JSON":             []byte(reportText("")),
		"wrong wire type":  {0x08, 0x01, 0x0a, 0x7f},
		"text of a string": []byte("hello"),
	} {
		_, err := DecodeProto(body, DefaultLimits())
		t.Run(name, func(t *testing.T) { wantFault(t, err, "", "not a rollcall.v1.ReportBatch") })
	}
	_, err = DecodeProto(nil, DefaultLimits())
	wantFault(t, err, "", "the body is empty")
}

func TestOtherRollsJoinSeen(t *testing.T) {
	b, err := DecodeJSON([]byte(sourceText(`"seen":{"ranges":[[0,3]]},"filtered":{"ranges":[[4,5]]},"corrupt":{"ranges":[]}`)), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	rolls := b.Reports[0].Windows[0].Sources[0].Rolls
	if !rolls[Seen].Equals(rollOf(0, 5)) || !rolls[Filtered].Equals(rollOf(4, 5)) || rolls[Corrupt] != nil {
		t.Errorf("rolls %v", rolls)
	}
}

func TestTextThatIsNotUTF8IsNotEncoded(t *testing.T) {
	b := leastBatch(t)
	b.Reports[0].Host = "\xff"
	if _, err := EncodeJSON(b); err == nil {
		t.Error("EncodeJSON took it")
	}
	if _, err := EncodeProto(b); err == nil {
		t.Error("EncodeProto took it")
	}
}

func TestPrintableTextPassesTheLimits(t *testing.T) {
	for _, text := range []string{"", "web-17", "a\nb\x00c\xff", strings.Repeat("é", 500), "\u2028"} {
		if fault := textFault(Printable(text, 200), 200); fault != "" {
			t.Errorf("%q became %q: %s", text, Printable(text, 200), fault)
		}
	}
}
