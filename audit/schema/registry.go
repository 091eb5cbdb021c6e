package schema

import (
	"errors"
	"fmt"
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

	// Wait is how long events may wait for schemas that nobody asked for before; DefaultWait when
	// zero, negative for not at all. It bounds all of them together: once it is spent, waiting takes
	// a hundredth of the time at most. While the registry is away none waits.
	Wait     time.Duration
	Timeout  time.Duration // of one lookup; DefaultLookupTimeout when zero
	AskAgain time.Duration // after the registry had no such schema, or one that cannot be used; DefaultAskAgain when zero
	TryAgain time.Duration // after it did not answer as it should; DefaultTryAgain when zero

	// OnChange is told when the registry has gone away, and when it is there again; nil for not at
	// all. It must not block, and not ask the registry.
	OnChange func(RegistryState)
}

// RegistryState is what is known of the registry, and what was done. Counters only rise.
type RegistryState struct {
	Away     bool      // it did not answer in time or as it should, when it was asked last
	Since    time.Time // of Away
	Error    string    // what was wrong last; never what the registry said
	Answered time.Time // when it answered as it should last; zero: never

	Cached  int    // schemas and ids at hand
	Lookups uint64 // begun
	Failed  uint64 // of these, those that the registry did not answer as it should
	Unknown uint64 // of these, those that it has no schema for
	Unfit   uint64 // of these, those whose schema cannot be used
	Missed  uint64 // events that had no schema because the registry was away
	Early   uint64 // events that had no schema because it was still being looked up
	Busy    uint64 // events that had no schema because too many were being looked up
}

// String says the state in one line for people.
func (s RegistryState) String() string {
	said := "not asked yet"
	switch {
	case s.Away:
		said = fmt.Sprintf("away since %s: %s", s.Since.UTC().Format(time.RFC3339), s.Error)
	case !s.Answered.IsZero():
		said = "there, answered last at " + s.Answered.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("schema registry: %s; %d schemas and ids at hand, %d events without a schema for want of an answer",
		said, s.Cached, s.Missed+s.Early+s.Busy)
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
	probe   time.Time // while it is away: when it is asked again
	waits   patience
	state   RegistryState
}

type lookupKey struct {
	stream string // it decides between the subjects of one schema
	frame  frame
}

// lookup is one question to the registry and the answer.
type lookup struct {
	key    lookupKey
	asked  time.Time
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
	return &Registry{cfg: cfg, client: client, lookups: make(map[lookupKey]*lookup), waits: patience{most: cfg.Wait}}, nil
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
	return r.known()
}

func (r *Registry) known() RegistryState {
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
	l, wait, why := r.lookup(key)
	if l == nil {
		return nil, why
	}
	if !l.answered(wait) {
		return nil, r.tooLate(l, wait)
	}
	r.mu.Lock()
	if wait > 0 {
		r.waits.end(time.Now())
	}
	if l.reason == whyAway {
		r.state.Missed++
	}
	r.mu.Unlock()
	if l.schema != nil {
		r.recent.Store(l)
	}
	return l.schema, l.reason
}

// lookup returns the question for a schema, asked now where it was not before, and how long to
// wait for the answer; or nil, and why it is not asked: the registry is away and was tried lately,
// or too many are being asked.
func (r *Registry) lookup(key lookupKey) (l *lookup, wait time.Duration, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l = r.lookups[key]
	if l == nil || l.expired(now) {
		if why = r.shut(now); why == "" {
			l = r.ask(key, now)
		} else if l == nil {
			return nil, 0, why
		}
	}
	if !l.late && !r.state.Away && !l.answered(0) {
		wait = r.waits.begin(now)
	}
	return l, wait, ""
}

// shut says why nothing is asked now, and counts the event; empty where the registry may be asked.
func (r *Registry) shut(now time.Time) string {
	full := r.looking >= maxLookups
	switch {
	case r.state.Away && (full || now.Before(r.probe)):
		r.state.Missed++
		return whyAway
	case full:
		r.state.Busy++
		return whyBusy
	}
	return ""
}

// ask begins to look for a schema, in the background.
func (r *Registry) ask(key lookupKey, now time.Time) *lookup {
	r.makeRoom()
	l := &lookup{key: key, asked: now, done: make(chan struct{})}
	r.lookups[key] = l
	r.looking++
	r.state.Lookups++
	r.probe = now.Add(r.cfg.TryAgain)
	go r.look(l)
	return l
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

// tooLate notes that an event did not get its answer in time, and says why. A registry that lets
// an event wait for as long as one may is away: no other waits.
func (r *Registry) tooLate(l *lookup, waited time.Duration) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if waited > 0 {
		r.waits.end(now)
	}
	slow := r.cfg.Wait
	if slow <= 0 {
		slow = DefaultWait
	}
	if !l.late && now.Sub(l.asked) >= slow && !l.answered(0) {
		l.late = true
		r.isAway("it did not answer in time", now)
	}
	if r.state.Away {
		r.state.Missed++
		return whyAway
	}
	r.state.Early++
	return whyEarly
}

// isAway notes that the registry does not answer as it should, under the lock.
func (r *Registry) isAway(why string, now time.Time) {
	r.state.Error = bounded(why, maxReason)
	r.probe = now.Add(r.cfg.TryAgain)
	if !r.state.Away {
		r.state.Away, r.state.Since = true, now
		r.changed()
	}
}

// isThere notes that it does, under the lock.
func (r *Registry) isThere(now time.Time) {
	r.state.Answered = now
	if r.state.Away {
		r.state.Away, r.state.Since = false, time.Time{}
		r.changed()
	}
}

// changed tells of the registry's state, under the lock, so that what is told is in order.
func (r *Registry) changed() {
	if r.cfg.OnChange != nil {
		r.cfg.OnChange(r.known())
	}
}
