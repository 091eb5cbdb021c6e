package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// SendSamples makes one attempt to send samples of events that broke their schema. Samples are
// evidence and no account, so that an error is no reason to try again. It is a *SendError.
func (t *HTTPTransport) SendSamples(ctx context.Context, samples []wire.Sample) error {
	body, err := json.Marshal(wire.SampleBatch{Samples: samples})
	if err != nil {
		return &SendError{Permanent: true, Err: fmt.Errorf("encode the samples: %w", err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.samples, bytes.NewReader(body))
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if err := t.authorize(req); err != nil {
		return &SendError{Err: err}
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return &SendError{Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &SendError{Err: fmt.Errorf("read the answer: %w", err)}
	}
	return &SendError{
		Permanent:  permanent(resp.StatusCode),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		Err:        &ProblemError{Status: resp.StatusCode, Detail: detail(text)},
	}
}
