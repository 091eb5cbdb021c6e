package wire

import "unicode/utf8"

// maxDepth is how deep JSON may be nested.
const maxDepth = 64

// scanner reads JSON (RFC 8259) strictly, in one pass and without a tree: who
// calls it says what comes next. A value of another shape is a fault, is skipped,
// and reading goes on; what is not JSON at all ends it. Once dead, every method
// returns at once with a zero value.
type scanner struct {
	b       []byte
	i       int
	at      path
	faults  Faults
	depth   int
	entries int // objects begun
	most    int // objects there may be
	dead    bool
	mute    bool // faults repeat no numbers: they may be values that nobody masked
}

// begin checks what is asked of the whole body.
func (s *scanner) begin() {
	switch {
	case len(s.b) >= 3 && string(s.b[:3]) == "\xef\xbb\xbf":
		s.fail("the body begins with a byte order mark; want plain UTF-8")
	case !utf8.Valid(s.b):
		s.fail("byte %d is not valid UTF-8", invalidUTF8(s.b))
	case s.peek() == 0 && !s.dead:
		s.fail("the body is empty")
	}
}

// end checks that nothing follows.
func (s *scanner) end() {
	if s.space(); !s.dead && s.i < len(s.b) {
		s.fail("%d bytes after the end of the JSON value", len(s.b)-s.i)
	}
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// fail tells of what makes reading on impossible.
func (s *scanner) fail(format string, args ...any) {
	if !s.dead {
		s.faults.add(&s.at, format, args...)
		s.dead = true
	}
}

// fault tells of one wrong value; reading goes on unless there are too many.
func (s *scanner) fault(format string, args ...any) {
	if !s.dead {
		s.faults.add(&s.at, format, args...)
		s.dead = s.faults.full()
	}
}

// wrong tells that the next value has another shape than want, and skips it.
func (s *scanner) wrong(want string) {
	s.fault("%s; want %s", s.shape(), want)
	s.skip()
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// peek returns the next byte that is not space, or 0 at the end.
func (s *scanner) peek() byte {
	if s.dead {
		return 0
	}
	if s.space(); s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// next fails unless the next byte is c.
func (s *scanner) next(c byte) bool {
	if s.peek() == c && !s.dead {
		s.i++
		return true
	}
	s.syntax("'" + string(c) + "'")
	return false
}

func (s *scanner) syntax(want string) {
	if s.i >= len(s.b) {
		s.fail("the JSON ends at byte %d where %s is wanted", s.i, want)
		return
	}
	r, _ := utf8.DecodeRune(s.b[s.i:])
	s.fail("not JSON: %q at byte %d where %s is wanted", r, s.i, want)
}

// shape says in words what value comes next.
func (s *scanner) shape() string {
	switch c := s.peek(); {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case s.mute && (c == '-' || c >= '0' && c <= '9'):
		return "a number"
	case c == '-' || c >= '0' && c <= '9':
		return "the number " + clip(string(s.b[s.i:s.numberEnd()]))
	}
	return "something that is not JSON"
}

// skip reads over one value of any shape, as strictly as any other.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		s.entriesOf(func(string) { s.skip() })
	case '[':
		s.array(func(int) { s.skip() })
	case '"':
		s.text()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

func (s *scanner) word(w string) {
	for i := range len(w) {
		if s.dead || s.i >= len(s.b) || s.b[s.i] != w[i] {
			s.syntax("the word " + w)
			return
		}
		s.i++
	}
}

// enter opens an object or array; false when it cannot be read.
func (s *scanner) enter(open byte, want string) bool {
	if s.dead {
		return false
	}
	if s.peek() != open {
		s.wrong(want)
		return false
	}
	s.i++
	if s.depth++; s.depth > maxDepth {
		s.fail("nested deeper than %d levels", maxDepth)
	}
	if open == '{' {
		if s.entries++; s.entries > s.most {
			s.fail("too many objects in one request; limit %d", s.most)
		}
	}
	return !s.dead
}

// more goes to the next element; false after the last one.
func (s *scanner) more(shut byte, first bool) bool {
	if s.dead {
		return false
	}
	if s.peek() == shut {
		s.i++
		s.depth--
		return false
	}
	if !first && s.next(',') && s.peek() == shut {
		s.syntax("a value")
	}
	return !s.dead
}

// array reads an array; element reads element i.
func (s *scanner) array(element func(i int)) {
	if !s.enter('[', "an array") {
		return
	}
	for i := 0; s.more(']', i == 0); i++ {
		s.at.item(i)
		element(i)
		s.at.up()
	}
}

// object reads an object with fixed keys; field reads the value of key, or
// returns false where it knows no such key. A key that comes twice and a required
// key that does not come are faults.
func (s *scanner) object(required []string, field func(key string) bool) {
	if !s.enter('{', "an object") {
		return
	}
	var seen []string
	for s.more('}', len(seen) == 0) {
		key, ok := s.key()
		if !ok {
			return
		}
		s.at.key(key)
		if contains(seen, key) {
			s.fault("the key comes twice")
			s.skip()
		} else if !field(key) {
			s.fault("unknown key")
			s.skip()
		}
		s.at.up()
		seen = append(seen, key)
	}
	s.require(required, seen)
}

func (s *scanner) require(required, seen []string) {
	if s.dead {
		return
	}
	for _, key := range required {
		if !contains(seen, key) {
			s.at.field(key)
			s.fault("missing; it is required")
			s.at.up()
		}
	}
}

// entriesOf reads an object whose keys are data; value reads the value of key
// and finds out keys that come twice.
func (s *scanner) entriesOf(value func(key string)) {
	if !s.enter('{', "an object") {
		return
	}
	for first := true; s.more('}', first); first = false {
		key, ok := s.key()
		if !ok {
			return
		}
		s.at.entry(key)
		value(key)
		s.at.up()
	}
}

func (s *scanner) key() (string, bool) {
	if s.peek() != '"' {
		s.syntax("a key in double quotes")
		return "", false
	}
	key, _ := s.text()
	return key, s.next(':')
}

func contains(all []string, key string) bool {
	for _, k := range all {
		if k == key {
			return true
		}
	}
	return false
}
