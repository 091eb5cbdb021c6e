package audit

import (
	"context"
	"net/http"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// SendSamples makes one attempt to send samples of events that broke their schema. Samples are
// evidence and no account, so that an error is no reason to try again. It is a *SendError.
func (t *HTTPTransport) SendSamples(ctx context.Context, samples []wire.Sample) error {
	body, err := wire.EncodeSamples(wire.SampleBatch{Samples: samples})
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	return t.post(ctx, t.samples, http.Header{"Content-Type": {"application/json"}}, body, len(samples))
}
