package audit

import (
	"fmt"
	"time"
)

// DefaultWindow is the window length of a stream that sets none.
const DefaultWindow = time.Minute

// Events farther from the clock than these cannot be placed in a window: the
// server refuses windows more than 7 days old or 5 minutes in the future, and the
// report has to get there in time.
const (
	oldest = 7*24*time.Hour - time.Hour
	newest = 4 * time.Minute
)

// WindowOf returns the start of the window of the given length that t lies in, in
// UTC. Windows are aligned to the Unix epoch; length is in whole seconds.
func WindowOf(t time.Time, length time.Duration) time.Time {
	return time.UnixMilli(windowStart(t.UnixMilli(), length.Milliseconds())).UTC()
}

// HourOf returns the start of the UTC hour that t lies in.
func HourOf(t time.Time) time.Time { return WindowOf(t, time.Hour) }

func windowStart(ms, length int64) int64 {
	rest := ms % length
	if rest < 0 {
		rest += length
	}
	return ms - rest
}

func checkWindow(length time.Duration) error {
	switch length {
	case 10 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour:
		return nil
	}
	return fmt.Errorf("window length %v: it must be 10s, 1m, 5m, 10m or 1h", length)
}
