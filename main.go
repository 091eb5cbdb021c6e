// Command rollcall calls the roll of every event in a pipeline, at every hop. It holds
// the wiring of flags, signals and exit codes; "rollcall --help" lists what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/rollcallhq/rollcall/internal/app"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/demo"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/notify"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	if handled, code := embedded.Child(os.Args); handled {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return cli.Run(ctx, os.Args[1:], cli.Env{
		Version: version, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Serve: serve, Check: check, Demo: runDemo, Hop: runHop, NotifyTest: notifyTest,
	})
}

// memoryLimit is what the Go runtime is told to stay under, unless GOMEMLIMIT says otherwise: large windows would else leave the
// collector too much slack.
const memoryLimit = 220 << 20

// serve runs a server until ctx ends.
func serve(ctx context.Context, flags cli.Serve) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	config, err := configOf(flags)
	if err != nil {
		return err
	}
	return app.Run(ctx, config)
}

// notifyTest sends a test to one receiver.
func notifyTest(ctx context.Context, r cli.Receiver) (string, error) {
	return notify.Test(ctx, notify.Receiver(r), time.Now())
}

// runDemo runs the demo on a server of its own in this process.
func runDemo(ctx context.Context, flags cli.Demo) error {
	if _, err := demo.ParsePlan(flags.Faults); err != nil {
		return fmt.Errorf("%w: --faults: %w", cli.ErrWrongUse, err)
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run the hops: %w", err)
	}
	err = demo.Run(ctx, demo.Config{
		Rounds: flags.Rounds, Round: time.Duration(flags.RoundSeconds) * time.Second, Rate: flags.Rate, Faults: flags.Faults,
		Listen: flags.Listen, Dir: flags.Data, Flights: flags.Flights, JSON: flags.JSON,
		Stdout: os.Stdout, Stderr: os.Stderr, Executable: executable, StartServer: demoServer(flags.KafkaBrokers),
	})
	if errors.Is(err, demo.ErrDifference) {
		return fmt.Errorf("%w: %w", cli.ErrBad, err)
	}
	return err
}

// demoServer returns how to start a server in this process, on an embedded Kafka or on the one given.
func demoServer(brokers []string) func(context.Context, string, string, *slog.Logger) (demo.Server, error) {
	return func(ctx context.Context, dir, listen string, log *slog.Logger) (demo.Server, error) {
		server, err := app.Start(ctx, app.Config{
			Listen: listen, Data: dir, KafkaBrokers: brokers, MetricsStreams: 200, Version: version, Demo: true, Log: log,
		})
		if err != nil {
			return demo.Server{}, err
		}
		return demo.Server{URL: server.URL(), Brokers: server.Brokers(), Stop: server.Stop}, nil
	}
}

// runHop is one process of the demo.
func runHop(ctx context.Context, flags cli.DemoHop) error {
	return demo.RunHop(ctx, demo.HopConfig{
		Hop: flags.Hop, Brokers: strings.Split(flags.Brokers, ","), Server: flags.Server, Dir: flags.Dir, Faults: flags.Faults,
		Flights: flags.Flights, Rate: flags.Rate, From: flags.From.Time, Until: flags.Until.Time,
		Stdin: os.Stdin, Stdout: os.Stdout, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Version: version,
	})
}
