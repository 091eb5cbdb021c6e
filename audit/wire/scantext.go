package wire

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string.
func (s *scanner) text() (string, bool) {
	if s.dead {
		return "", false
	}
	if s.peek() != '"' {
		s.wrong("a string")
		return "", false
	}
	s.i++
	start := s.i
	for s.i < len(s.b) && s.b[s.i] != '"' && s.b[s.i] != '\\' && s.b[s.i] >= ' ' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '"' {
		s.i++
		return string(s.b[start : s.i-1]), true
	}
	return s.escaped(append([]byte(nil), s.b[start:s.i]...))
}

// escaped reads the rest of a string that holds escapes.
func (s *scanner) escaped(out []byte) (string, bool) {
	for s.i < len(s.b) && !s.dead {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return string(out), true
		case c < ' ':
			s.fail("a string holds the control character %#02x unescaped, at byte %d", c, s.i-1)
		case c == '\\':
			out = s.escape(out)
		default:
			out = append(out, c)
		}
	}
	if !s.dead {
		s.fail("the JSON ends inside a string")
	}
	return "", false
}

func (s *scanner) escape(out []byte) []byte {
	if s.i >= len(s.b) {
		return out
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		return s.unicode(out)
	}
	s.fail("not JSON: the escape \\%c at byte %d", c, s.i-2)
	return out
}

// unicode reads what follows \u, and a second half where the first is a surrogate.
func (s *scanner) unicode(out []byte) []byte {
	r := s.hex4()
	if utf16.IsSurrogate(r) {
		at := s.i
		second := rune(-1)
		if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
			s.i += 2
			second = s.hex4()
		}
		if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
			s.fail("half a surrogate pair before byte %d", at)
			return out
		}
	}
	return utf8.AppendRune(out, r)
}

func (s *scanner) hex4() rune {
	if s.i+4 > len(s.b) {
		s.fail("the JSON ends inside a string")
		return 0
	}
	v, err := strconv.ParseUint(string(s.b[s.i:s.i+4]), 16, 16)
	if err != nil {
		s.fail("not JSON: \\u without four hexadecimal digits at byte %d", s.i)
	}
	s.i += 4
	return rune(v)
}
