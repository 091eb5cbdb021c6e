package schema

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// The bounds on samples, and the defaults of a Sampler.
const (
	DefaultPerMinute = 5    // samples of a stream, schema, outcome, reason and path
	maxPerMinute     = 200  // samples, all together
	maxQueue         = 1000 // samples that wait to be sent
	sampleBatch      = 40   // samples sent at once: so many stay below wire.MaxSampleBatch
	samplePause      = time.Second
	sampleTimeout    = 10 * time.Second
)

// SampleSender brings samples to the server; audit.HTTPTransport and kgoaudit.Reporter do.
type SampleSender interface {
	SendSamples(ctx context.Context, samples []wire.Sample) error
}

// SamplerConfig configures a Sampler.
type SamplerConfig struct {
	Sender    SampleSender
	PerMinute int // the first so many a minute of each stream, schema, outcome, reason and path; DefaultPerMinute when zero
	// Show is the paths of values that may be shown, such as "/customer/country" or
	// "/items/*/sku": JSON pointers, with * for an index or a key that the schema does not
	// declare. All other values are replaced by their shape.
	Show []string
	// OnError is told of every failed attempt to send, from the sampler's goroutine. It must not block.
	OnError func(error)
}

// SamplerStats is what a Sampler counts of samples.
type SamplerStats struct {
	Taken   uint64
	Unfit   uint64 // not taken: the server would refuse it, as one of an event of a window that is too old
	Limited uint64 // not taken: enough of the kind, or altogether, in this minute
	Dropped uint64 // taken and not sent: too many waited, a sending failed, or the Sampler was closed
	Sent    uint64
}

// Sampler shows events that are not in order to people: masked, a few of each kind, in the
// background and as best it can. No verdict rests on a sample.
type Sampler struct {
	cfg  SamplerConfig
	open map[string]bool
	now  func() time.Time

	mu     sync.Mutex
	minute int64 // since 1970
	taken  map[kindOf]int
	total  int
	queue  []wire.Sample
	stats  SamplerStats
	closed bool

	kick    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	start   sync.Once
}

// kindOf is what few samples are taken of.
type kindOf struct{ stream, id, version, outcome, reason, path string }

// NewSampler returns a sampler that sends nothing until Start. It returns an error when the
// configuration is wrong.
func NewSampler(cfg SamplerConfig) (*Sampler, error) {
	if cfg.Sender == nil {
		return nil, errors.New("sampler: nobody to send samples to")
	}
	if cfg.PerMinute < 0 {
		return nil, fmt.Errorf("sampler: %d samples a minute", cfg.PerMinute)
	}
	if cfg.PerMinute == 0 {
		cfg.PerMinute = DefaultPerMinute
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	s := &Sampler{
		cfg: cfg, open: make(map[string]bool), now: time.Now, taken: make(map[kindOf]int),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	for _, path := range cfg.Show {
		if path == "" || path[0] != '/' {
			return nil, fmt.Errorf("sampler: path %q to show: it has to begin with /", path)
		}
		s.open[path] = true
	}
	return s, nil
}

// Stats returns the sampler's counters.
func (s *Sampler) Stats() SamplerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// take takes a sample where there are not enough of its kind yet.
func (s *Sampler) take(hop *audit.Hop, h audit.Header, r Result, found Found, payload []byte) {
	now := s.now()
	if !s.wanted(kindOf{hop.Stream(), r.ID, r.Version, r.Outcome, r.Reason, r.Path}, now) {
		return
	}
	one := hop.Sample(h, now)
	one.Schema, one.Version, one.Outcome, one.Reason, one.Path = r.ID, r.Version, r.Outcome, r.Reason, r.Path
	one.Payload, one.Cut = mask(found, payload, s.open)
	unfit := wire.ValidateSamples(wire.SampleBatch{Samples: []wire.Sample{one}}, wire.DefaultLimits(), now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if unfit != nil {
		s.stats.Unfit++
		return
	}
	s.stats.Taken++
	if s.closed || len(s.queue) >= maxQueue {
		s.stats.Dropped++
		return
	}
	s.queue = append(s.queue, one)
	select {
	case s.kick <- struct{}{}:
	default: // it is awake already
	}
}

func (s *Sampler) wanted(kind kindOf, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if minute := now.Unix() / 60; minute != s.minute {
		s.minute, s.total = minute, 0
		clear(s.taken)
	}
	if s.total >= maxPerMinute || s.taken[kind] >= s.cfg.PerMinute {
		s.stats.Limited++
		return false
	}
	s.total++
	s.taken[kind]++
	return true
}

// Start begins to send.
func (s *Sampler) Start() { s.start.Do(func() { go s.run() }) }

func (s *Sampler) run() {
	defer close(s.stopped)
	pause := time.NewTicker(samplePause)
	defer pause.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.kick:
		}
		select { // a moment, so that many go at once
		case <-s.stop:
			return
		case <-pause.C:
		}
		for s.sendSome(context.Background()) {
			if s.isClosed() {
				return
			}
		}
	}
}

func (s *Sampler) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// sendSome makes one attempt to send what waits and reports whether there was anything.
// What is not sent is dropped: it is evidence, and no account.
func (s *Sampler) sendSome(ctx context.Context) bool {
	s.mu.Lock()
	n := min(len(s.queue), sampleBatch)
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	s.mu.Unlock()
	if n == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	err := s.cfg.Sender.SendSamples(ctx, batch)
	sent := sentOf(n, err)
	s.mu.Lock()
	s.stats.Sent += uint64(sent)
	s.stats.Dropped += uint64(n - sent)
	s.mu.Unlock()
	if err != nil {
		s.cfg.OnError(fmt.Errorf("send %d samples: %w", n, err))
	}
	return true
}

// sentOf is how many of n samples a sender brought to the server.
func sentOf(n int, err error) int {
	var partly *audit.PartlyError
	switch {
	case err == nil:
		return n
	case errors.As(err, &partly):
		return min(max(partly.Accepted, 0), n)
	}
	return 0
}

// Close sends what waits, while the context lets it, and stops. What is left is dropped.
func (s *Sampler) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.start.Do(func() { close(s.stopped) }) // it never ran
	close(s.stop)
	select {
	case <-s.stopped:
	case <-ctx.Done():
	}
	for ctx.Err() == nil && s.sendSome(ctx) {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left := len(s.queue)
	s.stats.Dropped += uint64(left)
	s.queue = nil
	if left > 0 {
		return fmt.Errorf("close the sampler: %d samples were not sent: %w", left, ctx.Err())
	}
	return nil
}
