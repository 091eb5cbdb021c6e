package certificate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Algorithm is the one that keys are of.
const Algorithm = "ed25519"

// Key signs certificates, or verifies them. What it signed counts where it was issued from NotBefore on and not after RetiredAt.
type Key struct {
	ID        Hash // SHA-256 of the public key (DER, SubjectPublicKeyInfo)
	Public    ed25519.PublicKey
	Private   ed25519.PrivateKey // nil where only the public part is known
	NotBefore time.Time          // zero: from ever
	RetiredAt time.Time          // zero: it is not
}

// NewKey makes a key of its public part.
func NewKey(public ed25519.PublicKey) (Key, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("certificate: write a public key: %w", err)
	}
	return Key{ID: sha256.Sum256(der), Public: public}, nil
}

// PublicPEM is the public part as PEM.
func (k *Key) PublicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil { // cannot be: NewKey wrote it once
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// PrivatePEM is the private part as PEM, PKCS #8.
func (k *Key) PrivatePEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, fmt.Errorf("certificate: write a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePublic reads one public key in PEM. One of another algorithm is refused.
func ParsePublic(text []byte) (Key, error) {
	block, err := onlyBlock(text, "PUBLIC KEY")
	if err != nil {
		return Key{}, err
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("not a public key: %w", err)
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return Key{}, fmt.Errorf("it is a public key of the type %T; certificates are signed with Ed25519 alone", parsed)
	}
	return NewKey(public)
}

// ParsePrivate reads one private key in PEM, PKCS #8. One of another algorithm is refused. Errors repeat nothing of it.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	block, err := onlyBlock(text, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a private key of the type %T; certificates are signed with Ed25519 alone", parsed)
	}
	return private, nil
}

func onlyBlock(text []byte, kind string) (*pem.Block, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, fmt.Errorf("it holds no PEM block; one of the type %q is wanted", kind)
	case block.Type != kind:
		return nil, fmt.Errorf("it holds a PEM block of the type %.40q; one of the type %q is wanted", block.Type, kind)
	case strings.TrimSpace(string(rest)) != "":
		return nil, fmt.Errorf("something follows the PEM block of the type %q", kind)
	}
	return block, nil
}

// Keys are those by which entries are judged.
type Keys struct {
	All        []Key         // by NotBefore, the oldest first
	Distrusted map[Hash]bool // ids of keys that are none of ours, whoever holds them
}

// Find returns a key by its id; nil where it is not known.
func (k *Keys) Find(id Hash) *Key {
	for i := range k.All {
		if k.All[i].ID == id {
			return &k.All[i]
		}
	}
	return nil
}

// Newest is the key whose turn it is to sign at an instant: the newest whose time has come and that is not retired; nil for none.
func (k *Keys) Newest(now time.Time) *Key {
	var newest *Key
	for i := range k.All {
		one := &k.All[i]
		if one.RetiredAt.IsZero() && !now.Before(one.NotBefore) && (newest == nil || !one.NotBefore.Before(newest.NotBefore)) {
			newest = one
		}
	}
	return newest
}

// Signing is Newest with its private part. An error says why nothing can be signed.
func (k *Keys) Signing(now time.Time) (*Key, error) {
	newest := k.Newest(now)
	switch {
	case newest == nil:
		return nil, errors.New("no key signs now: \"rollcall keys create\" makes one")
	case newest.Private == nil:
		return nil, fmt.Errorf("the private part of key %s, which signs now, is not here", newest.ID)
	}
	return newest, nil
}

// check says why the signature of an entry does not count.
func (k *Keys) check(e *Entry) *Refusal {
	key := k.Find(e.KeyID)
	switch {
	case key == nil && k.Distrusted[e.KeyID]:
		return refuse(ByKey, "it is signed by key %s, which is distrusted", e.KeyID)
	case key == nil:
		return refuse(UnknownKey, "it is signed by key %s, which is not known here", e.KeyID)
	case !e.signedBy(key.Public):
		return refuse(BySignature, "its signature is not that of key %s: the entry was changed after it was signed, or somebody else signed it", e.KeyID)
	case e.IssuedAt.Before(key.NotBefore):
		return refuse(ByKey, "it says that it was issued at %s; its key %s signs from %s on", stamp(e.IssuedAt), e.KeyID, stamp(key.NotBefore))
	case !key.RetiredAt.IsZero() && e.IssuedAt.After(key.RetiredAt):
		return refuse(ByKey, "it says that it was issued at %s; its key %s was retired at %s", stamp(e.IssuedAt), e.KeyID, stamp(key.RetiredAt))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
