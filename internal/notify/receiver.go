package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"
)

// The types of receivers.
const (
	Webhook      = "webhook"      // CloudEvents 1.0, structured mode, JSON
	Alertmanager = "alertmanager" // POST /api/v2/alerts
	Slack        = "slack"        // an incoming webhook of Slack's
	PagerDuty    = "pagerduty"    // PagerDuty's Events API v2
	Heartbeat    = "heartbeat"    // a GET each minute while all is well; it is told of no incident
)

// Receiver is who is told.
type Receiver struct {
	Name           string
	Type           string
	URL            string // of the webhook or heartbeat, the base of Alertmanager's, or PagerDuty's where it is not the usual one
	SecretFile     string // its secret is read from it: what webhooks are signed with, Slack's address, PagerDuty's routing key, or a heartbeat's address
	SecretVariable string // the name of an environment variable that holds the secret instead
	CAFile         string // certificates to trust it by instead of the system's, PEM
	AllowPrivate   bool   // it may be in a private network or on this host
}

// kind is what the receivers of a type need.
type kind struct {
	secret  string // what their secret is, in words; empty: they have none
	needed  bool   // they cannot be without it
	address bool   // the secret is the address, and stands in the place of the url
	carried bool   // the secret is sent, so that the way there must be safe
	usual   string // the url where none is given
}

var kinds = map[string]kind{
	Webhook:      {secret: "what calls are signed with"},
	Alertmanager: {},
	Slack:        {secret: "the address of an incoming webhook", needed: true, address: true, carried: true},
	PagerDuty:    {secret: "the routing key", needed: true, carried: true, usual: "https://events.pagerduty.com/v2/enqueue"},
	Heartbeat:    {secret: "the address to ask", address: true, carried: true},
}

var receiverName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Check says what is wrong with a receiver, without reading the files that it names.
func (r *Receiver) Check() error {
	if !receiverName.MatchString(r.Name) {
		return fmt.Errorf("notify: receiver name %q: give 1 to 64 characters of A-Z a-z 0-9 . _ -, beginning and ending with a letter or digit", r.Name)
	}
	k, known := kinds[r.Type]
	if !known {
		return r.wrong("type %q is not one of %s, %s, %s, %s, %s", r.Type, Webhook, Alertmanager, Slack, PagerDuty, Heartbeat)
	}
	if err := r.checkSecret(k); err != nil {
		return err
	}
	if r.URL == "" && (k.usual != "" || k.address && r.hasSecret()) {
		return nil
	}
	if err := checkAddress(r.URL); err != nil {
		return r.wrong("the url %w", err)
	}
	return r.checkWay(k, r.URL)
}

func (r *Receiver) wrong(format string, args ...any) error {
	return fmt.Errorf("notify: receiver %s: %w", r.Name, fmt.Errorf(format, args...))
}

func (r *Receiver) hasSecret() bool { return r.SecretFile != "" || r.SecretVariable != "" }

func (r *Receiver) checkSecret(k kind) error {
	switch {
	case r.SecretFile != "" && r.SecretVariable != "":
		return r.wrong("secretFile and secretVariable are both given; leave one out")
	case r.hasSecret() && k.secret == "":
		return r.wrong("a secret file or variable is for other types; %s asks for no secret", r.Type)
	case k.address && k.needed && r.URL != "":
		return r.wrong("the url of a %s receiver is a secret: write it to a file that secretFile names, or to a variable that secretVariable names", r.Type)
	case k.needed && !r.hasSecret():
		return r.wrong("secretFile or secretVariable is missing: it names where %s is kept", k.secret)
	case k.address && r.hasSecret() && r.URL != "":
		return r.wrong("url and secret are both given, and either is the address; leave one out")
	}
	return nil
}

// checkWay refuses to send a secret in clear over the open network.
func (r *Receiver) checkWay(k kind, address string) error {
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" && k.carried && r.hasSecret() && !r.AllowPrivate {
		return r.wrong("a secret is not sent over http: give an https address, or allowPrivate where it is in a network of your own")
	}
	return nil
}

// checkAddress repeats nothing of the address: it may be a secret.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("is not an address as https://example.org/hook")
	}
	if u.User != nil {
		return errors.New("holds a user or a password; leave them out")
	}
	return nil
}

// target is a receiver that can be called.
type target struct {
	Receiver
	kind   kind
	secret []byte // empty: it has none
	client *http.Client
}

// open checks the receiver and reads its secret. It dials nothing.
func (r *Receiver) open(timeout time.Duration) (*target, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	t := &target{Receiver: *r, kind: kinds[r.Type]}
	var err error
	if t.secret, err = r.readSecret(); err != nil {
		return nil, err
	}
	switch {
	case t.kind.address && len(t.secret) > 0:
		t.URL = string(t.secret)
	case t.URL == "":
		t.URL = t.kind.usual
	}
	if err := r.checkWay(t.kind, t.URL); err != nil {
		return nil, err
	}
	roots, err := r.readRoots()
	if err != nil {
		return nil, err
	}
	t.client = r.client(timeout, roots)
	return t, nil
}

// readRoots returns nil where the system's certificates are trusted.
func (r *Receiver) readRoots() (*x509.CertPool, error) {
	if r.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, r.wrong("read the file of certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, r.wrong("%s holds no certificate in PEM", r.CAFile)
	}
	return pool, nil
}

// client calls this receiver only: straight, without proxy and without following it elsewhere.
func (r *Receiver) client(timeout time.Duration, roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer(r.AllowPrivate, timeout).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    timeout,
			MaxIdleConnsPerHost:    atOnce,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: answerLimit,
			ForceAttemptHTTP2:      true,
		},
	}
}
