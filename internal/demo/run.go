package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	defaultListen = "127.0.0.1:8080"
	// headStart is how long before the first window the app is started.
	headStart = 2 * time.Second
	// topicBytes bounds each partition of the demo's topics, which go on for as long as the demo.
	topicBytes = "268435456"
)

// demo is one run: a server, three hops, and rounds.
type demo struct {
	Config
	plan     Plan
	logger   *slog.Logger
	server   Server
	ask      *asker
	app      *process
	relay    *process
	sink     *process
	plants   plantReader
	fresh    bool                         // no demo worked in the directory before
	outcomes []Outcome                    // kept for JSON only
	states   map[string]map[string]string // window start → edge → state; likewise
	teardown []teardown

	missed, wrong, undecided int // of all rounds
}

// teardown is one thing to end, by name; the last made is ended first.
type teardown struct {
	name string
	act  func(context.Context) error
}

func (d *demo) later(name string, act func(context.Context) error) {
	d.teardown = append(d.teardown, teardown{name, act})
}

// end undoes what start did, last first.
func (d *demo) end(ctx context.Context) error {
	var errs []error
	for _, t := range slices.Backward(d.teardown) {
		if err := t.act(ctx); err != nil {
			errs = append(errs, fmt.Errorf("end the demo's %s: %w", t.name, err))
		}
	}
	return errors.Join(errs...)
}

// Run runs the demo until its rounds are done or ctx ends. It returns an error that wraps ErrDifference when Rollcall
// did not name exactly what was planted, or did not decide.
func Run(ctx context.Context, cfg Config) (err error) {
	d := &demo{Config: cfg, outcomes: []Outcome{}, states: map[string]map[string]string{}}
	if d.plan, err = ParsePlan(cfg.Faults); err != nil {
		return err
	}
	if d.Flights, err = findFlights(cfg.Flights, cfg.Executable); err != nil {
		return err
	}
	d.Round = max(1, (cfg.Round+windowLength-1)/windowLength) * windowLength
	defer func() { err = errors.Join(err, d.end(context.WithoutCancel(ctx))) }()
	if err := d.start(ctx); err != nil {
		return err
	}
	err = d.rounds(ctx)
	if errors.Is(err, context.Canceled) && d.Rounds == 0 {
		err = nil // it was to go on until stopped
	}
	return errors.Join(err, d.report())
}

// start starts everything but the app, whose time is that of the first round.
func (d *demo) start(ctx context.Context) error {
	d.note("Starting ClickHouse, Kafka and the server …")
	if err := d.directory(); err != nil {
		return err
	}
	server, err := d.StartServer(context.WithoutCancel(ctx), filepath.Join(d.Dir, "server"), freeListen(ctx, d.Listen), d.logger)
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	d.server, d.ask = server, newAsker(server.URL)
	d.later("server", server.Stop)
	if err := d.topics(ctx); err != nil {
		return err
	}
	if err := d.ask.configure(ctx); err != nil {
		return fmt.Errorf("set the stream up: %w", err)
	}
	// They are ended in the order of the pipeline, so that each hop drains what the one before it left.
	if d.sink, err = d.hop(hopSnk); err != nil {
		return err
	}
	if d.relay, err = d.hop(hopRel); err != nil {
		return err
	}
	return errors.Join(d.sink.start(ctx), d.relay.start(ctx))
}

// directory makes the directory to work in and the log in it.
func (d *demo) directory() (err error) {
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "rollcall-demo-"); err != nil {
			return fmt.Errorf("make a directory to work in: %w", err)
		}
		d.later("directory", func(context.Context) error { return os.RemoveAll(d.Dir) })
	}
	_, err = os.Stat(filepath.Join(d.Dir, hopSnk))
	d.fresh = errors.Is(err, os.ErrNotExist)
	for _, name := range []string{hopApp, hopRel, hopSnk, "server"} {
		if err := os.MkdirAll(filepath.Join(d.Dir, name), 0o755); err != nil {
			return fmt.Errorf("make a directory to work in: %w", err)
		}
	}
	d.plants.path = plantsPath(filepath.Join(d.Dir, hopApp))
	log, err := os.OpenFile(d.logPath("demo"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	d.later("log", func(context.Context) error { return log.Close() })
	d.logger = slog.New(slog.NewJSONHandler(log, nil))
	return nil
}

func (d *demo) logPath(name string) string { return filepath.Join(d.Dir, name+".log") }

// freeListen returns the address asked for; or the usual one, or any free port where that is taken.
func freeListen(ctx context.Context, given string) string {
	if given != "" {
		return given
	}
	var config net.ListenConfig
	probe, err := config.Listen(ctx, "tcp", defaultListen)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = probe.Close()
	return defaultListen
}

// topics makes the demo's topics, unless a demo before in the same directory did. Those that others made are refused:
// the relay would go on from their state, and the sink would store their events.
func (d *demo) topics(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(d.server.Brokers...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	admin, bytes := kadm.NewClient(client), topicBytes
	config := map[string]*string{"retention.bytes": &bytes}
	for topic, count := range map[string]int32{topicTaken: partitions, topicRelayed: partitions, topicState: 1} {
		made, err := admin.CreateTopic(ctx, count, 1, config, topic)
		err = errors.Join(err, made.Err)
		switch {
		case err == nil, isExisting(err) && !d.fresh:
		case isExisting(err):
			return fmt.Errorf("the topic %s is there, but not of a demo in %s: give a Kafka without it, or the directory of the demo that made it", topic, d.Dir)
		default:
			return fmt.Errorf("make the topic %s: %w", topic, err)
		}
	}
	return nil
}

// hop returns one hop as a child process of this program; all its lives write to one log.
func (d *demo) hop(name string, more ...string) (*process, error) {
	log, err := os.OpenFile(d.logPath(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of the %s: %w", name, err)
	}
	d.later("log of the "+name, func(context.Context) error { return log.Close() })
	args := append([]string{
		"demo-hop", name, "--brokers", strings.Join(d.server.Brokers, ","), "--report-to", d.server.URL,
		"--dir", filepath.Join(d.Dir, name), "--faults", d.Faults,
	}, more...)
	p := newProcess(name, d.logger, func() *exec.Cmd {
		child := exec.Command(d.Executable, args...)
		child.Stderr = log
		return child
	})
	d.later(name, p.stop)
	return p, nil
}

// startApp starts the app so that it begins at from.
func (d *demo) startApp(ctx context.Context, from time.Time) error {
	args := []string{"--flights", d.Flights, "--rate", strconv.Itoa(d.Rate), "--from", from.Format(time.RFC3339Nano)}
	if d.Rounds > 0 {
		args = append(args, "--until", from.Add(time.Duration(d.Rounds)*d.Round).Format(time.RFC3339Nano))
	}
	app, err := d.hop(hopApp, args...)
	if err != nil {
		return err
	}
	d.app = app
	return app.start(ctx)
}

// note tells a person what goes on.
func (d *demo) note(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Stderr, format+"\n", args...)
}
