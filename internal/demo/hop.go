package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// pace is how often relay and sink make what they did durable and report it.
const pace = 500 * time.Millisecond

// leaveWithin bounds each step of a hop's clean end, endWithin all of it: less than the demo waits for.
const (
	leaveWithin = 10 * time.Second
	endWithin   = 15 * time.Second
)

// HopConfig says how to be one hop of the demo, in a process of its own.
type HopConfig struct {
	Hop     string // app, relay or sink
	Brokers []string
	Server  string // base address of the server: the app reports over HTTP
	Dir     string // durable state of the hop
	Faults  string
	Flights string       // the app's events
	Rate    int          // the app's events a second
	From    time.Time    // when the app begins
	Until   time.Time    // when the app ends; zero is never
	Stdin   io.Reader    `json:"-"` // the life line: the hop ends when it does
	Stdout  io.Writer    `json:"-"` // told "ready" once the hop runs
	Logger  *slog.Logger `json:"-"`
	Version string
}

// RunHop is one hop until its life line or ctx ends. It returns nil after a clean end: what was taken over has left
// and the emitter is closed. Where that does not come about in time, for Kafka is gone as well, it returns an error
// and the process is to end all the same: what is durable is as a kill would leave it.
func RunHop(ctx context.Context, cfg HopConfig) error {
	plan, err := ParsePlan(cfg.Faults)
	if err != nil {
		return err
	}
	run, ok := map[string]func(context.Context, HopConfig, Plan) error{hopApp: runApp, hopRel: runRelay, hopSnk: runSink}[cfg.Hop]
	if !ok {
		return fmt.Errorf("hop %q: the demo has %s, %s and %s", cfg.Hop, hopApp, hopRel, hopSnk)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, cfg.Stdin) // however it ends, it has ended
		cancel()
	}()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, plan) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(endWithin)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		return fmt.Errorf("the %s could not end in order within %s", cfg.Hop, endWithin)
	}
}

// sayReady tells the demo that the hop runs.
func (c *HopConfig) sayReady() error {
	_, err := fmt.Fprintln(c.Stdout, readyWord)
	return err
}

// hopConfig is what the audit needs to know of this hop.
func (c *HopConfig) hopConfig(after ...string) audit.HopConfig {
	return audit.HopConfig{
		Stream: stream, Hop: c.Hop, After: after, Container: "demo-" + c.Hop, Version: c.Version, Window: windowLength, Heartbeat: heartbeat,
		OnError: func(err error) { c.Logger.Warn("audit", "error", err) },
	}
}

// leaving returns a context for the clean end, which outlives the one that ended.
func leaving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
}

// kafkaOptions are those that every client of the demo has.
func (c *HopConfig) kafkaOptions(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID("demo-" + c.Hop),
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.ProducerLinger(5 * time.Millisecond),
	}, more...)
}

// pollUntil hands every record that comes before the deadline, and before ctx ends, to take.
func pollUntil(ctx context.Context, deadline time.Time, poll func(context.Context, int) kgo.Fetches, take func(*kgo.Record) error) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for ctx.Err() == nil {
		fetches := poll(ctx, 10_000)
		for _, fault := range fetches.Errors() {
			if !errors.Is(fault.Err, context.DeadlineExceeded) && !errors.Is(fault.Err, context.Canceled) {
				return fmt.Errorf("read partition %d of %s: %w", fault.Partition, fault.Topic, fault.Err)
			}
		}
		for records := fetches.RecordIter(); !records.Done(); {
			if err := take(records.Next()); err != nil {
				return err
			}
		}
	}
	return nil
}

// flipped returns a copy of payload with one byte changed.
func flipped(payload []byte) []byte {
	changed := append([]byte(nil), payload...)
	changed[len(changed)/2] ^= 0x20
	return changed
}
