package access

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// header stands over a new file of tokens.
const header = `# Tokens of Rollcall, made by "rollcall token". What is kept of a token is its SHA-256; the token itself was shown once.`

// File is a file of tokens: a line for each, and lines of comment. What is not changed stays as it was written.
type File struct {
	lines []line
	ids   map[string]bool // of all tokens
	names map[string]bool // of those not revoked
}

func newFile() *File { return &File{ids: map[string]bool{}, names: map[string]bool{}} }

// line is a token with the line it stands on, or a comment or an empty line.
type line struct {
	text  string
	token *Token
}

// ParseFile reads a file of tokens. An error names the line, from 1, and repeats no value: it might be a token. A line holds
//
//	name=anna role=operator id=K3V9X2PQ sha256=… created=2026-11-22T05:00:00Z expires=never revoked=2026-11-23T05:00:00Z
//
// with blanks between, in any order, each once; revoked only where it was. Ids are unique, and so are the names of
// tokens that are not revoked.
func ParseFile(text []byte) (*File, error) {
	f := newFile()
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("line 1: it is not text in UTF-8")
	}
	body := strings.TrimSuffix(string(text), "\n")
	if body == "" {
		return f, nil
	}
	for i, raw := range strings.Split(body, "\n") {
		if err := f.addLine(strings.TrimSuffix(raw, "\r")); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return f, nil
}

func (f *File) addLine(text string) error {
	fields := strings.Fields(text)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		f.lines = append(f.lines, line{text: text})
		return nil
	}
	t, err := parseToken(fields)
	if err != nil {
		return err
	}
	return f.add(line{text: text, token: &t})
}

// add appends the line of a token, unless its id or its name is there.
func (f *File) add(l line) error {
	t := l.token
	switch live := t.Revoked.IsZero(); {
	case f.ids[t.ID]:
		return fmt.Errorf("id: %s is there already", t.ID)
	case live && f.names[t.Name]:
		return fmt.Errorf("name: a token %s is there already and is not revoked", t.Name)
	case live:
		f.names[t.Name] = true
	}
	f.ids[t.ID] = true
	f.lines = append(f.lines, l)
	return nil
}

// keys of a line, in the order in which they are written.
var keys = []string{"name", "role", "id", "sha256", "created", "expires", "revoked"}

func parseToken(fields []string) (Token, error) {
	values := map[string]string{}
	for i, field := range fields {
		key, value, found := strings.Cut(field, "=")
		switch {
		case !found:
			return Token{}, fmt.Errorf("field %d: not key=value", i+1)
		case !slices.Contains(keys, key):
			return Token{}, fmt.Errorf("field %d: unknown key; known are %s", i+1, strings.Join(keys, ", "))
		case has(values, key):
			return Token{}, fmt.Errorf("%s: given twice", key)
		}
		values[key] = value
	}
	for _, key := range keys[:len(keys)-1] {
		if !has(values, key) {
			return Token{}, fmt.Errorf("%s: missing", key)
		}
	}
	return tokenOf(values)
}

func tokenOf(values map[string]string) (t Token, err error) {
	if err := CheckName(values["name"]); err != nil {
		return t, fmt.Errorf("name: %w", err)
	}
	t.Name = values["name"]
	if t.Role, err = ParseRole(values["role"]); err != nil {
		return t, fmt.Errorf("role: %w", err)
	}
	if t.ID = values["id"]; len(t.ID) != idLength || strings.Trim(t.ID, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return t, fmt.Errorf("id: not %d characters of A-Z and 2-7", idLength)
	}
	hash, err := hex.DecodeString(values["sha256"])
	if err != nil || len(hash) != len(t.Hash) {
		return t, fmt.Errorf("sha256: not %d hexadecimal digits", 2*len(t.Hash))
	}
	copy(t.Hash[:], hash)
	return t, t.readTimes(values)
}

func (t *Token) readTimes(values map[string]string) error {
	for _, one := range []struct {
		key  string
		into *time.Time
	}{{"created", &t.Created}, {"expires", &t.Expires}, {"revoked", &t.Revoked}} {
		value, given := values[one.key]
		if !given || one.key == "expires" && value == "never" {
			continue
		}
		at, err := time.Parse(time.RFC3339, value)
		if err != nil || at.IsZero() {
			return fmt.Errorf("%s: not an instant of RFC 3339, as 2026-11-22T05:00:00Z", one.key)
		}
		*one.into = at.UTC()
	}
	return nil
}

func (t Token) line() string {
	instant := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	expires := "never"
	if !t.Expires.IsZero() {
		expires = instant(t.Expires)
	}
	text := fmt.Sprintf("name=%s role=%s id=%s sha256=%x created=%s expires=%s", t.Name, t.Role, t.ID, t.Hash, instant(t.Created), expires)
	if !t.Revoked.IsZero() {
		text += " revoked=" + instant(t.Revoked)
	}
	return text
}

// Tokens are the tokens of the file, in its order.
func (f *File) Tokens() []Token {
	var all []Token
	for _, l := range f.lines {
		if l.token != nil {
			all = append(all, *l.token)
		}
	}
	return all
}

// Add puts a token at the end. The name must not be that of another that is not revoked.
func (f *File) Add(t Token) error {
	if len(f.lines) == 0 {
		f.lines = []line{{text: header}}
	}
	return f.add(line{text: t.line(), token: &t})
}

// Revoke revokes the token of a name. It returns that token, revoked, and whether it was not before; an error where the
// file has none of that name. Where a name was used again it is the latest that counts.
func (f *File) Revoke(name string, now time.Time) (t Token, changed bool, err error) {
	at := -1
	for i, l := range f.lines {
		if l.token != nil && l.token.Name == name && (at < 0 || !f.lines[at].token.Revoked.IsZero()) {
			at = i
		}
	}
	if at < 0 {
		return t, false, fmt.Errorf("there is no token %q", name)
	}
	t = *f.lines[at].token
	if !t.Revoked.IsZero() {
		return t, false, nil
	}
	t.Revoked = now.UTC().Truncate(time.Second)
	f.lines[at] = line{text: t.line(), token: &t}
	delete(f.names, name)
	return t, true, nil
}

func (f *File) bytes() []byte {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text + "\n")
	}
	return []byte(b.String())
}

func has(values map[string]string, key string) bool {
	_, given := values[key]
	return given
}
