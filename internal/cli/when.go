package cli

import (
	"fmt"
	"net/url"
	"time"
)

// when is an instant on the command line: RFC 3339, without its seconds or minutes if
// one likes, or a duration that means that long ago.
type when struct{ time.Time }

var whenLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02"}

// UnmarshalText implements encoding.TextUnmarshaler. Without a zone it is UTC.
func (w *when) UnmarshalText(text []byte) error {
	for _, layout := range whenLayouts {
		if t, err := time.Parse(layout, string(text)); err == nil {
			w.Time = t.UTC()
			return nil
		}
	}
	if ago, err := time.ParseDuration(string(text)); err == nil && ago >= 0 {
		w.Time = time.Now().UTC().Add(-ago)
		return nil
	}
	return fmt.Errorf("%q is not an instant: write 2026-11-22T05:09:00Z, 2026-11-22T05, or 15m for fifteen minutes ago", text)
}

// span is the range of time of a list: from inclusive, to exclusive.
type span struct {
	From when `help:"First instant, or how long ago (15m); the server's default when not given." placeholder:"INSTANT"`
	To   when `help:"Instant before which to stop, or how long ago." placeholder:"INSTANT"`
}

func (s span) query() (url.Values, error) {
	q := url.Values{}
	if !s.From.IsZero() {
		q.Set("from", s.From.Format(time.RFC3339Nano))
	}
	if !s.To.IsZero() {
		q.Set("to", s.To.Format(time.RFC3339Nano))
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To.Time) {
		return nil, wrongUse("--from %s is not before --to %s", instant(s.From.Time), instant(s.To.Time))
	}
	return q, nil
}
