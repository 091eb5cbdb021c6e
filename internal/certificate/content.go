// Package certificate owns what a certificate of an hour is: what is signed, how
// it is written and read, the digests of what hops took over, and the rules by
// which an entry of a stream's chain counts. It is pure: bytes, keys and instants
// come in, and what is so, or why not, goes out. It must not know where entries
// are kept, how they are sent, nor who decides that an hour may be certified.
package certificate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Action is what an entry of a chain does.
type Action string

// The actions.
const (
	Certify   Action = "certify"   // the hour is complete
	Supersede Action = "supersede" // the hour changed since, and is complete again
	Revoke    Action = "revoke"    // the hour is not what was certified
)

// Hash is a SHA-256. Its text is 64 hexadecimal digits.
type Hash [sha256.Size]byte

// String is the hash as it is written.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Digits above 9 are written in lower case.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(h) || hex.EncodeToString(raw) != string(text) {
		return fmt.Errorf("%.70q is not a SHA-256 in 64 hexadecimal digits", text)
	}
	copy(h[:], raw)
	return nil
}

// Hour is the start of an hour in UTC. Its text is as 2026-11-22T05.
type Hour struct{ time.Time }

const hourForm = "2006-01-02T15"

// HourOf is the hour that an instant lies in.
func HourOf(t time.Time) Hour { return Hour{t.UTC().Truncate(time.Hour)} }

// String is the hour as it is written.
func (h Hour) String() string { return h.UTC().Format(hourForm) }

// MarshalText implements encoding.TextMarshaler.
func (h Hour) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// MarshalJSON hides that of time.Time.
func (h Hour) MarshalJSON() ([]byte, error) { return []byte(`"` + h.String() + `"`), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hour) UnmarshalText(text []byte) error {
	t, err := time.Parse(hourForm, string(text))
	if err != nil {
		return fmt.Errorf("%.40q is not an hour in UTC, as 2026-11-22T05", text)
	}
	h.Time = t.UTC()
	return nil
}

// UnmarshalJSON hides that of time.Time.
func (h *Hour) UnmarshalJSON(text []byte) error {
	if len(text) < 2 || text[0] != '"' {
		return fmt.Errorf("%.40s is not an hour in UTC, as \"2026-11-22T05\"", text)
	}
	return h.UnmarshalText(text[1 : len(text)-1])
}

// Content is what an entry says of one hour of a stream. Counts are of events, durations in ms.
type Content struct {
	Stream   string    `json:"stream"`
	Hour     Hour      `json:"hour"`
	Action   Action    `json:"action"`
	Number   uint64    `json:"number"`   // of the entry in the stream's chain: 1, 2, 3 …
	Previous Hash      `json:"previous"` // of the entry before; zeros for number 1
	IssuedAt time.Time `json:"issuedAt"`
	IssuedBy string    `json:"issuedBy"`         // the name of a token, or rollcall where the policy did it
	Reason   string    `json:"reason,omitempty"` // why; always there where it revokes

	Policy      Policy `json:"policy"`
	RuleVersion uint32 `json:"ruleVersion"` // of the rules by which windows are judged
	Revision    uint64 `json:"revision"`    // sum of the revisions of the hour's verdicts: it grows with every one

	Hops     []Hop     `json:"hops"`
	Edges    []Edge    `json:"edges"`
	Waivers  []Waiver  `json:"waivers"`
	Coverage Coverage  `json:"coverage"`
	Latency  []Latency `json:"latency"`
	Schemas  []Schema  `json:"schemas"`
}

// Policy is that of the stream when the entry was made.
type Policy struct {
	Auto  bool     `json:"auto"`
	Allow []string `json:"allow"` // kinds that do not stand in the way
}

// Hop is what a hop took over in the hour.
type Hop struct {
	Hop      string `json:"hop"`
	Events   uint64 `json:"events"`
	Filtered uint64 `json:"filtered"` // of them
	Rejected uint64 `json:"rejected"` // of them
	Digest   Hash   `json:"digest"`   // see Digests
}

