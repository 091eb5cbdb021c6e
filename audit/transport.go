package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Transport brings reports to the server. Send makes one attempt and returns nil
// only when the batch is stored or will surely be: an accepted report is never
// sent again. The batch must not be changed. An error means that the fate is
// unknown, unless it is a *SendError with Permanent set.
type Transport interface {
	Send(ctx context.Context, batch wire.Batch) error
}

// SendError is what a Transport knows about a failed attempt.
type SendError struct {
	// Permanent: the server refused the batch, so it surely did not take it. It
	// will refuse it again until somebody changes something.
	Permanent bool
	// RetryAfter is how long the server asks to wait; zero when it did not say.
	RetryAfter time.Duration
	Err        error
}

// Error implements error.
func (e *SendError) Error() string {
	if e.Permanent {
		return fmt.Sprintf("report refused: %v", e.Err)
	}
	return fmt.Sprintf("report not sent: %v", e.Err)
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// sendError returns what is known about a failed attempt.
func sendError(err error) *SendError {
	var known *SendError
	if errors.As(err, &known) {
		return known
	}
	return &SendError{Err: err}
}
