package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Bounds on what is read of an answer and believed of it.
const (
	maxAnswer     = 64 << 10
	maxRetryAfter = 5 * time.Minute
)

// HTTPConfig says where the server is.
type HTTPConfig struct {
	URL    string       // the server's base, such as https://rollcall.example:8080
	Token  string       // bearer token; none when empty
	Client *http.Client // one with DefaultTimeout when nil
}

// HTTPTransport sends reports to POST /api/v1/reports as gzipped protobuf.
type HTTPTransport struct {
	url    string
	token  string
	client *http.Client
}

// NewHTTPTransport returns a transport; it does not connect. It returns an error when
// the URL is not an absolute http or https one.
func NewHTTPTransport(cfg HTTPConfig) (*HTTPTransport, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("server URL: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server URL %q: it must begin with http:// or https:// and a host", u.Redacted())
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: DefaultTimeout}
	}
	return &HTTPTransport{url: u.JoinPath("api/v1/reports").String(), token: cfg.Token, client: cfg.Client}, nil
}

// Send implements Transport. Answers 4xx but for 408, 425 and 429 are permanent.
func (t *HTTPTransport) Send(ctx context.Context, batch wire.Batch) error {
	body, err := zip(batch)
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	req.Header.Set("Content-Type", "application/protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return &SendError{Err: err}
	}
	defer resp.Body.Close()
	return answer(resp, len(batch.Reports))
}

func zip(batch wire.Batch) ([]byte, error) {
	raw, err := wire.EncodeProto(batch)
	if err != nil {
		return nil, fmt.Errorf("encode the report: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed) // rolls are dense already
	if err != nil {
		return nil, fmt.Errorf("compress the report: %w", err)
	}
	if _, err := z.Write(raw); err != nil {
		return nil, fmt.Errorf("compress the report: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress the report: %w", err)
	}
	return out.Bytes(), nil
}

// answer reads what the server says. A 200 counts only when it confirms the batch:
// a proxy's welcome page does not.
func answer(resp *http.Response, reports int) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &SendError{Err: fmt.Errorf("read the answer: %w", err)}
	}
	if resp.StatusCode == http.StatusOK {
		var ok struct {
			Accepted *int `json:"accepted"`
		}
		if err := json.Unmarshal(body, &ok); err != nil || ok.Accepted == nil || *ok.Accepted != reports {
			return &SendError{Err: fmt.Errorf("the answer 200 does not say that %d reports were accepted: %.100q", reports, body)}
		}
		return nil
	}
	return &SendError{
		Permanent:  permanent(resp.StatusCode),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		Err:        &ProblemError{Status: resp.StatusCode, Detail: detail(body)},
	}
}

func permanent(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3), bounded.
func retryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// ProblemError is the server's refusal, as its problem details (RFC 9457) tell it.
type ProblemError struct {
	Status int    // of HTTP
	Detail string // title, detail and the path and message of each fault
}

// Error implements error.
func (e *ProblemError) Error() string {
	return fmt.Sprintf("the server answered %d: %s", e.Status, e.Detail)
}

func detail(body []byte) string {
	var p struct {
		Title, Detail string
		Errors        []struct{ Path, Message string }
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" {
		return fmt.Sprintf("%.200q", body)
	}
	text := p.Title
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	var errs []error
	for _, f := range p.Errors {
		errs = append(errs, fmt.Errorf("%s: %s", f.Path, f.Message))
	}
	if err := errors.Join(errs...); err != nil {
		text += "\n" + err.Error()
	}
	return wire.Printable(text, 2000)
}
