package notify

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
)

const (
	leastSecret   = 16      // bytes of a secret, at least
	longestSecret = 4 << 10 // bytes
)

// routingKey is what PagerDuty calls an integration key.
var routingKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// readSecret returns the secret of a receiver, empty where it has none. Errors repeat nothing of it.
func (r *Receiver) readSecret() ([]byte, error) {
	if !r.hasSecret() {
		return nil, nil
	}
	where, text, err := r.rawSecret()
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	switch {
	case kinds[r.Type].address:
		if err := checkAddress(string(text)); err != nil {
			return nil, r.wrong("what %s holds %w", where, err)
		}
	case r.Type == PagerDuty:
		if !routingKey.Match(text) {
			return nil, r.wrong("%s holds %d bytes that are no routing key; it has 32 letters and digits", where, len(text))
		}
	case len(text) < leastSecret:
		return nil, r.wrong("%s holds %d bytes; give at least %d", where, len(text), leastSecret)
	}
	return text, nil
}

// rawSecret reads the file or the variable, and says in words which.
func (r *Receiver) rawSecret() (where string, text []byte, err error) {
	if r.SecretFile != "" {
		if text, err = readBounded(r.SecretFile); err != nil {
			err = r.wrong("read the secret file: %w", err)
		}
		return "the secret file " + r.SecretFile, text, err
	}
	where = "the variable " + r.SecretVariable
	value, set := os.LookupEnv(r.SecretVariable)
	if !set {
		err = r.wrong("%s is not set; it must hold %s", where, kinds[r.Type].secret)
	}
	return where, []byte(value), err
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestSecret+1))
	if err == nil && len(text) > longestSecret {
		err = errors.New("it is longer than 4096 bytes, the limit of a secret")
	}
	return text, err
}

// redacted takes the receiver's secret out of what is logged and kept: who is called may answer with what it was sent.
func (r *target) redacted(text string) string {
	for _, secret := range r.secrets() {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

// secrets are the texts that must not be seen, the longest first. Of an address they are also its path and what is asked for.
func (r *target) secrets() []string {
	if len(r.secret) == 0 {
		return nil
	}
	all := []string{string(r.secret)}
	if !r.kind.address {
		return all
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return all
	}
	all = append(all, u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery)
	all = append(all, strings.Split(u.Path, "/")...)
	secrets := all[:0]
	for _, one := range all {
		if len(one) >= 8 { // shorter ones are words such as "services"
			secrets = append(secrets, one)
		}
	}
	return secrets
}
