package audit

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// SendSamples makes one attempt to send samples of events that broke their schema. Samples are
// evidence and no account, so that an error is no reason to try again. It is a *SendError; that wraps a *PartlyError where
// the server took some of them.
func (t *HTTPTransport) SendSamples(ctx context.Context, samples []wire.Sample) error {
	body, err := wire.EncodeSamples(wire.SampleBatch{Samples: samples})
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	return t.post(ctx, t.samples, http.Header{"Content-Type": {"application/json"}}, body, len(samples))
}

// PartlyError says that a server took some of what was sent, and refused the rest for good.
type PartlyError struct {
	Accepted int
	Detail   string // the path and message of each fault
}

// Error implements error.
func (e *PartlyError) Error() string {
	return fmt.Sprintf("the server took only %d: %s", e.Accepted, e.Detail)
}
