package api

import (
	"encoding/json"
	"time"
)

// Key is the public part of a key that signs certificates.
type Key struct {
	ID        string     `json:"id" doc:"SHA-256 of the public key (SubjectPublicKeyInfo, DER), hexadecimal"`
	Algorithm string     `json:"algorithm" enum:"ed25519"`
	Public    string     `json:"public" doc:"PEM"`
	NotBefore *time.Time `json:"notBefore,omitempty" doc:"it signs from then on"`
	RetiredAt *time.Time `json:"retiredAt,omitempty" doc:"it signs no more; what it signed before counts"`
	Signing   bool       `json:"signing,omitempty" doc:"it signs now"`
}

// Certificate is an entry of a stream's chain, and how it stands.
type Certificate struct {
	Stream         string          `json:"stream"`
	Hour           string          `json:"hour"`
	Number         uint64          `json:"number" doc:"in the chain of the stream"`
	Action         string          `json:"action" enum:"certify,supersede,revoke"`
	IssuedAt       time.Time       `json:"issuedAt"`
	By             string          `json:"by"`
	Reason         string          `json:"reason,omitempty"`
	KeyID          string          `json:"keyId"`
	Standing       string          `json:"standing" enum:"certified,superseded,revoked"`
	StandingBy     uint64          `json:"standingBy" doc:"number of the entry that says so: the last of the hour"`
	StandingReason string          `json:"standingReason,omitempty" doc:"why it was revoked"`
	Envelope       json.RawMessage `json:"envelope" doc:"DSSE, around an in-toto Statement"`
}

// HourEntry is the last entry of an hour in the chain of its stream: what the hour's standing is.
type HourEntry struct {
	Number   uint64 `json:"number" doc:"in the chain of the stream"`
	Standing string `json:"standing" enum:"certified,revoked"`
}

// CertificateEvent is the data of the event "certificate": a new entry of a chain. Of two entries of an hour that with the higher number counts.
type CertificateEvent struct {
	Stream   string    `json:"stream"`
	Hour     string    `json:"hour"`
	Number   uint64    `json:"number" doc:"in the chain of the stream"`
	Action   string    `json:"action" enum:"certify,supersede,revoke"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by"`
	IssuedAt time.Time `json:"issuedAt"`
	Standing string    `json:"standing" enum:"certified,revoked" doc:"of the hour, by this entry"`
}

// ChainEntry is a record of the topic of certificates, or an entry that was copied from it.
type ChainEntry struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Value     []byte `json:"value" doc:"its bytes, in base64"`
}

// HopDigest is what a hop took over in an hour.
type HopDigest struct {
	Hop      string `json:"hop"`
	Events   uint64 `json:"events"`
	Filtered uint64 `json:"filtered" doc:"of them"`
	Rejected uint64 `json:"rejected" doc:"of them"`
	Digest   string `json:"digest" doc:"SHA-256, hexadecimal"`
}

// Digests are those of an hour, from what is stored now.
type Digests struct {
	Stream string      `json:"stream"`
	Hour   string      `json:"hour"`
	Hops   []HopDigest `json:"hops"`
}
