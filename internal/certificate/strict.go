package certificate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The bounds of what is read.
const (
	Largest = 4 << 20 // bytes of an envelope
	deepest = 12      // levels of JSON; what is signed has eight
)

// decode reads JSON strictly: one value, no unknown key, no key twice (be it in another case), not too deep.
func decode[T any](text []byte) (T, error) {
	if value, ours := decodeOurs[T](text); ours {
		return value, nil
	}
	var value T
	if err := walk(text); err != nil {
		return value, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&value); err != nil {
		return value, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return value, nil
}

// decodeOurs reads what is to the byte as it would be written, and so has nothing that is unknown or there twice. It is several times faster.
func decodeOurs[T any](text []byte) (value T, ours bool) {
	if json.Unmarshal(text, &value) != nil {
		return value, false
	}
	again, err := json.Marshal(value)
	return value, err == nil && bytes.Equal(again, text)
}

// level is an object or a list that a walk is in.
type level struct {
	keys map[string]bool // nil in a list
	key  string          // the current one
	next bool            // a key comes next
}

// walk holds the shape of a JSON text: one value, levels and keys.
func walk(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var levels []level
	for first := true; first || len(levels) > 0; first = false {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("the JSON is cut short")
		}
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if levels, err = step(levels, token); err != nil {
			return err
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

func step(levels []level, token json.Token) ([]level, error) {
	n := len(levels)
	if n > 0 && levels[n-1].next {
		if key, ok := token.(string); ok {
			return levels, levels[n-1].take(key, levels)
		}
	}
	switch token {
	case json.Delim('{'), json.Delim('['):
		if n == deepest {
			return nil, fmt.Errorf("%s: the JSON is more than %d levels deep", path(levels), deepest)
		}
		if token == json.Delim('{') {
			return append(levels, level{keys: map[string]bool{}, next: true}), nil
		}
		return append(levels, level{}), nil
	case json.Delim('}'), json.Delim(']'):
		levels = levels[:n-1]
		n--
	}
	if n > 0 && levels[n-1].keys != nil {
		levels[n-1].next = true
	}
	return levels, nil
}

func (l *level) take(key string, levels []level) error {
	l.key, l.next = key, false
	folded := strings.ToLower(key)
	if l.keys[folded] {
		return fmt.Errorf("%s: the key is there twice", path(levels))
	}
	l.keys[folded] = true
	return nil
}

func path(levels []level) string {
	var keys []string
	for _, l := range levels {
		if l.key != "" {
			keys = append(keys, fmt.Sprintf("%.40s", l.key))
		}
	}
	return strings.Join(keys, ".")
}
