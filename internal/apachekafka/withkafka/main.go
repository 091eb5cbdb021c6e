// Command withkafka starts a real Apache Kafka on loopback, runs a command with its address in the place of {} in
// the arguments, stops the broker and exits as the command did:
//
//	withkafka bin/rollcall demo --kafka-brokers {}
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rollcallhq/rollcall/internal/apachekafka"
)

const (
	startLimit = 2 * time.Minute
	stopLimit  = 30 * time.Second
	wrongUse   = 2
	failed     = 3 // there is no broker, or no command
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withkafka COMMAND [ARGUMENT, or {} for the broker's address]...")
		return wrongUse
	}
	code, err := with(context.Background(), args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withkafka:", err)
		return failed
	}
	return code
}

// with runs the command beside a broker and returns its exit code. Ctrl-C ends the start of the broker; later it is
// for the command alone, to which a terminal sends it too, and the broker is stopped when that has ended.
func with(ctx context.Context, args []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "rollcall-kafka-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stderr, "Starting Apache Kafka", apachekafka.Version, "…")
	interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	starting, cancel := context.WithTimeout(interrupted, startLimit)
	defer cancel()
	broker, err := apachekafka.Start(starting, apachekafka.Config{Dir: dir})
	if err != nil {
		return 0, err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(ctx, stopLimit)
		defer cancel()
		err = errors.Join(err, broker.Stop(stopping))
	}()
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "{}", broker.Addr())
	}
	return command(ctx, args)
}

// command runs a command to its end and hands SIGTERM on to it.
func command(ctx context.Context, args []string) (int, error) {
	told, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	c := exec.CommandContext(told, args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	err := c.Run()
	if c.ProcessState == nil {
		return 0, fmt.Errorf("run %s: %w", args[0], err)
	}
	return c.ProcessState.ExitCode(), nil
}
