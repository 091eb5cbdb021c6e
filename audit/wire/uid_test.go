package wire

import (
	"strings"
	"testing"
)

func TestOneUIDHasOneSpellingButForCase(t *testing.T) {
	const text = "0199f09c-1d2e-8abc-9def-0123000000ff"
	u := uid(t, strings.ToUpper(text))
	if u.String() != text {
		t.Errorf("%s is written %s", text, u)
	}
	for _, bad := range []string{"", text[:35], text + "0", strings.ReplaceAll(text, "-", "") + "0000", "{" + text[:34] + "}", strings.Replace(text, "c", "g", 1)} {
		var into UID
		if err := into.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as %s", bad, into)
		}
	}
}

func TestUIDIsASourceAndANumber(t *testing.T) {
	u := uid(t, "0199f09c-1d2e-8abc-9def-0123000000ff")
	if u.Sequence() != 255 || u.Source().WithSequence(255) != u || u.Source().Sequence() != 0 {
		t.Errorf("source %s, sequence %d", u.Source(), u.Sequence())
	}
	if u.StartMillis() != 0x0199f09c1d2e || !u.Numbered() || u.IsZero() {
		t.Errorf("start %#x, numbered %v", u.StartMillis(), u.Numbered())
	}
	h := Header{Flags: FlagNumbered, UID: u}
	if !h.Numbered() || h.Canary() || (Header{UID: u}).Numbered() || (Header{Flags: FlagNumbered}).Numbered() {
		t.Error("a header is taken for what it is not")
	}
}
