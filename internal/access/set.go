package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"
)

// Why a request is not let in. The texts are for its sender; that a token has expired or was revoked is told only to one who
// has it.
var (
	ErrMissing   = errors.New("this call needs a token, sent as \"Authorization: Bearer TOKEN\"; \"rollcall token create\" makes one")
	ErrMalformed = errors.New("the header Authorization is not one \"Bearer TOKEN\"")
	ErrUnknown   = errors.New("the token is not known here")
	ErrExpired   = errors.New("the token has expired; ask for a new one")
	ErrRevoked   = errors.New("the token was revoked; ask for a new one")
)

// set finds tokens by their ids.
type set map[string]Token

func newSet(f *File) set {
	s := set{}
	for _, t := range f.Tokens() {
		s[t.ID] = t
	}
	return s
}

// check says whose token is in a header Authorization, given as all its values. With ErrExpired and ErrRevoked it says so too.
func (s set) check(authorization []string, now time.Time) (Caller, error) {
	text, err := bearer(authorization)
	if err != nil {
		return Caller{}, err
	}
	id, ours := idOf(text)
	t, found := s[id]
	hash := sha256.Sum256([]byte(text))
	same := subtle.ConstantTimeCompare(hash[:], t.Hash[:]) == 1 // also where there is none, so that it takes as long
	if !ours || !found || !same {
		return Caller{}, ErrUnknown
	}
	who := Caller{Name: t.Name, Role: t.Role}
	switch t.State(now) {
	case "revoked":
		return who, ErrRevoked
	case "expired":
		return who, ErrExpired
	}
	return who, nil
}

// bearer reads a header Authorization (RFC 6750, section 2.1).
func bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", ErrMissing
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || text == "" || strings.ContainsAny(text, " \t") {
		return "", ErrMalformed
	}
	return text, nil
}

// firstExpiry is when the first token that is not revoked expires; zero where none does.
func (s set) firstExpiry() time.Time {
	var first time.Time
	for _, t := range s {
		if t.Revoked.IsZero() && !t.Expires.IsZero() && (first.IsZero() || t.Expires.Before(first)) {
			first = t.Expires
		}
	}
	return first
}
