package notify

import (
	"errors"
	"math/rand/v2"
	"time"
)

// try is how the attempts at one notification went so far.
type try struct {
	attempts uint32
	first    time.Time
	next     time.Time
}

// made counts an attempt; it is false once the patience is at its end, or the same message would be refused again. The next attempt waits twice
// as long as the last did, give or take a half, and no less than the receiver asks for.
func (t *try) made(now time.Time, err error, c Config) bool {
	if t.attempts++; t.attempts == 1 {
		t.first = now
	}
	if err == nil {
		return true
	}
	wait := c.Most
	if shift := t.attempts - 1; shift < 16 {
		wait = min(wait, c.First<<shift)
	}
	t.next = now.Add(max(wait/2+rand.N(wait), waitOf(err)))
	var answer *answerError
	final := errors.As(err, &answer) && answer.final
	return !final && t.next.Sub(t.first) < c.Patience
}

// waitOf is how long the receiver asked to be left alone.
func waitOf(err error) time.Duration {
	var answer *answerError
	if errors.As(err, &answer) {
		return answer.wait
	}
	return 0
}

// outcomeOf is what a failed attempt is counted as that will be made again.
func outcomeOf(err error) string {
	if errors.Is(err, ErrForbidden) {
		return refused
	}
	return retried
}
