// Package embedded runs the services Rollcall needs when no servers are given: ClickHouse, out of libchdb.so
// loaded without cgo, and Kafka, out of kfake. Each runs as a child process of our own binary, so that a crash or
// a leak of theirs is not ours, and each keeps its data in a directory of its own.
//
// It owns the life of those processes: starting, readiness, the lock on the directory, and their end, which comes
// with the end of the parent however the parent ends. It must not know what is stored in them: no SQL of ours, no
// topic, no client configuration.
//
// How it works: the parent starts its own executable again with the kind of service in the environment, and main
// (or TestMain) hands over to Child before it does anything else. Two pipes join parent and child:
//
//   - the lifeline, which carries nothing. The child stops when it reads its end, so it stops when the parent
//     stops it and when the parent is gone, on every platform. On Linux the kernel also kills a child whose parent
//     died, for the case that the child no longer reads.
//   - the status, on which the child says once that it serves and where, or why it cannot.
//
// File map:
//
//	embedded.go           Child, the entry of the child
//	process.go            the parent's side: start, wait, stop
//	lock.go, port.go      the directory's lock; ports that survive a restart
//	clickhouse.go         StartClickHouse, and clickhouse_serve.go its child, chdb.go the library, clickhouse.xml
//	kafka.go              StartKafka, and kafka_serve.go its child, kafka_guard.go what kfake must not be sent
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// The environment variable and the values that make a process a child.
const (
	kindVariable   = "ROLLCALL_EMBEDDED"
	kindClickHouse = "clickhouse"
	kindKafka      = "kafka"
)

// The descriptors a child inherits: the first two after standard error.
const (
	lifelineDescriptor = 3
	statusDescriptor   = 4
)

// ErrInUse is returned when the directory of an embedded service is held by another running one.
var ErrInUse = errors.New("data directory is in use")

// errPortTaken is returned by a child that lost its port to another process: the parent starts it again.
var errPortTaken = errors.New("port is taken by another process")

// causeCodes carry the errors that mean something to the parent from the child to it.
func causeCodes() map[string]error {
	return map[string]error{"in-use": ErrInUse, "port-taken": errPortTaken}
}

// status is the one message of a child: where it serves, or why it does not.
type status struct {
	Addr  string `json:"addr,omitempty"`
	HTTP  string `json:"http,omitempty"`
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"` // a key of causeCodes
}

// failure is the status of a child that cannot serve.
func failure(err error) status {
	s := status{Error: err.Error()}
	for code, cause := range causeCodes() {
		if errors.Is(err, cause) {
			s.Cause = code
		}
	}
	return s
}

// err returns the error of the status with its cause, nil if the child serves.
func (s status) err() error {
	if s.Error == "" {
		return nil
	}
	return childError{text: s.Error, cause: causeCodes()[s.Cause]}
}

// childError is an error that happened in the child.
type childError struct {
	text  string
	cause error
}

func (e childError) Error() string { return e.text }
func (e childError) Unwrap() error { return e.cause }

// Child runs the service this process was started for and returns its exit code when the service has ended.
// In any process that StartClickHouse or StartKafka did not start it returns false at once. Call it first in main
// and in TestMain with os.Args, and exit with code when handled is true.
func Child(args []string) (handled bool, code int) {
	kind := os.Getenv(kindVariable)
	if kind == "" {
		return false, 0
	}
	report := os.NewFile(statusDescriptor, "status")
	ctx, cancel := untilEnd(os.NewFile(lifelineDescriptor, "lifeline"))
	defer cancel()
	if err := serve(ctx, kind, args, report); err != nil {
		fmt.Fprintln(os.Stderr, err)
		send(report, failure(err))
		return true, 1
	}
	return true, 0
}

func serve(ctx context.Context, kind string, args []string, report io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("embedded %s: want one argument, its settings, got %d", kind, max(len(args)-1, 0))
	}
	ready := func(s status) { send(report, s) }
	switch kind {
	case kindClickHouse:
		return settle(ctx, args[1], ready, serveClickHouse)
	case kindKafka:
		return settle(ctx, args[1], ready, serveKafka)
	}
	return fmt.Errorf("%s=%q: want %s or %s", kindVariable, kind, kindClickHouse, kindKafka)
}

// settle decodes the settings of a service and runs it.
func settle[C any](ctx context.Context, text string, ready func(status), run func(context.Context, C, func(status)) error) error {
	var settings C
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return fmt.Errorf("read settings of the embedded service: %w", err)
	}
	return run(ctx, settings, ready)
}

// untilEnd returns a context that is done when the other end of the lifeline is closed.
func untilEnd(lifeline io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, lifeline) // an error ends the line as its end does
	}()
	return ctx, cancel
}

// send writes a status. When it fails the parent is gone, and the lifeline says so too.
func send(w io.Writer, s status) { _ = json.NewEncoder(w).Encode(s) }
