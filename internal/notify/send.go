package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	answerLimit = 64 << 10  // bytes of an answer that are read
	longestWait = time.Hour // whatever Retry-After says
)

// answerError is what a receiver answered that did not take a message.
type answerError struct {
	says  string        // without the receiver's secret
	wait  time.Duration // how long it wants to be left alone; 0: it did not say
	final bool          // the same message would be refused again
}

func (e *answerError) Error() string { return e.says }

// send makes one attempt and returns the status that was answered. Of an escalation PagerDuty is also told that the call before it is over; where
// that fails all of it is sent again, of which nobody is called twice.
func (r *target) send(ctx context.Context, m message, c Config) (int, error) {
	status, err := r.post(ctx, m, c)
	if last, there := m.former(); err == nil && there && r.Type == PagerDuty {
		status, err = r.post(ctx, last, c)
	}
	return status, err
}

// post makes one request. A redirect is not followed and not good.
func (r *target) post(ctx context.Context, m message, c Config) (int, error) {
	request, err := r.request(ctx, m, c)
	if err != nil {
		return 0, fmt.Errorf("notify: receiver %s: %w", r.Name, err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("notify: receiver %s: %w", r.Name, r.bare(err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err := r.judge(answer, text, m.now); err != nil {
		return 0, fmt.Errorf("notify: receiver %s: %w", r.Name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("notify: receiver %s: its answer broke off: %w", r.Name, r.bare(err))
	}
	return answer.StatusCode, nil
}

// judge says why an answer is not a good one.
func (r *target) judge(answer *http.Response, text []byte, now time.Time) error {
	switch {
	case answer.StatusCode/100 == 3:
		return &answerError{says: fmt.Sprintf("it answers %d and points elsewhere, which is not followed: give the address it points to", answer.StatusCode)}
	case r.takes(answer.StatusCode, text):
		return nil
	}
	says := r.redacted(strings.TrimSpace(string(text)))
	return &answerError{
		says:  fmt.Sprintf("it answers %d: %q", answer.StatusCode, says[:min(len(says), 200)]),
		wait:  retryAfter(answer.Header.Get("Retry-After"), now),
		final: answer.StatusCode == http.StatusBadRequest && (r.Type == Slack || r.Type == PagerDuty),
	}
}

// takes says whether an answer means that the message was taken: of most any 2xx, of the services what they document.
func (r *target) takes(status int, text []byte) bool {
	switch r.Type {
	case Slack:
		return status == http.StatusOK && string(bytes.TrimSpace(text)) == "ok"
	case PagerDuty:
		return status == http.StatusAccepted
	}
	return status/100 == 2
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110, 10.2.3); 0 where it says nothing that can be read.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return max(0, min(wait, longestWait))
}

// bare takes the address and the secret out of an error: errors are logged and kept.
func (r *target) bare(err error) error {
	err = withoutURL(err)
	if text := r.redacted(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// withoutURL takes the address out of an error: it may hold a secret.
func withoutURL(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}

// content is where to send what, and as what.
func (r *target) content(m message, c Config) (address, kind string, body []byte, err error) {
	const plain = "application/json"
	switch r.Type {
	case Slack:
		body, err = m.slack()
		return r.URL, plain, body, err
	case PagerDuty:
		body, err = m.pagerDuty(string(r.secret))
		return r.URL, plain, body, err
	case Alertmanager:
		if address, err = url.JoinPath(r.URL, "api/v2/alerts"); err != nil {
			return "", "", nil, withoutURL(err)
		}
		body, err = m.alert(c)
		return address, plain, body, err
	case Heartbeat:
		return r.URL, "", nil, nil
	}
	body, err = m.cloudEvent()
	return r.URL, "application/cloudevents+json; charset=utf-8", body, err
}

func (r *target) request(ctx context.Context, m message, c Config) (*http.Request, error) {
	address, kind, body, err := r.content(m, c)
	if err != nil {
		return nil, err
	}
	method := http.MethodPost
	if r.Type == Heartbeat {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, r.bare(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	request.Header.Set("User-Agent", "rollcall")
	if r.Type == Webhook && len(r.secret) > 0 {
		stamp := strconv.FormatInt(m.now.Unix(), 10)
		request.Header.Set("Rollcall-Timestamp", stamp)
		request.Header.Set("Rollcall-Signature", "v1="+Signature(r.secret, stamp, body))
	}
	return request, nil
}

// Signature is HMAC-SHA256 over the timestamp (Unix seconds), a dot and the body, in hex: what Rollcall-Signature says after "v1=".
func Signature(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + ".")) // a hash never fails
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
