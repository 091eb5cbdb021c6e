package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// welcome says where to look and what to try.
func (d *demo) welcome(from time.Time) {
	server := ""
	if !strings.HasSuffix(d.server.URL, defaultListen) {
		server = " --server " + d.server.URL
	}
	d.note("Page:  %s/", d.server.URL)
	d.note("Logs:  %s", d.Dir)
	rollcall := program(d.Executable)
	d.note("Try:   %s streams%s", rollcall, server)
	d.note("       %s windows %s --from 5m%s", rollcall, stream, server)
	d.note("       %s lost %s %s%s", rollcall, stream, from.Format(time.RFC3339), server)
	d.note("       %s lost %s %s --kind duplicated%s", rollcall, stream, from.Format(time.RFC3339), server)
	d.note("       %s trace UID%s", rollcall, server)
	d.note("       %s schemas %s --from 5m%s", rollcall, stream, server)
	d.note("       %s latency %s --from 5m%s", rollcall, stream, server)
	d.note("Rounds of %s at %d events a second begin at %s; Ctrl-C stops.", d.Round, d.Rate, from.Format(time.TimeOnly))
}

// program is how a person in the working directory calls the executable.
func program(executable string) string {
	if found, err := exec.LookPath(filepath.Base(executable)); err == nil && found == executable {
		return filepath.Base(executable)
	}
	if dir, err := os.Getwd(); err == nil {
		if path, err := filepath.Rel(dir, executable); err == nil && !strings.HasPrefix(path, "..") {
			return "." + string(filepath.Separator) + path
		}
	}
	return executable
}

// progress draws a bar until the function it returns is called; only on a terminal.
func (d *demo) progress(ctx context.Context, n int, from, to time.Time) func() {
	file, ok := d.Stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		draw(ctx, file, fmt.Sprintf("Round %d", n), from, to)
	}()
	return func() {
		cancel()
		<-drawn
	}
}

func draw(ctx context.Context, file io.Writer, name string, from, to time.Time) {
	bar := progressbar.NewOptions64(to.Sub(from).Milliseconds(), progressbar.OptionSetWriter(file), progressbar.OptionSetDescription(name),
		progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(40))
	defer func() { _ = bar.Clear() }()
	clock := time.NewTicker(200 * time.Millisecond)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-clock.C:
			_ = bar.Set64(min(max(0, now.Sub(from).Milliseconds()), to.Sub(from).Milliseconds()))
		}
	}
}

// printRound prints the table of one round; with JSON the outcome comes at the end.
func (d *demo) printRound(n int, o Outcome) error {
	if d.JSON {
		return nil
	}
	return writeRound(d.Stdout, n, o)
}

func writeRound(out io.Writer, n int, o Outcome) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "\nRound %d, %s to %s: %d events, relay killed %d×, sink killed %d×\n",
		n, o.From.Format(time.TimeOnly), o.To.Format(time.TimeOnly), o.Events, o.Killed[hopRel], o.Killed[hopSnk])
	_, _ = fmt.Fprintln(t, "kind\tplanted\tnamed by Rollcall\tdifference\t")
	for _, kind := range kindsOf(o) {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t\n", kind, len(o.Planted[kind]), len(o.Named[kind]), difference(o, kind))
	}
	_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t\n", kindDelayed, o.Delayed.Planted, o.Delayed.Slow, o.Delayed.difference(o.Killed[hopRel] > 0))
	for _, u := range o.Undecided {
		_, _ = fmt.Fprintf(t, "not decided: %s\n", u)
	}
	for _, s := range o.MissedNames {
		_, _ = fmt.Fprintf(t, "missed: %s %s on %s\n", s.UID, s.Kind, s.Edge)
	}
	for _, s := range o.FalseNames {
		_, _ = fmt.Fprintf(t, "false: %s %s on %s\n", s.UID, s.Kind, s.Edge)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the round: %w", err)
	}
	return nil
}

// kindsOf returns the kinds that are planted, then any other that was named.
func kindsOf(o Outcome) []string {
	kinds := []string{kindLost, kindDuplicated, kindCorrupt, kindFiltered, kindInvalid}
	for _, kind := range []string{"redelivered", "unexpected", "rejected", "skewed"} {
		if len(o.Named[kind]) > 0 {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// difference says how many names of a kind are missed and how many are false.
func difference(o Outcome, kind string) string {
	missed, wrong := count(o.MissedNames, kind), count(o.FalseNames, kind)
	if missed == 0 && wrong == 0 {
		return "none"
	}
	return fmt.Sprintf("%d missed, %d false", missed, wrong)
}

// difference says how many events that were held back are not in the latencies. A histogram has no names: where the relay was killed, what waited
// for it may be as slow and stand for one that is missed, so that the comparison is a lower bound; where it was not, it is exact unless the machine itself
// held events up for as long, and that is said.
func (d Delayed) difference(killed bool) string {
	missed, others := d.missed(), d.Slow-min(d.Slow, d.Planted)
	switch {
	case killed && missed == 0:
		return fmt.Sprintf("none at least, %d others as slow after a kill", others)
	case killed:
		return fmt.Sprintf("%d missed at least", missed)
	case missed > 0:
		return fmt.Sprintf("%d missed", missed)
	case others > 0:
		return fmt.Sprintf("none, %d others as slow without a kill", others)
	}
	return "none"
}

func count(names []saying, kind string) int {
	n := 0
	for _, s := range names {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// report prints the whole outcome as JSON where that was asked for, and says whether it is good.
func (d *demo) report() error {
	if d.JSON {
		encoder := json.NewEncoder(d.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(map[string]any{"rounds": d.outcomes, "windows": d.states}); err != nil {
			return fmt.Errorf("print the outcome: %w", err)
		}
	}
	if d.missed+d.wrong+d.undecided > 0 {
		return fmt.Errorf("%w: %d missed, %d false, %d not decided", ErrDifference, d.missed, d.wrong, d.undecided)
	}
	return nil
}
