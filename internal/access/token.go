package access

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The shape of a token: the mark, an id by which it is found, and the secret. Both are of the alphabet A-Z, 2-7.
const (
	mark         = "rollcall_"
	idLength     = 8
	secretLength = 26 // crypto/rand.Text: at least 128 bits
	tokenLength  = len(mark) + idLength + 1 + secretLength
)

// Token is what is kept of a token: everything but the token itself.
type Token struct {
	Name    string // who acts with it
	Role    Role
	ID      string            // of its text, not secret
	Hash    [sha256.Size]byte // SHA-256 of its text
	Created time.Time         // whole seconds, as all times here
	Expires time.Time         // from then on it is refused; zero: never
	Revoked time.Time         // zero: it was not
}

// nameForm is the shape of a token's name.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._:@-]{0,98}[A-Za-z0-9])?$`)

// CheckName says what is wrong with a token's name.
func CheckName(name string) error {
	switch {
	case strings.HasPrefix(name, mark):
		return errors.New("it looks like a token; the name is who acts with it")
	case !nameForm.MatchString(name):
		return fmt.Errorf("%q is not a name of a token: 1 to 100 characters of A-Z a-z 0-9 . _ : @ -, beginning and ending with a letter or digit", name)
	case name == Local || name == Configuration:
		return fmt.Errorf("%q cannot be the name of a token: it says who acts without one", name)
	}
	return nil
}

// ParseRole reads the role of a token.
func ParseRole(text string) (Role, error) {
	if r := Role(text); r.Valid() {
		return r, nil
	}
	return "", errors.New("not one of ingest, viewer, operator, admin")
}

// NewToken makes a token that expires at an instant, or never where that is zero. The text is what its holder shows; it is
// kept nowhere.
func NewToken(name string, role Role, expires, now time.Time) (t Token, text string, err error) {
	if err := CheckName(name); err != nil {
		return Token{}, "", err
	}
	if !role.Valid() {
		return Token{}, "", fmt.Errorf("%q is not the role of a token", role)
	}
	id := rand.Text()[:idLength]
	text = mark + id + "_" + rand.Text()[:secretLength]
	t = Token{Name: name, Role: role, ID: id, Hash: sha256.Sum256([]byte(text)), Created: now.UTC().Truncate(time.Second)}
	if !expires.IsZero() {
		t.Expires = expires.UTC().Truncate(time.Second)
	}
	return t, text, nil
}

// State says whether a token is taken: live, expired or revoked.
func (t Token) State(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "expired"
	}
	return "live"
}

// idOf finds the id in a token's text; ok is false for what cannot be a token of ours.
func idOf(text string) (id string, ok bool) {
	rest, ours := strings.CutPrefix(text, mark)
	if !ours || len(text) != tokenLength || rest[idLength] != '_' {
		return "", false
	}
	return rest[:idLength], true
}
