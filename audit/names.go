package audit

import (
	"sync"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Bounds on the names an emitter may tell apart.
const (
	maxReasons = 100  // of events that were filtered or rejected, and as many of schema outcomes
	maxSchemas = 1000 // versions × outcomes × reasons
	maxName    = 200  // characters
	otherName  = "other"
)

// names remembers which reasons and schemas an emitter has named. A name once given
// keeps its key; what comes after the bound counts as "other".
type names struct {
	mu      sync.Mutex
	reasons reasons
	broken  reasons // why events are not in order: neither kind of reason takes the other's room
	schemas map[SchemaTally]bool
	others  uint64
}

// reasons are those that were named.
type reasons map[string]bool

func (n *names) reason(text string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known(&n.reasons, text)
}

func (n *names) known(in *reasons, text string) string {
	if text = shorten(text); (*in)[text] || text == "" {
		return text
	}
	if len(*in) >= maxReasons {
		n.others++
		return otherName
	}
	if *in == nil {
		*in = make(reasons)
	}
	(*in)[text] = true
	return text
}

// schema returns the key that a tally is counted under. An outcome that is none of
// the wire's counts as UNDECODABLE.
func (n *names) schema(t SchemaTally) SchemaTally {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch t.Outcome {
	case "OK", "INVALID", "UNKNOWN_SCHEMA", "UNDECODABLE", "DEPRECATED":
	default:
		t.Outcome = "UNDECODABLE"
	}
	t.ID, t.Version, t.Reason, t.Count = shorten(t.ID), shorten(t.Version), n.known(&n.broken, t.Reason), 0
	if n.schemas[t] {
		return t
	}
	if len(n.schemas) >= maxSchemas {
		n.others++
		return SchemaTally{ID: otherName, Outcome: t.Outcome}
	}
	if n.schemas == nil {
		n.schemas = make(map[SchemaTally]bool)
	}
	n.schemas[t] = true
	return t
}

// shorten makes a name one that a report may hold.
func shorten(text string) string {
	return wire.Printable(text, maxName)
}
