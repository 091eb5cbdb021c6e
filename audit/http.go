package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
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
	// TokenFile holds the token, instead of Token. It is read anew for each report, so that a token can be replaced
	// while the hop runs.
	TokenFile string
	// CAFile holds the certificates (PEM) to trust for an https server instead of the system's. Not with Client, which
	// knows whom it trusts.
	CAFile string
}

// HTTPTransport sends reports to POST /api/v1/reports as gzipped protobuf, and samples to
// POST /api/v1/samples as JSON.
type HTTPTransport struct {
	url       string
	samples   string
	token     string
	tokenFile string
	client    *http.Client
}

// NewHTTPTransport returns a transport; it does not connect. It returns an error when
// the URL is not an absolute http or https one, CAFile cannot be read, or two fields contradict each other.
func NewHTTPTransport(cfg HTTPConfig) (*HTTPTransport, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("server URL: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server URL %q: it must begin with http:// or https:// and a host", u.Redacted())
	}
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	if cfg.Token != "" && cfg.TokenFile != "" {
		return nil, errors.New("of Token and TokenFile only one can be given")
	}
	return &HTTPTransport{url: u.JoinPath("api/v1/reports").String(), samples: u.JoinPath("api/v1/samples").String(), token: cfg.Token, tokenFile: cfg.TokenFile, client: client}, nil
}

// client returns the client to send with.
func (cfg HTTPConfig) client() (*http.Client, error) {
	switch {
	case cfg.CAFile == "" && cfg.Client == nil:
		return &http.Client{Timeout: DefaultTimeout}, nil
	case cfg.CAFile == "":
		return cfg.Client, nil
	case cfg.Client != nil:
		return nil, errors.New("of CAFile and Client only one can be given")
	}
	text, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", cfg.CAFile)
	}
	return &http.Client{Timeout: DefaultTimeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}}, nil
}

// authorize shows the token, where there is one.
func (t *HTTPTransport) authorize(req *http.Request) error {
	token := t.token
	if t.tokenFile != "" {
		text, err := os.ReadFile(t.tokenFile)
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// Send implements Transport. Answers 4xx but for 408, 425 and 429 are permanent.
func (t *HTTPTransport) Send(ctx context.Context, batch wire.Batch) error {
	body, err := zip(batch)
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	return t.post(ctx, t.url, http.Header{"Content-Type": {"application/protobuf"}, "Content-Encoding": {"gzip"}}, body, len(batch.Reports))
}

// post makes one attempt to bring count things to an address.
func (t *HTTPTransport) post(ctx context.Context, url string, header http.Header, body []byte, count int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return &SendError{Permanent: true, Err: err}
	}
	req.Header = header
	if err := t.authorize(req); err != nil {
		return &SendError{Err: err}
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return &SendError{Err: err}
	}
	defer resp.Body.Close()
	return answer(resp, count)
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

// answer reads what the server says. A 200 counts only when it confirms the batch of
// count things: a proxy's welcome page does not.
func answer(resp *http.Response, count int) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &SendError{Err: fmt.Errorf("read the answer: %w", err)}
	}
	if resp.StatusCode == http.StatusOK {
		var ok struct {
			Accepted *int              `json:"accepted"`
			Errors   []json.RawMessage `json:"errors"`
		}
		err := json.Unmarshal(body, &ok)
		if err == nil && ok.Accepted != nil && len(ok.Errors) > 0 && *ok.Accepted < count {
			return &SendError{Permanent: true, Err: &PartlyError{Accepted: *ok.Accepted, Detail: detail(body)}}
		}
		if err != nil || ok.Accepted == nil || *ok.Accepted != count {
			return &SendError{Err: fmt.Errorf("the answer 200 does not say that %d were accepted: %.100q", count, body)}
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
	if json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" && len(p.Errors) == 0 {
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
