package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// defaultRetention bounds a partition that is not told otherwise: 1 GiB.
const defaultRetention = 1 << 30

// KafkaConfig says where an embedded Kafka keeps its data and how much of it.
type KafkaConfig struct {
	// Dir holds the data, the log and the lock; it is created when absent. One Kafka to a directory.
	Dir string
	// RetentionBytes bounds each partition whose topic does not say otherwise; 0 means 1 GiB. Records never
	// expire by age.
	RetentionBytes int64
	// Unsynced leaves writing to the disk to the operating system: a record that was acknowledged survives the
	// death of the process, but not that of the machine. For tests.
	Unsynced bool
}

// Kafka is a running embedded Kafka broker. Its methods may be called by any goroutine.
type Kafka struct{ process *process }

// StartKafka starts a Kafka broker as a child process and returns once it accepts connections. It fails with
// ErrInUse when another one runs in the directory, and when ctx is done before it serves. It uses the port it had
// in this directory before, if that is free. The caller must Stop it. Topics are not created by naming them: create
// them with an admin client, which also works on a directory with state.
func StartKafka(ctx context.Context, config KafkaConfig) (*Kafka, error) {
	settings, err := config.settings()
	if err != nil {
		return nil, fmt.Errorf("start embedded kafka: %w", err)
	}
	p, err := launch(ctx, kindKafka, settings.Dir, settings)
	if err != nil {
		return nil, err
	}
	return &Kafka{process: p}, nil
}

func (c KafkaConfig) settings() (kafkaSettings, error) {
	if c.Dir == "" {
		return kafkaSettings{}, errors.New("no directory given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return kafkaSettings{}, err
	}
	s := kafkaSettings{Dir: dir, Retention: c.RetentionBytes, Unsynced: c.Unsynced}
	if s.Retention == 0 {
		s.Retention = defaultRetention
	}
	return s, os.MkdirAll(dir, 0o700)
}

// Addr returns the address of the broker, "127.0.0.1:port".
func (k *Kafka) Addr() string { return k.process.status.Addr }

// Brokers returns the addresses to give to a client: the one broker.
func (k *Kafka) Brokers() []string { return []string{k.Addr()} }

// PID returns the id of the child process.
func (k *Kafka) PID() int { return k.process.cmd.Process.Pid }

// Done is closed when the process has ended, asked or not.
func (k *Kafka) Done() <-chan struct{} { return k.process.done }

// Err returns nil while the process runs, and afterwards an error that says how it ended.
func (k *Kafka) Err() error { return k.process.ended() }

// Stop ends the broker in order and waits for it; when ctx is done first it is killed and the error says so.
// Acknowledged records are kept in either case.
func (k *Kafka) Stop(ctx context.Context) error { return k.process.stop(ctx) }
