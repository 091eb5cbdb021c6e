package schema

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// The defaults of a Registry.
const (
	DefaultWait          = 100 * time.Millisecond
	DefaultLookupTimeout = 5 * time.Second
	DefaultAskAgain      = 30 * time.Second
	DefaultTryAgain      = 5 * time.Second
)

// Bounds on what a Registry keeps and does at once.
const (
	maxLookups = 4      // at once
	maxCached  = 10_000 // schemas, and ids that have none
)

// RegistryConfig says where a schema registry is. URLs is required.
type RegistryConfig struct {
	URLs           []string
	User, Password string       // basic authentication; none when User is empty
	Token          string       // bearer token; none when empty
	Client         *http.Client // for TLS or a proxy of your own; its answers are bounded all the same

	// Wait is how long an event may wait for a schema that nobody asked for before;
	// DefaultWait when zero, negative for not at all. While the registry is away none waits.
	Wait     time.Duration
	Timeout  time.Duration // of one lookup; DefaultLookupTimeout when zero
	AskAgain time.Duration // after the registry had no such schema, or one that cannot be used; DefaultAskAgain when zero
	TryAgain time.Duration // after it did not answer as it should; DefaultTryAgain when zero
}

// RegistryState is what is known of the registry, and what was done. Counters only rise.
type RegistryState struct {
	Away  bool      // it did not answer in time or as it should, when it was asked last
	Since time.Time // of Away
	Error string    // what was wrong last; never what the registry said

	Cached  int    // schemas and ids at hand
	Lookups uint64 // begun
	Failed  uint64 // of these, those that the registry did not answer as it should
	Unknown uint64 // of these, those that it has no schema for
	Unfit   uint64 // of these, those whose schema cannot be used
	Missed  uint64 // events that had no schema because the registry was away
	Busy    uint64 // events that had no schema because too many were being looked up
}

// Registry finds the schemas that events name by an id or a GUID at a schema registry. A
// schema is asked for once, in the background, and kept. What is not found is remembered for
// a while.
type Registry struct {
	cfg    RegistryConfig
	client *sr.Client
	recent atomic.Pointer[lookup] // the one of the last event, looked for without the lock

	mu      sync.Mutex
	lookups map[lookupKey]*lookup
	looking int
	state   RegistryState
}

type lookupKey struct {
	stream string // it decides between the subjects of one schema
	frame  frame
}

// lookup is one question to the registry and the answer.
type lookup struct {
	key    lookupKey
	done   chan struct{} // closed with the answer
	late   bool          // an event has waited in vain
	schema *Schema
	reason string
	until  time.Time // when to ask again; zero: never
}

// NewRegistry returns a registry that nobody has asked yet. It returns an error when the
// configuration is wrong.
func NewRegistry(cfg RegistryConfig) (*Registry, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("schema registry: no URL")
	}
	setDefault(&cfg.Wait, DefaultWait)
	setDefault(&cfg.Timeout, DefaultLookupTimeout)
	setDefault(&cfg.AskAgain, DefaultAskAgain)
	setDefault(&cfg.TryAgain, DefaultTryAgain)
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	return &Registry{cfg: cfg, client: client, lookups: make(map[lookupKey]*lookup)}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// State returns what is known of the registry.
func (r *Registry) State() RegistryState {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state
	s.Cached = len(r.lookups)
	return s
}

// Find implements Source.
func (r *Registry) Find(e Event) Found {
	f, rest, ok := unframe(e.Payload, e.Header)
	if !ok {
		return missing(whyUnframed)
	}
	s, reason := r.schema(lookupKey{e.Stream, f})
	if s == nil {
		return missing(reason)
	}
	if s.indexed != nil {
		if s, rest, ok = s.indexed.pick(rest); !ok {
			return Found{Reason: whyMessage, Broken: true}
		}
	}
	if len(e.Header) > 0 {
		rest = e.Payload
	}
	return Found{Schema: s, Body: rest}
}

func (r *Registry) schema(key lookupKey) (*Schema, string) {
	if l := r.recent.Load(); l != nil && l.key == key {
		return l.schema, ""
	}
	l, wait := r.lookup(key)
	if l == nil {
		return nil, whyBusy
	}
	if !l.answered(wait) {
		r.tooLate(l)
		return nil, whyAway
	}
	switch {
	case l.schema != nil:
		r.recent.Store(l)
	case l.reason == whyAway:
		r.mu.Lock()
		r.state.Missed++
		r.mu.Unlock()
	}
	return l.schema, l.reason
}

// lookup returns the question for a schema, asked now where it was not before, and how long
// to wait for the answer; nil where too many are being asked.
func (r *Registry) lookup(key lookupKey) (*lookup, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lookups[key]
	if l != nil && !l.expired(time.Now()) {
		if l.late || r.state.Away {
			return l, 0
		}
		return l, r.cfg.Wait
	}
	if r.looking >= maxLookups {
		r.state.Busy++
		return nil, 0
	}
	r.makeRoom()
	l = &lookup{key: key, done: make(chan struct{})}
	r.lookups[key] = l
	r.looking++
	r.state.Lookups++
	go r.look(l)
	if r.state.Away {
		return l, 0
	}
	return l, r.cfg.Wait
}

// makeRoom forgets one schema where there are too many, whichever.
func (r *Registry) makeRoom() {
	if len(r.lookups) < maxCached {
		return
	}
	for key, l := range r.lookups {
		if l.answered(0) {
			delete(r.lookups, key)
			return
		}
	}
}

// answered waits for the answer, for so long at most.
func (l *lookup) answered(wait time.Duration) bool {
	select {
	case <-l.done:
		return true
	default:
	}
	if wait <= 0 {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.done:
		return true
	case <-timer.C:
		return false
	}
}

// expired reports whether it is time to ask again.
func (l *lookup) expired(now time.Time) bool {
	select {
	case <-l.done:
		return !l.until.IsZero() && now.After(l.until)
	default:
		return false
	}
}

// tooLate notes that an event did not get its answer in time: no other waits.
func (r *Registry) tooLate(l *lookup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Missed++
	if !l.late && !l.answered(0) {
		l.late = true
		r.isAway("it did not answer in time")
	}
}

// isAway notes that the registry does not answer as it should, under the lock.
func (r *Registry) isAway(why string) {
	r.state.Error = bounded(why, maxReason)
	if !r.state.Away {
		r.state.Away, r.state.Since = true, time.Now()
	}
}
