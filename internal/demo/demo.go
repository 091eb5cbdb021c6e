// Package demo replays real events through three hops, plants faults and compares
// what it planted with what Rollcall names. It owns the three hops (an app, a
// relay between two Kafka topics, a file sink), each a process of its own, the list
// of what was planted, and the comparison. It must not know how the server works:
// it is handed one that runs, and asks it over HTTP like anybody else.
package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// The stream and its three hops.
const (
	stream = "flights"
	hopApp = "app"
	hopRel = "relay"
	hopSnk = "sink"

	edgeRelay = hopApp + ".." + hopRel
	edgeSink  = hopRel + ".." + hopSnk
)

// The Kafka topics of the demo.
const (
	topicTaken   = "flights"             // what the app produced
	topicRelayed = "flights.relayed"     // what the relay passed on
	topicState   = "flights.relay-state" // the relay's outbox, written in its transactions
	partitions   = 3
)

const (
	windowLength = 10 * time.Second
	heartbeat    = 2 * time.Second
)

// ErrDifference says that Rollcall missed a planted event, named one that was not
// planted, or did not decide about a window.
var ErrDifference = errors.New("what Rollcall names is not what was planted")

// Server is a Rollcall server that runs, as the demo needs it.
type Server struct {
	URL     string   // base address of API and page, http://127.0.0.1:8080
	Brokers []string // Kafka, for the reports and for the demo's own topics
	// Stop ends the server and waits for its end.
	Stop func(context.Context) error
}

// Config says how to run the demo.
type Config struct {
	Rounds  int           // 0 goes on until ctx ends
	Round   time.Duration // traffic of a round; made a whole number of windows
	Rate    int           // events a second
	Faults  string        // all, none, or names of faults with commas between
	Listen  string        // address of the server; empty leaves the choice to the demo
	Dir     string        // empty works in a temporary directory that is removed at the end
	Flights string        // flights-3m.parquet; empty looks beside the executable
	JSON    bool          // print the outcome as JSON instead of tables
	Stdout  io.Writer
	Stderr  io.Writer
	// StartServer starts a server, what it embeds in dir, which logs to logger. Its Kafka may be one that others started.
	StartServer func(ctx context.Context, dir, listen string, logger *slog.Logger) (Server, error)
	// Executable is the program that "demo-hop" is a command of.
	Executable string
}
