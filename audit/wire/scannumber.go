package wire

import (
	"math"
	"strconv"
)

// numberEnd returns where the number that begins at the next byte ends, by the
// characters a number may have; what it spans need not be a number.
func (s *scanner) numberEnd() int {
	i := s.i
	for i < len(s.b) {
		c := s.b[i]
		if c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' && (c < '0' || c > '9') {
			break
		}
		i++
	}
	return i
}

// number reads a number as JSON has it and returns its text, "" when there is none.
func (s *scanner) number() string {
	s.peek()
	if s.dead {
		return ""
	}
	end := s.numberEnd()
	text := string(s.b[s.i:end])
	if !isNumber(text) {
		if text == "" {
			s.syntax("a value")
		} else {
			s.fail("not JSON: %q at byte %d is no number", clip(text), s.i)
		}
		return ""
	}
	s.i = end
	return text
}

// isNumber reports whether text is a number by the grammar of RFC 8259.
func isNumber(text string) bool {
	rest := text
	if rest != "" && rest[0] == '-' {
		rest = rest[1:]
	}
	whole := digits(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return false
	}
	rest = rest[whole:]
	if rest != "" && rest[0] == '.' {
		n := digits(rest[1:])
		if n == 0 {
			return false
		}
		rest = rest[1+n:]
	}
	if rest == "" || rest[0] != 'e' && rest[0] != 'E' {
		return rest == ""
	}
	if rest = rest[1:]; rest != "" && (rest[0] == '-' || rest[0] == '+') {
		rest = rest[1:]
	}
	n := digits(rest)
	return n > 0 && n == len(rest)
}

func digits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// isInteger reports whether text is written as a JSON integer, so not as 1.0, 1e3 or -0.
func isInteger(text string) bool {
	rest := text
	if rest != "" && rest[0] == '-' {
		if rest = rest[1:]; rest == "0" {
			return false
		}
	}
	n := digits(rest)
	return n > 0 && n == len(rest) && (n == 1 || rest[0] != '0')
}

// integer reads the text of a number written as an integer.
func (s *scanner) integer() (string, bool) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		s.wrong("an integer")
		return "", false
	}
	text := s.number()
	if s.dead {
		return "", false
	}
	if !isInteger(text) {
		s.fault("%s is not written as an integer", clip(text))
		return "", false
	}
	return text, true
}

// unsigned reads an integer from 0 to most.
func (s *scanner) unsigned(most uint64) uint64 {
	text, ok := s.integer()
	if !ok {
		return 0
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil || v > most {
		s.fault("%s is out of range; want 0 to %d", clip(text), most)
		return 0
	}
	return v
}

func (s *scanner) uint32() uint32 { return uint32(s.unsigned(math.MaxUint32)) }
func (s *scanner) uint64() uint64 { return s.unsigned(math.MaxUint64) }

// int32 reads a signed integer.
func (s *scanner) int32() int32 {
	text, ok := s.integer()
	if !ok {
		return 0
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		s.fault("%s is out of range; want %d to %d", clip(text), math.MinInt32, math.MaxInt32)
	}
	return int32(v)
}

// boolean reads true or false.
func (s *scanner) boolean() bool {
	switch s.peek() {
	case 't':
		s.word("true")
		return true
	case 'f':
		s.word("false")
		return false
	}
	if !s.dead {
		s.wrong("true or false")
	}
	return false
}
