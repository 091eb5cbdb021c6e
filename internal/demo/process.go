package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"
)

const (
	readyWord   = "ready"
	readyWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	restarts    = 5 // deaths nobody ordered, after which the demo gives up
)

// process is one hop: a child process that is started again when it dies, until it is told to stop or ends well.
// Its standard input is its life line: where that ends, the child stops, so nothing outlives the demo.
type process struct {
	name   string
	logger *slog.Logger
	// command makes the child of one life; Stdin and Stdout are not set.
	command func() *exec.Cmd
	// patience is how long a child may take to end.
	patience time.Duration

	mu       sync.Mutex
	current  *exec.Cmd
	lifeLine io.Closer
	stopping bool
	killed   bool // the current child was killed on purpose
	kills    int

	ready chan struct{} // closed once the first child is ready
	ended chan struct{} // closed when no child runs and none will
	err   error         // why it ended; valid once ended is closed
}

func newProcess(name string, logger *slog.Logger, command func() *exec.Cmd) *process {
	return &process{name: name, logger: logger, command: command, patience: stopWithin, ready: make(chan struct{}), ended: make(chan struct{})}
}

// start starts the first child and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	go p.live()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("start the %s: %w", p.name, errors.Join(p.err, errors.New("it ended before it was ready")))
	case <-ctx.Done():
		return fmt.Errorf("start the %s: it is not ready: %w", p.name, ctx.Err())
	}
}

// live runs one child after the other.
func (p *process) live() {
	defer close(p.ended)
	var once sync.Once
	for deaths := 0; ; {
		err := p.life(func() { once.Do(func() { close(p.ready) }) })
		p.mu.Lock()
		wanted, stop := p.killed, p.stopping || err == nil
		p.killed = false
		p.mu.Unlock()
		switch {
		case stop && !wanted:
			if err != nil {
				p.err = fmt.Errorf("the %s did not end well: %w", p.name, err)
			}
			return
		case stop:
			return
		case !wanted:
			deaths++
			p.logger.Warn("a hop died by itself and is started again", "hop", p.name, "error", err)
		}
		if deaths > restarts {
			p.err = fmt.Errorf("the %s died %d times, the last time of: %w", p.name, deaths, err)
			return
		}
	}
}

// life runs one child to its end.
func (p *process) life(ready func()) error {
	child := p.command()
	detach(child)
	lifeLine, err := child.StdinPipe()
	if err != nil {
		return err
	}
	said, err := child.StdoutPipe()
	if err != nil {
		return errors.Join(err, lifeLine.Close())
	}
	if err := p.launch(child, lifeLine); err != nil {
		return err
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if lines.Text() == readyWord {
			ready()
		}
	}
	return child.Wait()
}

// launch starts a child, unless the process was told to stop meanwhile.
func (p *process) launch(child *exec.Cmd, lifeLine io.Closer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return errors.Join(context.Canceled, lifeLine.Close())
	}
	if err := child.Start(); err != nil {
		return err
	}
	p.current, p.lifeLine = child, lifeLine
	p.logger.Info("a hop started", "hop", p.name, "pid", child.Process.Pid)
	return nil
}

// kill ends the current child with SIGKILL; another follows at once.
func (p *process) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	p.kills++
	p.logger.Info("a hop is killed", "hop", p.name, "pid", p.current.Process.Pid)
	if err := p.current.Process.Kill(); err != nil {
		return fmt.Errorf("kill the %s: %w", p.name, err)
	}
	return nil
}

// takeKills returns how often the process was killed since the last time.
func (p *process) takeKills() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.kills
	p.kills = 0
	return n
}

// stop tells the child to end, waits for it, and kills it when it does not.
func (p *process) stop(ctx context.Context) error {
	p.mu.Lock()
	p.stopping = true
	if p.lifeLine != nil {
		_ = p.lifeLine.Close()
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if p.current != nil {
		_ = p.current.Process.Kill()
	}
	p.mu.Unlock()
	<-p.ended
	return fmt.Errorf("stop the %s: it did not end within %s and was killed", p.name, p.patience)
}
