// Package cli is Rollcall's command line: it owns the command tree, the client of
// the HTTP API, the tables a person reads and the exit codes a program reads. It
// must not know how a server is built, how the demo works or where anything is
// stored: what runs in this process is handed in as functions.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// The exit codes, the same for every command.
const (
	Good      = 0 // asked, and the answer is good
	Bad       = 1 // asked, and the answer is bad: something is incomplete, unknown, lost or invalid, and not waived
	WrongUse  = 2 // the command line, a file given on it or a name given on it is wrong
	CannotAsk = 3 // there is no answer: the server is away, broken or refuses the caller
)

// Env is what the command line needs from the program it is part of.
type Env struct {
	Version string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Serve runs a server until ctx ends.
	Serve func(context.Context, Serve) error
	// Check says what is wrong with the flags of a server, without starting one.
	Check func(Serve) error
	// NotifyTest sends a test to a receiver and returns what came back.
	NotifyTest func(context.Context, Receiver) (string, error)
	// Demo runs the demo; an error that wraps ErrBad says that Rollcall's names were not those planted.
	Demo func(context.Context, Demo) error
	// Hop runs one process of the demo.
	Hop func(context.Context, DemoHop) error
}

// ErrBad is wrapped by an error that is a bad answer rather than a failure to get one.
var ErrBad = errors.New("the answer is bad")

// ErrWrongUse is wrapped by an error of Env's functions that the caller can mend on the command line.
var ErrWrongUse = errors.New("wrong use")

type commands struct {
	Server    string `default:"http://127.0.0.1:8080" env:"ROLLCALL_SERVER" help:"Address of the Rollcall server." placeholder:"URL"`
	Token     string `env:"ROLLCALL_TOKEN" help:"Bearer token, where the server asks for one." placeholder:"TOKEN"`
	TokenFile string `name:"token-file" env:"ROLLCALL_TOKEN_FILE" type:"path" help:"File that holds the token, for its owner alone; instead of --token, which other users of the machine can see." placeholder:"FILE"`
	CAFile    string `name:"ca-file" env:"ROLLCALL_CA_FILE" type:"path" help:"Certificates to trust for an https server instead of the system's, PEM." placeholder:"FILE"`
	Output    string `default:"table" enum:"table,json" help:"What to print: a table for people or json for programs." placeholder:"table|json"`

	Serve      Serve         `cmd:"" help:"Run the server: ingest, reconcile, API and page."`
	Demo       Demo          `cmd:"" help:"Replay three million flights through three hops, plant faults and compare."`
	Streams    streams       `cmd:"" help:"List the streams with their hops, edges and how far they are complete."`
	Windows    windows       `cmd:"" help:"List the windows of a stream, one row a window and edge."`
	Latency    latencies     `cmd:"" help:"Say how long after production hops took events over, by window and in all."`
	Lost       lost          `cmd:"" help:"Name the events that a window lost, or that another kind is said of."`
	Schemas    schemas       `cmd:"" help:"Say what of a stream breaks its schema, window by window."`
	Samples    samples       `cmd:"" help:"Show events that broke their schema, masked."`
	Trace      trace         `cmd:"" help:"Say which hops saw one event."`
	Hours      hours         `cmd:"" help:"List streams by hour."`
	Watermark  watermark     `cmd:"" help:"Say up to when every window of a stream is complete or waived, or how that moved."`
	Objectives objectives    `cmd:"" help:"List how the objectives of streams stand, and how fast their budgets burn."`
	Incidents  incidents     `cmd:"" help:"List what people were called for, or should be."`
	Ack        ack           `cmd:"" help:"Say that you look after an incident."`
	Silence    silence       `cmd:"" help:"Mute notifications, list what is muted, or end it."`
	Close      closing       `cmd:"" help:"Close an emitter, a source or a lane that died without a word."`
	Waive      waive         `cmd:"" help:"Waive what is bad in an hour, by name, or list what was waived."`
	Epoch      epoch         `cmd:"" help:"Declare a replay, or list those declared."`
	Report     report        `cmd:"" help:"Check a report file and send it."`
	Notify     notify        `cmd:"" help:"Try the receivers of notifications."`
	Tokens     tokens        `cmd:"" name:"token" help:"Make, list and revoke the tokens of a server."`
	Keys       keyring       `cmd:"" help:"Make, list, rotate and retire the keys that sign certificates."`
	Certify    certify       `cmd:"" help:"Certify an hour, or the hours of a day."`
	Gate       gate          `cmd:"" help:"Say whether hours are certified, and wait until they are."`
	Verify     verify        `cmd:"" help:"Verify a certificate, offline or against its whole chain."`
	Config     configuration `cmd:"" help:"Check a configuration file, or print the configuration in effect."`
	Health     health        `cmd:"" help:"Say whether the server is ready."`
	Version    version       `cmd:"" help:"Print the version."`
	DemoHop    DemoHop       `cmd:"" hidden:"" name:"demo-hop"`
}

const about = `Rollcall calls the roll of every event at every hop of a pipeline and names who is lost.

Exit codes: 0 good, 1 the answer is bad, 2 wrong use, 3 could not ask.`

// Run reads args (without the program's name), does what they say and returns the exit code.
func Run(ctx context.Context, args []string, env Env) int {
	var tree commands
	exited, file := false, &fileResolver{}
	parser, err := newParser(&tree, env, func(int) { exited = true }, file)
	if err != nil {
		return tell(env.Stderr, fmt.Errorf("build the command line: %w", err))
	}
	parsed, err := parser.Parse(args)
	if exited {
		return Good
	}
	if err != nil {
		return tell(env.Stderr, wrongUse("%w\nRun \"rollcall --help\" for the commands.", err))
	}
	return tell(env.Stderr, parsed.Run(&session{
		ctx: ctx, env: env, file: file, known: flagsOf(parser.Model, "serve"), asJSON: tree.Output == "json",
		ask: &client{base: strings.TrimRight(tree.Server, "/"), root: "/api/v1", token: tree.Token, tokenFile: tree.TokenFile, caFile: tree.CAFile, agent: "rollcall/" + env.Version},
	}))
}

// newParser reads a command line into tree.
func newParser(tree *commands, env Env, exit func(int), file kong.Resolver) (*kong.Kong, error) {
	return kong.New(tree,
		kong.Name("rollcall"), kong.Description(about),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(file),
	)
}

// session is what a command works with: where to ask and where to print.
type session struct {
	ctx    context.Context
	env    Env
	ask    *client
	file   *fileResolver
	known  []string // keys of the configuration file, beside those with keys of their own
	asJSON bool
}

type version struct{}

func (version) Run(s *session) error {
	if s.asJSON {
		return s.printJSON(map[string]string{"version": s.env.Version})
	}
	_, err := fmt.Fprintln(s.env.Stdout, "rollcall", s.env.Version)
	return err
}
