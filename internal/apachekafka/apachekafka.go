// Package apachekafka runs a real Apache Kafka on loopback: one broker in KRaft mode, its own controller, in a
// Java process. Tests, benchmarks and the demo's launcher use it to hold on the real thing what they hold on the
// embedded one; the server never starts it.
//
// It owns the life of that process: the jars and the Java it runs on, its configuration, formatting its directory,
// readiness, kill and restart on the same directory and ports, and its end, which comes with the end of the
// parent however the parent ends. It must not know what is stored in it.
//
// File map:
//
//	apachekafka.go   Config, Start, Broker
//	properties.go    what the broker is configured with
//	process.go       the Java process and the shell that ends it with its parent
//	find.go          the jars, and a Java that is new enough
package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	startAttempts = 3
	readyPoll     = 100 * time.Millisecond
)

// Config says where a broker keeps its data and who may use it.
type Config struct {
	// Dir holds data, configuration and log; it is created when absent. One broker to a directory.
	Dir string
	// Users are names and passwords, of letters, digits, ".", "_" and "-". Where there are any, clients must
	// authenticate by SASL without TLS: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. They are read when the directory
	// is first used.
	Users map[string]string
	// Properties are more settings of the broker, which win over those of this package.
	Properties map[string]string
}

// Broker is a broker on its directory; it runs from Start until Stop or Kill and may be started again. Its methods
// are not for concurrent use.
type Broker struct {
	config Config
	java   string
	jars   string
	ports  ports
	child  *child // nil while it does not run
}

// Start starts a broker and returns once it answers. It fails with ErrMissing where there is no Java or no jar,
// and when ctx is done before the broker answers; the error quotes the broker's log. The caller must Stop or Kill it.
func Start(ctx context.Context, config Config) (*Broker, error) {
	b := &Broker{config: config}
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("start apache kafka: %w", err)
	}
	for attempt := 1; ; attempt++ {
		err := b.choosePorts()
		if err == nil {
			err = b.Restart(ctx)
		}
		if err == nil {
			return b, nil
		}
		if attempt == startAttempts || !b.lostPort() {
			return nil, err
		}
	}
}

// prepare finds what the broker needs to run and makes its directory.
func (b *Broker) prepare(ctx context.Context) (err error) {
	if b.config.Dir == "" {
		return errors.New("no directory given")
	}
	if b.config.Dir, err = filepath.Abs(b.config.Dir); err != nil {
		return err
	}
	if err := checkUsers(b.config.Users); err != nil {
		return err
	}
	if b.jars, err = findJars(); err != nil {
		return err
	}
	if b.java, err = findJava(ctx); err != nil {
		return err
	}
	return os.MkdirAll(b.config.Dir, 0o700)
}

// Restart starts a broker that was stopped or killed, with the data and on the ports that it had.
func (b *Broker) Restart(ctx context.Context) error {
	if b.child != nil {
		return errors.New("restart apache kafka: it runs")
	}
	if err := b.format(ctx); err != nil {
		return fmt.Errorf("format %s for apache kafka: %w", b.config.Dir, err)
	}
	child, err := b.launch()
	if err != nil {
		return fmt.Errorf("start apache kafka: %w", err)
	}
	b.child = child
	if err := b.awaitReady(ctx); err != nil {
		err = fmt.Errorf("start apache kafka in %s: %w; its log ends with:\n%s", b.config.Dir, err, tail(b.LogPath()))
		return errors.Join(err, b.Kill())
	}
	return nil
}

// awaitReady asks the broker until it says that it is there, it has ended, or ctx is done. A listener that accepts
// is not enough: a broker that the controller has not admitted yet refuses topics.
func (b *Broker) awaitReady(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.ports.internal()), kgo.MetadataMinAge(readyPoll),
		kgo.RetryBackoffFn(func(int) time.Duration { return readyPoll }))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, 10*readyPoll)
		brokers, err := kadm.NewClient(client).ListBrokers(bounded)
		cancel()
		if err == nil && len(brokers) == 1 {
			return nil
		}
		select {
		case <-tick.C:
		case <-b.child.done:
			return fmt.Errorf("it ended before it answered: %w", b.child.ended())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer in time: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

// Addr returns the address of the broker, "127.0.0.1:port"; it stays the same.
func (b *Broker) Addr() string { return b.ports.client() }

// Brokers returns the addresses to give to a client: the one broker.
func (b *Broker) Brokers() []string { return []string{b.Addr()} }

// PID returns the id of the Java process, 0 while the broker does not run.
func (b *Broker) PID() int {
	if b.child == nil {
		return 0
	}
	return b.child.command.Process.Pid
}

// LogPath returns the path of the log, which goes on over restarts.
func (b *Broker) LogPath() string { return filepath.Join(b.config.Dir, "kafka.log") }

// Stop ends the broker in order and waits for it; when ctx is done first it is killed and the error says so.
func (b *Broker) Stop(ctx context.Context) error {
	if b.child == nil {
		return nil
	}
	err := b.child.stop(ctx)
	b.child = nil
	return err
}

// Kill ends the broker by SIGKILL, as a crash of the process would, and waits until it is gone.
func (b *Broker) Kill() error {
	if b.child == nil {
		return nil
	}
	err := b.child.kill()
	b.child = nil
	return err
}
