package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Bounds on what a sample shows.
const (
	maxMasked = 256 << 10 // bytes of a payload that is looked into
	maxItems  = 3         // of a list that are shown
	maxShown  = 200       // characters of a value that may be shown
)

// masker writes a payload as JSON with shapes in place of values: "string(12)", "number",
// "boolean", "bytes(16)". Keys that the schema does not declare are data, and shown as "*".
type masker struct {
	words words
	open  map[string]bool // paths of values that may be shown
	out   []byte
	cut   bool
}

// mask returns what a sample shows of a payload, and whether that is not all of it.
func mask(found Found, payload []byte, open map[string]bool) (text string, cut bool) {
	whole := fmt.Sprintf("%q", fmt.Sprintf("bytes(%d)", len(payload)))
	if found.Schema == nil || len(found.Body) > maxMasked {
		return whole, len(payload) > maxMasked
	}
	var v any
	var words words
	readable := false
	broke := contained(func() error { v, words, readable = found.Schema.format.tree(found.Body); return nil })
	if broke != nil || !readable {
		return whole, false
	}
	m := masker{words: words, open: open}
	m.value(v, "", 0)
	if len(m.out) > wire.MaxSamplePayload {
		m.cut = true
		m.out = m.out[:wire.MaxSamplePayload]
		for !utf8.Valid(m.out) {
			m.out = m.out[:len(m.out)-1]
		}
	}
	return string(m.out), m.cut
}

func (m *masker) full() bool { return len(m.out) > wire.MaxSamplePayload }

func (m *masker) value(v any, at string, depth int) {
	switch {
	case m.full():
	case depth > maxNesting:
		m.text("…")
	default:
		switch v := v.(type) {
		case map[string]any:
			m.object(v, at, depth)
		case []any:
			m.list(v, at, depth)
		default:
			m.scalar(v, at)
		}
	}
}

func (m *masker) object(v map[string]any, at string, depth int) {
	m.out = append(m.out, '{')
	data, separate := 0, false
	for _, key := range slices.SortedFunc(maps.Keys(v), m.byToken) {
		token := m.words.token(key)
		if token == "*" {
			if data++; data > maxItems {
				continue
			}
			token = "*" + strconv.Itoa(data)
		}
		if m.full() {
			return
		}
		if separate {
			m.out = append(m.out, ',')
		}
		separate = true
		m.text(token)
		m.out = append(m.out, ':')
		m.value(v[key], at+"/"+escape.Replace(m.words.token(key)), depth+1)
	}
	if data > maxItems {
		m.out = append(m.out, ',')
		m.text("*")
		m.out = append(m.out, ':')
		m.text(fmt.Sprintf("%d more", data-maxItems))
	}
	m.out = append(m.out, '}')
}

// byToken sorts names that the schema declares by themselves, and data behind them in no order.
func (m *masker) byToken(a, b string) int {
	switch known, other := m.words[a], m.words[b]; {
	case known && other && a < b, known && !other:
		return -1
	case known && other && a > b, !known && other:
		return 1
	}
	return 0
}

func (m *masker) list(v []any, at string, depth int) {
	m.out = append(m.out, '[')
	for i, one := range v {
		if i > 0 {
			m.out = append(m.out, ',')
		}
		if i == maxItems {
			m.text(fmt.Sprintf("%d more", len(v)-i))
			break
		}
		m.value(one, at+"/*", depth+1)
	}
	m.out = append(m.out, ']')
}

func (m *masker) scalar(v any, at string) {
	switch {
	case v == nil:
		m.out = append(m.out, "null"...)
	case len(m.open) > 0 && m.open[at]:
		m.show(v)
	default:
		m.text(shape(v))
	}
}

// show writes a value that the configuration opens.
func (m *masker) show(v any) {
	text, ok := v.(string)
	if !ok {
		text = fmt.Sprint(v)
	}
	shown := wire.Printable(text, maxShown)
	m.cut = m.cut || shown != text
	if number, ok := v.(json.Number); ok && len(number) <= maxShown {
		m.out = append(m.out, number...)
		return
	}
	m.text(shown)
}

// text writes a text. Names of a schema may hold what turns a page or a terminal around, as values
// may that are shown.
func (m *masker) text(s string) {
	quoted, _ := json.Marshal(wire.Printable(s, wire.MaxSamplePayload)) // of a string it never fails
	m.out = append(m.out, quoted...)
}

// shape says what a value is, and of a text how long.
func shape(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("string(%d)", utf8.RuneCountInString(v))
	case []byte:
		return fmt.Sprintf("bytes(%d)", len(v))
	case bool:
		return "boolean"
	case protoreflect.EnumNumber:
		return "enum"
	case time.Time, time.Duration:
		return "time"
	}
	return "number"
}
