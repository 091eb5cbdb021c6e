package wire

import (
	"errors"
	"fmt"
	"time"
)

// Identity is how an event is known: by its audit header or, where it has none, by a UID that somebody else gave it.
type Identity struct {
	Header         // of a foreign identity, ProducedAt alone is set
	Foreign string // the UID of an event that Rollcall did not number; empty where the event has a header
}

// What keeps an event from being known. Whoever meets one keeps the event flowing; without an identity it counts as one that has no UID, and
// with one that cannot be read as unreadable.
var (
	ErrNoIdentity = errors.New("the event has neither an audit header nor a UID with a produced time")
	ErrProducedAt = errors.New("produced time: not RFC 3339, such as 2026-11-22T05:10:07.120Z")
)

// ForeignIdentity makes an identity of a UID and a produced time (RFC 3339) as text, such as the attributes id and time of CloudEvents. Both are
// needed: without the time every hop would place the event in a window of its own. Errors: ErrNoIdentity, ErrProducedAt.
func ForeignIdentity(uid, producedAt string) (Identity, error) {
	if uid == "" || producedAt == "" {
		return Identity{}, ErrNoIdentity
	}
	at, err := time.Parse(time.RFC3339, producedAt)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %.40q", ErrProducedAt, producedAt)
	}
	return Identity{Header: Header{ProducedAt: at.UTC()}, Foreign: uid}, nil
}
