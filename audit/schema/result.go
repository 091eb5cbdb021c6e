package schema

import (
	"strings"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// The outcomes of a check, as reports name them.
const (
	OK            = "OK"
	Invalid       = "INVALID"        // it can be read, and breaks its schema
	UnknownSchema = "UNKNOWN_SCHEMA" // its schema is not at hand
	Undecodable   = "UNDECODABLE"    // it cannot be read as what its schema describes
	Deprecated    = "DEPRECATED"     // in order, of a version that ought not to be used any more
)

// Bounds on what a result names.
const (
	maxReason = 100 // characters
	maxPath   = 90  // characters; with the reason it stays below what a report takes
	maxTokens = 8   // of a path
)

// Result is what came of checking one event.
type Result struct {
	Outcome string
	ID      string // of the schema: a name of the directory, or a subject; the stream's where there is none
	Version string
	Reason  string // why the outcome is not OK; of a fixed vocabulary and names that the schema declares
	Path    string // JSON pointer of the fault, keys and indexes that are data as "*"; empty for the whole
}

// Tally is the result as a hop counts it; its reason begins with the path.
func (r Result) Tally() audit.SchemaTally {
	t := audit.SchemaTally{ID: r.ID, Version: r.Version, Outcome: r.Outcome, Reason: r.Reason}
	if r.Path != "" {
		t.Reason = r.Path + ": " + r.Reason
	}
	return t
}

// fault is why a payload is not in order; its outcome is empty for one that is.
type fault struct{ outcome, reason, path string }

func undecodable(reason string) fault { return fault{outcome: Undecodable, reason: reason} }

// words are the names that a schema declares. Every other key is data.
type words map[string]bool

// token returns a key or an index as it may be shown.
func (w words) token(key string) string {
	if w[key] {
		return key
	}
	return "*"
}

// path returns a bounded JSON pointer (RFC 6901) to where the keys lead.
func (w words) path(keys []string) string {
	var b strings.Builder
	for i, key := range keys {
		if i == maxTokens {
			b.WriteString("/…")
			break
		}
		b.WriteByte('/')
		b.WriteString(escape.Replace(w.token(key)))
	}
	return bounded(b.String(), maxPath)
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// bounded is text fit for a report, of at most max characters.
func bounded(text string, max int) string { return wire.Printable(text, max) }
