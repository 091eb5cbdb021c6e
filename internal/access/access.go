// Package access owns the door of the server: who may come in (tokens and their
// roles, kept in a file), how often one may knock with a wrong one, and the TLS
// certificate. It keeps what it read as new as its files are. It must not know
// which call asks for which role, nor anything of HTTP but the header that
// carries a token.
package access

import (
	"context"
	"slices"
)

// Role says what a token may do.
type Role string

// The roles of tokens. Ingest stands apart: it sends reports and reads nothing. Each of the others may do what those
// before it may, and operators and admins may also send reports.
const (
	Ingest   Role = "ingest"
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// What a call can ask for beside the role of a token.
const (
	Open  Role = "open"  // nothing: everybody may
	Known Role = "known" // a token of any role
)

// Roles are the roles that a token can have, the least first.
func Roles() []Role { return []Role{Ingest, Viewer, Operator, Admin} }

// Valid says whether a token can have the role.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// May says whether a token of role r may do what asks for least. Whatever is not known is refused.
func (r Role) May(least Role) bool {
	switch least {
	case Open:
		return true
	case Known:
		return r.Valid()
	case Ingest:
		return r == Ingest || r == Operator || r == Admin
	case Viewer:
		return r == Viewer || r == Operator || r == Admin
	case Operator:
		return r == Operator || r == Admin
	case Admin:
		return r == Admin
	}
	return false
}

// Names that no token can have, since they say who acted without one.
const (
	Local         = "local"         // whoever asks a server that has no tokens
	Configuration = "configuration" // the configuration file, at a start
)

// Caller is who makes a request.
type Caller struct {
	Name string // of the token; Local where there are no tokens, empty for one that showed none
	Role Role   // empty for one that showed no token
}

type callerKey struct{}

// With returns a context that says who acts.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From says who acts, as With has set it; nobody where it has not.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
