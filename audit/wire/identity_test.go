package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestAForeignIdentityNeedsAUIDAndATimeThatCanBeRead(t *testing.T) {
	for _, c := range []struct {
		uid, at string
		want    error
	}{
		{"order-7", "2026-11-22T05:10:07.120Z", nil},
		{"order-7", "2026-11-22T06:10:07.12+01:00", nil},
		{"", "2026-11-22T05:10:07Z", ErrNoIdentity},
		{"order-7", "", ErrNoIdentity},
		{"", "", ErrNoIdentity},
		{"order-7", "yesterday", ErrProducedAt},
		{"order-7", "1795324207120", ErrProducedAt},
		{"order-7", "2026-11-22 05:10:07", ErrProducedAt},
		{"order-7", "2026-11-22T05:10:07", ErrProducedAt}, // of which zone?
	} {
		id, err := ForeignIdentity(c.uid, c.at)
		if !errors.Is(err, c.want) {
			t.Errorf("%q at %q: %v, want %v", c.uid, c.at, err, c.want)
		}
		if c.want == nil && (id.Foreign != c.uid || !id.ProducedAt.Equal(instant(t, "2026-11-22T05:10:07.120Z")) || id.Numbered()) {
			t.Errorf("%q at %q was read as %+v", c.uid, c.at, id)
		}
	}
	if _, err := ForeignIdentity("x", strings.Repeat("9", 1<<20)); err == nil || len(err.Error()) > 200 {
		t.Error("the error repeats all that a stranger wrote")
	}
}