// Edge is what the verdicts of an edge say, summed over the hour.
type Edge struct {
	Edge        string `json:"edge"`  // as app..agent
	State       string `json:"state"` // the worst of its windows
	Windows     uint32 `json:"windows"`
	Produced    uint64 `json:"produced"`
	Expected    uint64 `json:"expected"`
	Delivered   uint64 `json:"delivered"`
	Lost        uint64 `json:"lost"`
	Pending     uint64 `json:"pending"`
	Duplicated  uint64 `json:"duplicated"`
	Redelivered uint64 `json:"redelivered"`
	Unexpected  uint64 `json:"unexpected"`
	Corrupt     uint64 `json:"corrupt"`
	Invalid     uint64 `json:"invalid"`
	Filtered    uint64 `json:"filtered"`
	Rejected    uint64 `json:"rejected"`
	Skewed      uint64 `json:"skewed"`
	Unplaced    uint64 `json:"unplaced"`
	Late        uint64 `json:"late"`
	Replayed    uint64 `json:"replayed"`
	Waived      uint64 `json:"waived"`          // of the lost
	Names       *Names `json:"names,omitempty"` // of the lost; absent where nothing is
}

// Names says which events are meant: by their UIDs while these are few, else by their digest alone.
type Names struct {
	Events  uint64        `json:"events"`
	Sources []SourceNames `json:"sources,omitempty"`
	Foreign []string      `json:"foreign,omitempty"`
	Digest  Hash          `json:"digest"` // that of a hop which took over these events and no others
}

// SourceNames are events of one source in one window.
type SourceNames struct {
	Start  time.Time   `json:"start"`
	Source wire.UID    `json:"source"`
	Ranges [][2]uint32 `json:"ranges"` // both ends inclusive
}

// Waiver is what a person said does not stand in the way.
type Waiver struct {
	Edge   string    `json:"edge"`
	Kind   string    `json:"kind"`
	Events uint64    `json:"events"`
	Who    string    `json:"who"`
	Why    string    `json:"why"`
	Ticket string    `json:"ticket,omitempty"`
	At     time.Time `json:"at"`
}

// Coverage is what the hour rests on.
type Coverage struct {
	Windows  uint32 `json:"windows"`
	Emitters uint32 `json:"emitters"`
	Lanes    uint32 `json:"lanes"`
}

// Latency is how long after production a hop took its events over: upper bounds.
type Latency struct {
	Hop        string  `json:"hop"`
	P50        float64 `json:"p50"`
	P95        float64 `json:"p95"`
	P99        float64 `json:"p99"`
	Max        float64 `json:"max"`
	NotArrived uint64  `json:"notArrived"`
}

// Schema is how many events of a hop had one outcome.
type Schema struct {
	Hop     string `json:"hop"`
	Outcome string `json:"outcome"`
	Events  uint64 `json:"events"`
}

// check says what cannot be in an entry, whoever signed it.
func (c *Content) check() error {
	switch {
	case c.Stream == "":
		return errors.New("stream is missing")
	case c.Hour.IsZero():
		return errors.New("hour is missing")
	case c.Action != Certify && c.Action != Supersede && c.Action != Revoke:
		return fmt.Errorf("action %.40q is not one of certify, supersede, revoke", c.Action)
	case c.Number == 0:
		return errors.New("number is 0; the first entry of a chain has the number 1")
	case c.Number == 1 && c.Previous != Hash{}:
		return errors.New("number is 1, and previous is not zero")
	case c.IssuedAt.IsZero() || c.IssuedBy == "":
		return errors.New("issuedAt or issuedBy is missing")
	case c.Action == Revoke && c.Reason == "":
		return errors.New("action is revoke, and reason is missing")
	case c.Action != Revoke && len(c.Hops) == 0:
		return fmt.Errorf("action is %s, and hops is empty", c.Action)
	}
	for i := 1; i < len(c.Hops); i++ {
		if c.Hops[i-1].Hop >= c.Hops[i].Hop {
			return fmt.Errorf("hops[%d]: hop %.40q does not come after %.40q", i, c.Hops[i].Hop, c.Hops[i-1].Hop)
		}
	}
	return nil
}

// subject is the digest of the Statement's subject: over the digests of the hops in the order of their names.
func (c *Content) subject() Hash {
	sum := sha256.New()
	for i := range c.Hops {
		sum.Write(c.Hops[i].Digest[:])
	}
	return Hash(sum.Sum(nil))
}

// name is that of the Statement's subject.
func (c *Content) name() string { return "rollcall:" + c.Stream + "/" + c.Hour.String() }
