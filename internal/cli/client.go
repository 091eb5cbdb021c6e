package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
)

const (
	askTimeout  = 30 * time.Second
	answerLimit = 256 << 20 // bytes of one answer
	pageLimit   = 1000      // rows asked for at a time
)

// client asks one server. Its errors carry an exit code. Files are read before the first request.
type client struct {
	base, agent      string
	root             string // what each path is under: that of the API
	token, tokenFile string
	caFile           string
	http             *http.Client // nil until open
}

// open reads the token and the certificates to trust.
func (c *client) open() error {
	if c.http != nil {
		return nil
	}
	if err := c.readToken(); err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.caFile != "" {
		trusted, err := readCA(c.caFile)
		if err != nil {
			return err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes where it was meant to go
	c.http = &http.Client{Timeout: askTimeout, Transport: transport, CheckRedirect: stay}
	return nil
}

func (c *client) readToken() error {
	if c.tokenFile == "" {
		return nil
	}
	if c.token != "" {
		return wrongUse("--token and --token-file (or ROLLCALL_TOKEN and ROLLCALL_TOKEN_FILE) are both given; leave one out")
	}
	text, err := access.ReadPrivate(c.tokenFile)
	if err != nil {
		return wrongUse("read the token: %w", err)
	}
	if c.token = strings.TrimSpace(string(text)); c.token == "" {
		return wrongUse("the token file %s is empty", c.tokenFile)
	}
	return nil
}

func readCA(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, wrongUse("read the certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, wrongUse("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// refusal is an answer that is an error: what was asked, and the problem details told.
type refusal struct {
	method, path string
	problem      api.Problem
	hint         string // what to do about it, on a line of its own
}

func (r *refusal) Error() string {
	p := r.problem
	text := fmt.Sprintf("%s %s: the server answers %d %s", r.method, r.path, p.Status, http.StatusText(p.Status))
	if told := firstOf(p.Detail, p.Title); told != "" && told != http.StatusText(p.Status) {
		text += ": " + told
	}
	for _, f := range p.Errors {
		if f.Message != "" && strings.Contains(p.Detail, f.Message) {
			continue // said already
		}
		text += fmt.Sprintf("\n  %s: %s", firstOf(f.Path, "(the whole)"), f.Message)
	}
	return text + r.hint
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// get asks for path with query and decodes the answer into out.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// post sends body and decodes the answer into out, which may be nil.
func (c *client) post(ctx context.Context, path, contentType string, body []byte, out any) error {
	return c.do(ctx, http.MethodPost, path, contentType, body, out)
}

// list asks for every page of a list and returns the rows as the server wrote them.
func (c *client) list(ctx context.Context, path string, query url.Values) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	err := eachPage(ctx, c, path, query, func(page api.Page[json.RawMessage]) string {
		all = append(all, page.Items...)
		return page.Next
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// eachPage asks for every page; take returns the cursor of the next one.
func eachPage[P any](ctx context.Context, c *client, path string, query url.Values, take func(P) (next string)) error {
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(pageLimit))
	for {
		var page P
		if err := c.get(ctx, path, query, &page); err != nil {
			return err
		}
		next := take(page)
		if next == "" {
			return nil
		}
		if next == query.Get("cursor") {
			return cannotAsk("GET %s: the server gives the same cursor %q twice, so the list never ends", path, next)
		}
		query.Set("cursor", next)
	}
}

func (c *client) do(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	if !strings.HasPrefix(c.base, "http://") && !strings.HasPrefix(c.base, "https://") {
		return wrongUse("--server %q is not an address that can be asked: write it as http://127.0.0.1:8080", c.base)
	}
	if err := c.open(); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+c.root+path, bytes.NewReader(body))
	if err != nil {
		return wrongUse("--server %s is not an address that can be asked: %w", c.base, err)
	}
	c.header(request, contentType)
	answer, err := c.http.Do(request)
	if err != nil {
		return c.away(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return cannotAsk("%s %s: the answer broke off: %w", method, path, err)
	}
	if answer.StatusCode/100 != 2 {
		return c.refused(method, path, answer, text)
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return cannotAsk("%s %s: the answer is not the JSON of a Rollcall server: %w", method, path, err)
	}
	return nil
}

func (c *client) header(request *http.Request, contentType string) {
	request.Header.Set("Accept", "application/json, application/problem+json")
	request.Header.Set("User-Agent", c.agent)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// away says why nobody answered, and what to do about it.
func (c *client) away(err error) error {
	var unreachable *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return cannotAsk("interrupted while asking %s", c.base)
	case errors.Is(err, syscall.ECONNREFUSED):
		return cannotAsk("nobody listens at %s; start \"rollcall serve\", or name the server with --server or ROLLCALL_SERVER", c.base)
	case errors.As(err, &timeout) && timeout.Timeout():
		return cannotAsk("%s did not answer within %s", c.base, askTimeout)
	case isTLS(err):
		return cannotAsk("%s cannot be trusted: %w; --ca-file names the certificates to trust", c.base, err)
	case errors.As(err, &unreachable):
		return cannotAsk("%s cannot be reached: %w", c.base, unreachable)
	}
	return cannotAsk("ask %s: %w", c.base, err)
}

// isTLS says whether an error is about the certificate of the server.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// refused reads the problem details and gives them the exit code of their status.
func (c *client) refused(method, path string, answer *http.Response, text []byte) error {
	path, _, _ = strings.Cut(path, "?")
	r := &refusal{method: method, path: path}
	if err := json.Unmarshal(text, &r.problem); err != nil {
		r.problem = api.Problem{Detail: strings.TrimSpace(string(text[:min(len(text), 300)]))}
	}
	r.problem.Status = answer.StatusCode
	if answer.StatusCode == http.StatusUnauthorized && c.token == "" {
		r.hint = "\nGive a token with --token-file, ROLLCALL_TOKEN_FILE or ROLLCALL_TOKEN."
	}
	code := WrongUse
	switch s := answer.StatusCode; {
	case s >= 500, s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusTooManyRequests, s < 400:
		code = CannotAsk
	}
	return &failure{code: code, err: r}
}

// status returns the HTTP status of a refusal, or 0.
func status(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.problem.Status
	}
	return 0
}

// all asks for every page and returns the rows raw, for programs, and decoded, for tables.
func all[T any](s *session, path string, query url.Values) ([]json.RawMessage, []T, error) {
	raw, err := s.ask.list(s.ctx, path, query)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]T, len(raw))
	for i, r := range raw {
		if err := json.Unmarshal(r, &rows[i]); err != nil {
			return nil, nil, cannotAsk("GET %s: row %d is not of the expected shape: %w", path, i+1, err)
		}
	}
	return raw, rows, nil
}

// one asks for one thing and returns it raw and decoded.
func one[T any](s *session, path string, query url.Values) (json.RawMessage, T, error) {
	var raw json.RawMessage
	var out T
	if err := s.ask.get(s.ctx, path, query, &raw); err != nil {
		return nil, out, err
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, out, cannotAsk("GET %s: the answer is not of the expected shape: %w", path, err)
	}
	return raw, out, nil
}
