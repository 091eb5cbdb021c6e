package certificate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// What the two layers of an entry say they are: a DSSE envelope around an in-toto Statement.
const (
	PayloadType   = "application/vnd.in-toto+json"
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://github.com/rollcallhq/rollcall/certificate/v1"
)

// statement is an in-toto Statement v1 (github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Content   `json:"predicate"`
}

type subject struct {
	Name   string `json:"name"`
	Digest struct {
		SHA256 Hash `json:"sha256"`
	} `json:"digest"`
}

// Sign writes what an entry says as a signed envelope, in the one form in which an entry is read. Lists that are nil are written as
// empty ones, and instants as whole milliseconds in UTC.
func Sign(c Content, key *Key) ([]byte, error) {
	if key == nil || key.Private == nil {
		return nil, errors.New("certificate: there is no private key to sign with")
	}
	c.tidy()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	s := statement{Type: StatementType, Subject: []subject{{Name: c.name()}}, PredicateType: PredicateType, Predicate: c}
	s.Subject[0].Digest.SHA256 = c.subject()
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("certificate: write the statement: %w", err)
	}
	text, err := seal(PayloadType, payload, key)
	if err == nil && len(text) > Largest {
		return nil, fmt.Errorf("certificate: the envelope has %d bytes; the limit is %d", len(text), Largest)
	}
	return text, err
}

// seal signs any payload (github.com/secure-systems-lab/dsse/blob/master/protocol.md).
func seal(kind string, payload []byte, key *Key) ([]byte, error) {
	signature := ed25519.Sign(key.Private, dsse.PAE(kind, payload))
	e := dsse.Envelope{
		PayloadType: kind, Payload: base64.StdEncoding.EncodeToString(payload),
		Signatures: []dsse.Signature{{KeyID: key.ID.String(), Sig: base64.StdEncoding.EncodeToString(signature)}},
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("certificate: write the envelope: %w", err)
	}
	return text, nil
}

// Entry is an envelope that was read. That it was read says nothing of who signed it.
type Entry struct {
	Content
	KeyID     Hash   // whose signature it claims to have
	Hash      Hash   // of the envelope: what the next entry calls previous
	Envelope  []byte // as it was read
	statement statement
	signed    []byte // what the signature is of
	signature []byte
}

// HashOf is the hash of an envelope as it stands in the topic.
func HashOf(envelope []byte) Hash { return sha256.Sum256(envelope) }

// Read reads an envelope in the form in which Sign writes it, to the byte; in any other form it is another entry, or none. An error says
// what is wrong with it.
func Read(text []byte) (*Entry, error) {
	if len(text) > Largest {
		return nil, fmt.Errorf("the envelope has %d bytes; the limit is %d", len(text), Largest)
	}
	e, ours := decodeOurs[dsse.Envelope](text)
	if !ours {
		return nil, otherForm(text)
	}
	if len(e.Signatures) != 1 {
		return nil, fmt.Errorf("envelope: it has %d signatures, and must have one", len(e.Signatures))
	}
	if e.PayloadType != PayloadType {
		return nil, fmt.Errorf("envelope: payloadType %.60q is not %s", e.PayloadType, PayloadType)
	}
	entry := &Entry{Hash: HashOf(text), Envelope: text}
	return entry, entry.open(e)
}

// otherForm says what is wrong with what is no envelope of ours.
func otherForm(text []byte) error {
	e, err := decode[dsse.Envelope](text)
	switch {
	case err != nil:
		return fmt.Errorf("envelope: %w", err)
	case len(e.Signatures) != 1:
		return fmt.Errorf("envelope: it has %d signatures, and must have one", len(e.Signatures))
	}
	return errors.New("envelope: it is not in the form in which it was issued: compact JSON with the keys payloadType, payload, signatures, keyid and sig")
}

// open reads the inside of an envelope.
func (e *Entry) open(envelope dsse.Envelope) error {
	payload, err := decode64(envelope.Payload)
	if err != nil {
		return fmt.Errorf("envelope: payload: %w", err)
	}
	signature := envelope.Signatures[0]
	if e.signature, err = decode64(signature.Sig); err != nil {
		return fmt.Errorf("envelope: sig: %w", err)
	}
	if err := e.KeyID.UnmarshalText([]byte(signature.KeyID)); err != nil {
		return fmt.Errorf("envelope: keyid: %w", err)
	}
	e.signed = dsse.PAE(envelope.PayloadType, payload)
	if e.statement, err = decode[statement](payload); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	e.Content = e.statement.Predicate
	return nil
}

// decode64 reads base64 in its one form: other decoders let line breaks and loose last bits pass.
func decode64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return nil, errors.New("not standard base64 with padding")
	}
	return raw, nil
}

// signedBy says whether the signature is that of a key.
func (e *Entry) signedBy(key ed25519.PublicKey) bool {
	return len(e.signature) == ed25519.SignatureSize && ed25519.Verify(key, e.signed, e.signature)
}

// checkStatement holds what is around the content, and the content itself.
func (e *Entry) checkStatement() error {
	s := &e.statement
	switch {
	case s.Type != StatementType:
		return fmt.Errorf("_type %.60q is not %s", s.Type, StatementType)
	case s.PredicateType != PredicateType:
		return fmt.Errorf("predicateType %.80q is not %s", s.PredicateType, PredicateType)
	case len(s.Subject) != 1:
		return fmt.Errorf("subject has %d items, and must have one", len(s.Subject))
	case s.Subject[0].Name != e.name():
		return fmt.Errorf("the subject is named %.240q; the hour is %s", s.Subject[0].Name, e.name())
	}
	return e.check()
}
