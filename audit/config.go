package audit

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The types of the wire that callers meet.
type (
	// UID is an event's identity; see wire.UID.
	UID = wire.UID
	// Header is what travels with an event; see wire.Header.
	Header = wire.Header
	// SchemaTally names a schema version and what came of checking an event against it.
	SchemaTally = wire.SchemaTally
)

// The defaults of a hop.
const (
	DefaultHeartbeat = 5 * time.Second
	DefaultMemory    = 256 << 20
	DefaultKeep      = 15 * time.Minute
	DefaultTimeout   = 10 * time.Second
)

// Limits bound one report. The defaults stay below those of the server.
type Limits struct {
	Sources int // sources in a report; 8000 when zero
	Foreign int // foreign UIDs in a report; 8000 when zero
	Bytes   int // estimated size of a report; 3 MiB when zero
	Roll    int // bytes of one roll; 768 KiB when zero
}

// HopConfig configures a Hop. Stream and Hop are required, and Transport but for a
// durable hop that hands its reports out by Checkpoint.Reports.
type HopConfig struct {
	Stream     string
	Hop        string
	After      []string // hops this hop comes after; empty for a first hop
	Host       string   // the host's name when empty
	Container  string
	Version    string
	Epoch      uint32 // replay epoch
	Idempotent bool   // this hop's writes are idempotent by UID

	Window    time.Duration // the stream's window length; DefaultWindow when zero
	Heartbeat time.Duration // DefaultHeartbeat when zero; whole seconds on the wire
	Keep      time.Duration // how long a quiet window's state is kept to find repeats; DefaultKeep when zero
	Memory    int           // bytes of window state; DefaultMemory when zero
	Timeout   time.Duration // of one attempt to send; DefaultTimeout when zero
	Limits    Limits

	Transport Transport
	Source    *Source   // a first hop that numbers its events: the lane "" follows it
	InFlight  *InFlight // another hop without partitions: the lane "" follows it
	Journal   *Journal  // producers only

	Durable    bool   // reports are sent only once they are in a stored Checkpoint
	Checkpoint []byte // Durable: what the process before stored last, sure to be durable; nil on the first start

	// OnError is told of every failed attempt to send and of every loss of state,
	// one at a time, from the reporter's goroutine or from Checkpoint. It must not block.
	OnError func(error)
}

func (c *HopConfig) complete() error {
	if c.Host == "" {
		c.Host, _ = os.Hostname() // the host is for people; an empty one is no reason not to audit
	}
	setDefault(&c.Window, DefaultWindow)
	setDefault(&c.Heartbeat, DefaultHeartbeat)
	setDefault(&c.Keep, DefaultKeep)
	setDefault(&c.Memory, DefaultMemory)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.Limits.Sources, 8000)
	setDefault(&c.Limits.Foreign, 8000)
	setDefault(&c.Limits.Bytes, 3<<20)
	setDefault(&c.Limits.Roll, 768<<10)
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	for _, text := range []*string{&c.Host, &c.Container, &c.Version} {
		*text = wire.Printable(*text, wire.DefaultLimits().Text)
	}
	return c.check()
}

func (c *HopConfig) check() error {
	switch {
	case c.Stream == "":
		return errors.New("hop config: no stream")
	case c.Hop == "":
		return fmt.Errorf("hop config of stream %q: no hop", c.Stream)
	case c.Transport == nil && !c.Durable:
		return fmt.Errorf("hop config of %s/%s: no transport; only a durable hop may send its reports itself", c.Stream, c.Hop)
	case c.Source != nil && c.InFlight != nil:
		return fmt.Errorf("hop config of %s/%s: the lane can follow a source or an in-flight count, not both", c.Stream, c.Hop)
	case c.Journal != nil && c.Durable && c.Transport != nil:
		return fmt.Errorf("hop config of %s/%s: a durable hop's checkpoint takes the place of a journal", c.Stream, c.Hop)
	case c.Checkpoint != nil && !c.Durable:
		return fmt.Errorf("hop config of %s/%s: a checkpoint is for durable hops", c.Stream, c.Hop)
	case c.Source != nil && c.Source.window != c.Window.Milliseconds():
		return fmt.Errorf("hop config of %s/%s: the source has windows of %d ms, the hop of %v", c.Stream, c.Hop, c.Source.window, c.Window)
	}
	if err := checkWindow(c.Window); err != nil {
		return err
	}
	hello := c.report(newID(time.Now()), time.Now())
	hello.Number = 1
	if err := wire.Validate(wire.Batch{Reports: []wire.Report{hello}}, wire.DefaultLimits(), hello.SentAt); err != nil {
		return fmt.Errorf("hop config of %q/%q: %w", c.Stream, c.Hop, err)
	}
	return nil
}

// report returns what all reports of an emitter begin with.
func (c *HopConfig) report(emitter UID, now time.Time) wire.Report {
	return wire.Report{
		Stream: c.Stream, Hop: c.Hop, After: c.After, Emitter: emitter, Host: c.Host,
		Container: c.Container, Version: c.Version, Epoch: c.Epoch, Idempotent: c.Idempotent,
		Heartbeat: uint32(max(1, c.Heartbeat/time.Second)),
		SentAt:    now.Truncate(time.Millisecond).UTC(), State: wire.Running,
	}
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}
