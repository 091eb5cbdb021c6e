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
	"os"
	"regexp"
	"strconv"
	"time"
)

// The types of receivers.
const (
	Webhook      = "webhook"      // CloudEvents 1.0, structured mode, JSON
	Alertmanager = "alertmanager" // POST /api/v2/alerts
)

// answerLimit is how many bytes of an answer are read.
const answerLimit = 64 << 10

// leastSecret is how many bytes a secret has at least.
const leastSecret = 16

// Receiver is who is told.
type Receiver struct {
	Name         string
	Type         string // Webhook or Alertmanager
	URL          string // of the webhook, or the base of Alertmanager's
	SecretFile   string // what webhooks are signed with is read from it; empty: they are not signed
	AllowPrivate bool   // it may be in a private network or on this host
}

var receiverName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Check says what is wrong with a receiver.
func (r *Receiver) Check() error {
	if !receiverName.MatchString(r.Name) {
		return fmt.Errorf("notify: receiver name %q: give 1 to 64 characters of A-Z a-z 0-9 . _ -, beginning and ending with a letter or digit", r.Name)
	}
	if r.Type != Webhook && r.Type != Alertmanager {
		return fmt.Errorf("notify: receiver %s: type %q is not one of %s, %s", r.Name, r.Type, Webhook, Alertmanager)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("notify: receiver %s: the url is not an address as https://example.org/hook", r.Name)
	}
	if u.User != nil {
		return fmt.Errorf("notify: receiver %s: the url holds a user or a password; leave them out", r.Name)
	}
	if r.Type == Alertmanager && r.SecretFile != "" {
		return fmt.Errorf("notify: receiver %s: a secret file is for webhooks; Alertmanager checks no signature", r.Name)
	}
	return nil
}

// target is a receiver that can be called.
type target struct {
	Receiver
	secret []byte // empty: webhooks are not signed
	client *http.Client
}

// open checks the receiver and reads its secret. It dials nothing.
func (r *Receiver) open(timeout time.Duration) (*target, error) {
	t := &target{Receiver: *r}
	if err := r.Check(); err != nil {
		return nil, err
	}
	t.client = r.client(timeout)
	if r.SecretFile == "" {
		return t, nil
	}
	text, err := os.ReadFile(r.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("notify: receiver %s: read the secret file: %w", r.Name, err)
	}
	if t.secret = bytes.TrimSpace(text); len(t.secret) < leastSecret {
		return nil, fmt.Errorf("notify: receiver %s: the secret file %s holds %d bytes; give at least %d", r.Name, r.SecretFile, len(t.secret), leastSecret)
	}
	return t, nil
}

// client calls this receiver only: straight, without proxy and without following it elsewhere.
func (r *Receiver) client(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer(r.AllowPrivate, timeout).DialContext,
			TLSHandshakeTimeout:    timeout,
			MaxIdleConnsPerHost:    atOnce,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: answerLimit,
			ForceAttemptHTTP2:      true,
		},
	}
}

// send makes one attempt and returns the status that was answered. Any 2xx is good, whatever else the answer says; a redirect is not followed and not good.
func (r *target) send(ctx context.Context, m message, c Config) (int, error) {
	request, err := r.request(ctx, m, c)
	if err != nil {
		return 0, fmt.Errorf("notify: receiver %s: %w", r.Name, err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("notify: receiver %s: %w", r.Name, withoutURL(err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	switch {
	case answer.StatusCode/100 == 3:
		return 0, fmt.Errorf("notify: receiver %s: it answers %d and points elsewhere, which is not followed: give the address it points to", r.Name, answer.StatusCode)
	case answer.StatusCode/100 != 2:
		return 0, fmt.Errorf("notify: receiver %s: it answers %d: %q", r.Name, answer.StatusCode, text[:min(len(text), 200)])
	case err != nil:
		return 0, fmt.Errorf("notify: receiver %s: its answer broke off: %w", r.Name, err)
	}
	return answer.StatusCode, nil
}

// withoutURL takes the address out of an error: it may hold a secret, and errors are logged and kept.
func withoutURL(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}

// content is where to send what, and as what.
func (r *target) content(m message, c Config) (address, kind string, body []byte, err error) {
	if r.Type == Webhook {
		body, err = m.cloudEvent()
		return r.URL, "application/cloudevents+json; charset=utf-8", body, err
	}
	if address, err = url.JoinPath(r.URL, "api/v2/alerts"); err != nil {
		return "", "", nil, withoutURL(err)
	}
	body, err = m.alert(c)
	return address, "application/json", body, err
}

func (r *target) request(ctx context.Context, m message, c Config) (*http.Request, error) {
	address, kind, body, err := r.content(m, c)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("User-Agent", "rollcall")
	if len(r.secret) > 0 {
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
