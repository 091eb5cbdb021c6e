package wire

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameFault says what keeps name from naming a stream or hop.
func nameFault(name string, most int) string {
	switch {
	case name == "":
		return fmt.Sprintf("missing or empty; want 1 to %d characters", most)
	case len(name) > most:
		return fmt.Sprintf("%d bytes; limit %d characters", len(name), most)
	}
	for _, r := range name {
		if !alphanumeric(r) && !strings.ContainsRune("._:-", r) {
			return fmt.Sprintf("holds %q; want characters of [A-Za-z0-9._:-]", r)
		}
	}
	switch {
	case !alphanumeric(rune(name[0])) || !alphanumeric(rune(name[len(name)-1])):
		return "a name begins and ends with a letter or digit"
	case strings.Contains(name, ".."):
		return "a name holds no \"..\""
	}
	return ""
}

func alphanumeric(r rune) bool {
	return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

// textFault says what keeps text, which may be empty, from being shown to people.
func textFault(text string, most int) string {
	n := 0
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("the character %q; want printable characters only", r)
		}
		n++
	}
	if !utf8.ValidString(text) {
		return "bytes that are not UTF-8"
	}
	if n > most {
		return fmt.Sprintf("%d characters; limit %d", n, most)
	}
	return ""
}

// uidFault says what keeps text from being a foreign UID.
func uidFault(uid string, most int) string {
	switch {
	case uid == "":
		return fmt.Sprintf("missing or empty; want 1 to %d bytes", most)
	case len(uid) > most:
		return fmt.Sprintf("%d bytes; limit %d", len(uid), most)
	case !utf8.ValidString(uid):
		return "bytes that are not UTF-8"
	}
	for _, r := range uid {
		if unicode.IsControl(r) {
			return fmt.Sprintf("the control character %q; want none", r)
		}
	}
	return ""
}

// Printable returns text as a lane, host, version or reason of at most most
// characters may hold it: what is not printable becomes a space, and the end is
// cut. Emitters pass through it what they do not control.
func Printable(text string, most int) string {
	if textFault(text, most) == "" {
		return text
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
