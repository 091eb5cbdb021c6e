package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// defaultMemory bounds an embedded ClickHouse that is not told otherwise: 3 GiB.
const defaultMemory = 3 << 30

// ClickHouseConfig says where an embedded ClickHouse keeps its data and what it may use.
type ClickHouseConfig struct {
	// Dir holds the data, the logs and the lock; it is created when absent. One ClickHouse to a directory.
	Dir string
	// Library is the path of libchdb.so; when empty FindLibrary is asked.
	Library string
	// MemoryBytes bounds the server's memory; 0 means 3 GiB.
	MemoryBytes int64
	// Unsynced leaves writing to the disk to the operating system: an insert that was answered survives the
	// death of the process, but not that of the machine. For tests.
	Unsynced bool
}

// ClickHouse is a running embedded ClickHouse. Its methods may be called by any goroutine.
type ClickHouse struct{ process *process }

// StartClickHouse starts ClickHouse as a child process and returns once it answers queries. It fails with ErrInUse
// when another one runs in the directory, with ErrNoLibrary when the library is not there, and when ctx is done
// before it serves. It uses the port it had in this directory before, if that is free. The caller must Stop it.
func StartClickHouse(ctx context.Context, config ClickHouseConfig) (*ClickHouse, error) {
	settings, err := config.settings()
	if err != nil {
		return nil, fmt.Errorf("start embedded clickhouse: %w", err)
	}
	p, err := launch(ctx, kindClickHouse, settings.Dir, settings)
	if err != nil {
		return nil, err
	}
	return &ClickHouse{process: p}, nil
}

func (c ClickHouseConfig) settings() (clickHouseSettings, error) {
	if c.Dir == "" {
		return clickHouseSettings{}, errors.New("no directory given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return clickHouseSettings{}, err
	}
	library := c.Library
	if library == "" {
		if library, err = FindLibrary(); err != nil {
			return clickHouseSettings{}, err
		}
	}
	s := clickHouseSettings{Dir: dir, Library: library, Memory: c.MemoryBytes, Unsynced: c.Unsynced}
	if s.Memory == 0 {
		s.Memory = defaultMemory
	}
	return s, os.MkdirAll(dir, 0o700)
}

// Addr returns the address of the native protocol, "127.0.0.1:port".
func (c *ClickHouse) Addr() string { return c.process.status.Addr }

// HTTPAddr returns the address of ClickHouse's own HTTP interface, "127.0.0.1:port".
func (c *ClickHouse) HTTPAddr() string { return c.process.status.HTTP }

// PID returns the id of the child process.
func (c *ClickHouse) PID() int { return c.process.cmd.Process.Pid }

// Done is closed when the process has ended, asked or not.
func (c *ClickHouse) Done() <-chan struct{} { return c.process.done }

// Err returns nil while the process runs, and afterwards an error that says how it ended.
func (c *ClickHouse) Err() error { return c.process.ended() }

// Stop ends ClickHouse in order and waits for it; when ctx is done first it is killed and the error says so. Data
// that was answered for is kept in either case.
func (c *ClickHouse) Stop(ctx context.Context) error { return c.process.stop(ctx) }
