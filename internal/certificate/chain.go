package certificate

import "fmt"

// Reason says in a word why an entry does not count; it is a label of a metric.
type Reason string

// The reasons. UnknownKey is no judgement: who knows the key may find that the entry counts.
const (
	Unreadable  Reason = "unreadable" // no envelope, or one of something else
	ByStream    Reason = "stream"     // of another stream than its key in the topic says
	ByNumber    Reason = "number"     // it does not come next
	ByPrevious  Reason = "previous"   // it does not follow the entry before
	ByKey       Reason = "key"        // distrusted, or not of its time
	BySignature Reason = "signature"
	UnknownKey  Reason = "unknown-key"
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Unreadable, ByStream, ByNumber, ByPrevious, ByKey, BySignature, UnknownKey}
}

// Refusal says why an entry does not count.
type Refusal struct {
	Reason Reason
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(why Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: why, Text: fmt.Sprintf(format, args...)}
}

// Head is the last entry of a stream that counts; zero before the first.
type Head struct {
	Number uint64
	Hash   Hash
}

// Next begins the content of an entry that follows the head.
func (h Head) Next(c Content) Content {
	c.Number, c.Previous = h.Number+1, h.Hash
	return c
}

// Accept says whether what is read of a stream counts as the entry after its head, and which head there is then. Its place is looked at
// before its signature: what has no place in the chain need not be verified, and its key need not be known.
func (h Head) Accept(stream string, value []byte, keys *Keys) (*Entry, Head, *Refusal) {
	e, err := Read(value)
	if err == nil {
		err = e.checkStatement()
	}
	if err != nil {
		return nil, h, refuse(Unreadable, "it cannot be read: %s", err)
	}
	if e.Stream != stream {
		return e, h, refuse(ByStream, "it is an entry of stream %.200q, and stands among those of %.200q", e.Stream, stream)
	}
	if e.Number != h.Number+1 {
		return e, h, refuse(ByNumber, "its number is %d; after %d the next is %d", e.Number, h.Number, h.Number+1)
	}
	if e.Previous != h.Hash {
		return e, h, refuse(ByPrevious, "it follows an entry with the hash %s; entry %d has the hash %s", e.Previous, h.Number, h.Hash)
	}
	if refused := keys.check(e); refused != nil {
		return e, h, refused
	}
	if got, want := e.statement.Subject[0].Digest.SHA256, e.subject(); got != want {
		return e, h, refuse(Unreadable, "the digest of its subject is %s; that of its hops is %s", got, want)
	}
	return e, Head{Number: e.Number, Hash: e.Hash}, nil
}

// Record is what stands in the topic under the name of a stream: an entry that counts, one that does not, or something else.
type Record struct {
	Partition int32
	Offset    int64
	Value     []byte
}

// State is how an hour, or an entry of it, stands.
type State string

// The states.
const (
	Certified  State = "certified"
	Superseded State = "superseded" // a later entry of the hour stands
	Revoked    State = "revoked"
)

// Standing is how an entry stands, or the hour it is of.
type Standing struct {
	State  State
	By     uint64 // number of the entry that says so
	Reason string // of what was revoked
}

// StandingOf says how an entry stands, by itself and the last entry of its hour, which may be the same one. That of an hour is that of
// its last entry.
func StandingOf(entry, last *Content) Standing {
	switch {
	case last.Action == Revoke:
		return Standing{State: Revoked, By: last.Number, Reason: last.Reason}
	case entry.Number < last.Number:
		return Standing{State: Superseded, By: last.Number}
	}
	return Standing{State: Certified, By: last.Number}
}
