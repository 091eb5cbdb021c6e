package schema

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// DefaultMaxPayload is how long a payload may be, in bytes, when Config.MaxPayload is zero.
const DefaultMaxPayload = 1 << 20

// Source finds the schema of an event: Files or a Registry. It answers within a bounded time,
// and Find is safe for concurrent use.
type Source interface {
	Find(Event) Found
}

// Config configures a Checker.
type Config struct {
	Source     Source
	Deprecated []string // versions that ought not to be used any more, as "id@version"
	MaxPayload int      // bytes; a longer payload is not read and counts as UNDECODABLE
	Samples    *Sampler // where events that are not in order are shown; nil for nowhere
}

// Checker checks events against their schemas. It is safe for concurrent use.
type Checker struct {
	source     Source
	deprecated map[version]bool
	most       int
	samples    *Sampler
	broken     atomic.Uint64
}

// State is what is known of a Checker, for a page of health.
type State struct {
	// Registry is the state of the registry that the schemas come from; nil where they come from elsewhere.
	Registry *RegistryState
	// Broken counts events whose check broke down by a fault of a library; they are UNDECODABLE. It only rises.
	Broken uint64
}

// State returns what is known of the checker.
func (c *Checker) State() State {
	s := State{Broken: c.broken.Load()}
	if r, ok := c.source.(interface{ State() RegistryState }); ok {
		known := r.State()
		s.Registry = &known
	}
	return s
}

type version struct{ id, version string }

// New returns a checker. It returns an error when the configuration is wrong.
func New(cfg Config) (*Checker, error) {
	if cfg.Source == nil {
		return nil, errors.New("schema checker: no source of schemas")
	}
	c := &Checker{source: cfg.Source, deprecated: make(map[version]bool), most: cfg.MaxPayload, samples: cfg.Samples}
	if c.most == 0 {
		c.most = DefaultMaxPayload
	}
	for _, text := range cfg.Deprecated {
		id, v, ok := cutVersion(text)
		if !ok {
			return nil, fmt.Errorf("schema checker: deprecated version %q: it has to be an id and a version, such as orders@3", text)
		}
		c.deprecated[version{id, v}] = true
	}
	return c, nil
}

// Examine checks one event and tells nobody.
func (c *Checker) Examine(e Event) Result {
	r, _ := c.examine(e)
	return r
}

// whyBroke is the reason of an event whose check broke down.
const whyBroke = "the check broke down"

func (c *Checker) examine(e Event) (r Result, found Found) {
	if len(e.Payload) > c.most {
		return Result{Outcome: Undecodable, ID: e.Stream, Reason: fmt.Sprintf("payload longer than %d bytes", c.most)}, Found{}
	}
	defer func() {
		if recover() != nil { // an event never takes the process with it
			c.broken.Add(1)
			r = Result{Outcome: Undecodable, ID: cmp.Or(r.ID, e.Stream), Version: r.Version, Reason: whyBroke}
		}
	}()
	if found = c.source.Find(e); found.Schema == nil {
		r = Result{Outcome: UnknownSchema, ID: e.Stream, Reason: found.Reason}
		if found.Broken {
			r.Outcome = Undecodable
		}
		return r, found
	}
	r = Result{Outcome: OK, ID: found.Schema.ID, Version: found.Schema.Version}
	if f := found.Schema.format.check(found.Body); f.outcome != "" {
		r.Outcome, r.Reason, r.Path = f.outcome, f.reason, f.path
	} else if len(c.deprecated) > 0 && c.deprecated[version{r.ID, r.Version}] {
		r.Outcome = Deprecated
	}
	return r, found
}

// Check checks an event at a hop, and shows it as a sample where it is not in order. It does
// not tell the hop: whoever calls it does that once the event is observed, by Hop.Schema.
// Header is the value of the record header SchemaIDHeader, nil where there is none.
func (c *Checker) Check(hop *audit.Hop, h audit.Header, payload, header []byte) audit.SchemaTally {
	e := Event{Stream: hop.Stream(), Payload: payload, Header: header}
	r, found := c.examine(e)
	if r.Outcome != OK && c.samples != nil {
		c.samples.take(hop, h, r, found, payload)
	}
	return r.Tally()
}

// Tell checks an event that the hop has observed, and tells the hop what came of it.
func (c *Checker) Tell(hop *audit.Hop, h audit.Header, payload, header []byte) audit.SchemaTally {
	t := c.Check(hop, h, payload, header)
	hop.Schema(h, t)
	return t
}

// Take checks an event and takes it over at the hop, with what came of the check, for less than
// Hop.Take and Tell. At is when it was taken over, now when zero.
func (c *Checker) Take(hop *audit.Hop, h audit.Header, payload, header []byte, at time.Time) audit.Mark {
	return hop.ObserveChecked(h, wire.Checksum(payload), len(payload), at, c.Check(hop, h, payload, header))
}
