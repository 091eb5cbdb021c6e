package audit

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Identity is how an event is known; see wire.Identity.
type Identity = wire.Identity

// HTTPHeader is the name of the HTTP header that carries the audit header, in its text form.
const HTTPHeader = "Audit"

// ReadHTTP finds the identity of the event that a request carries: its audit header or, where it has none, the attributes ce-id and ce-time of
// CloudEvents. A header that cannot be read is an error, whatever else is there. Errors: wire.ErrNoIdentity for an event without an identity,
// and others for one that cannot be read.
func ReadHTTP(h http.Header) (Identity, error) {
	if carried := h.Values(HTTPHeader); len(carried) > 0 {
		header, err := wire.DecodeHeaderText(carried[0])
		return Identity{Header: header}, err
	}
	uid, err := url.PathUnescape(h.Get("ce-id")) // so the HTTP binding of CloudEvents writes what is not printable ASCII
	if err != nil {
		return Identity{}, fmt.Errorf("ce-id: %w", err)
	}
	return wire.ForeignIdentity(uid, h.Get("ce-time"))
}

// TakeAs takes over an event by what was found of its identity, which is an identity or an error, as ReadHTTP returns them; see Take and
// ObserveForeign. An event without an identity, or with one that cannot be read, is counted as such. It flows on like the others.
func (h *Hop) TakeAs(id Identity, err error, payload []byte, at time.Time) Mark {
	switch {
	case errors.Is(err, wire.ErrNoIdentity):
		h.NoUID(at)
	case err != nil:
		h.Unreadable(at)
	case id.Foreign != "":
		return h.ObserveForeign(id.Foreign, id.ProducedAt, at)
	default:
		return h.Take(id.Header, payload, at)
	}
	return MarkUnplaced
}
