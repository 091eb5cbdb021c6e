package wire

import "time"

// WindowSeconds are the window lengths there are, ascending.
func WindowSeconds() []uint32 { return []uint32{10, 60, 300, 600, 3600} }

// WindowStart returns the start, UTC, of the window of the given length that t
// falls in. Windows are aligned to the Unix epoch. It returns t itself for 0 seconds.
func WindowStart(t time.Time, seconds uint32) time.Time {
	if seconds == 0 {
		return t.UTC()
	}
	s, n := t.Unix(), int64(seconds)
	return time.Unix(s-((s%n)+n)%n, 0).UTC()
}

// Aligned reports whether a window of the given length may start at t.
func Aligned(t time.Time, seconds uint32) bool {
	return seconds != 0 && t.Nanosecond() == 0 && t.Unix()%int64(seconds) == 0
}
