// Package ingest takes reports in, over HTTP and from Kafka: it checks them, puts
// them into the store, and only then says that it has them. It owns admission
// (limits, back-pressure), the joining of concurrent requests into one insert, and
// what happens to reports that cannot be taken. It must not know what is
// concluded from reports, nor how they are stored.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Store is where reports go. Its errors wrap store.ErrAway when trying again later may help.
type Store interface {
	// Insert returns nil only when all reports are durable.
	Insert(ctx context.Context, reports []store.Received) error
	// Conflicts tells which reports carry a number already used for a report with different content.
	Conflicts(ctx context.Context, reports []store.Received) ([]store.Conflict, error)
	// Settings returns the settings of each stream asked for, defaults for those that have none.
	Settings(ctx context.Context, streams []string) (map[string]store.Settings, error)
	// Quarantine keeps what could not be read. The same ID and time twice is one entry.
	Quarantine(ctx context.Context, records []store.Quarantined) error
}

// ErrFull says that too much waits to be stored: the request must be sent again later, unchanged.
var ErrFull = errors.New("too much waits to be stored")

// ErrStopping says that the server ends: the request must be sent again later, unchanged.
var ErrStopping = errors.New("the server is stopping")

// ErrSlow says that the store has not answered yet: whether the request is stored is not known, and it must be sent again later, unchanged.
var ErrSlow = errors.New("the store has not answered yet")

// Deps are what the intake is built from.
type Deps struct {
	Store    Store
	Registry *prometheus.Registry // where the metrics are registered
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// Config sets limits; zero values take the defaults.
type Config struct {
	Limits         wire.Limits   // of a batch; default wire.DefaultLimits
	BackfillAge    time.Duration // how old windows may be with ?backfill=true; default 30 days
	Linger         time.Duration // how long an insert waits for others to join it; default 50 ms
	BatchReports   int           // reports of one insert; default 5000
	BatchBytes     int64         // bytes of one insert, rolls unpacked; default 32 MiB
	QueueRequests  int           // requests that may wait; default 1024
	QueueBytes     int64         // bytes that requests may hold while they are read and wait; default 96 MiB
	BodyTimeout    time.Duration // for reading one body; default 10 s
	CommitTimeout  time.Duration // for one insert with its checks; default 30 s
	AnswerTimeout  time.Duration // how long a request that was read waits for the store before it is answered 503; it may be stored all the same. Default 8 s
	RetryAfter     time.Duration // told with 429 and 503; default 1 s
	Decoders       int           // bodies decoded at once; default GOMAXPROCS
	SettingsMaxAge time.Duration // how long settings are taken as read; default 1 s
}

func (c Config) withDefaults() Config {
	if c.Limits == (wire.Limits{}) {
		c.Limits = wire.DefaultLimits()
	}
	setDefault(&c.BackfillAge, store.OldestReport*24*time.Hour)
	setDefault(&c.Linger, 50*time.Millisecond)
	setDefault(&c.BatchReports, 5000)
	setDefault(&c.BatchBytes, 32<<20)
	setDefault(&c.QueueRequests, 1024)
	setDefault(&c.QueueBytes, 96<<20)
	setDefault(&c.BodyTimeout, 10*time.Second)
	setDefault(&c.CommitTimeout, 30*time.Second)
	setDefault(&c.AnswerTimeout, 8*time.Second)
	setDefault(&c.RetryAfter, time.Second)
	setDefault(&c.Decoders, runtime.GOMAXPROCS(0))
	setDefault(&c.SettingsMaxAge, time.Second)
	return c
}

func setDefault[T int | int64 | time.Duration](v *T, usual T) {
	if *v <= 0 {
		*v = usual
	}
}
