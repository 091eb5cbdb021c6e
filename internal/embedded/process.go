package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

const (
	startAttempts = 5
	killPatience  = 5 * time.Second // after SIGKILL, until the process is given up as unkillable
	tailBytes     = 2000            // of a dead child's log, quoted in the error
)

// process is a running child as its parent sees it.
type process struct {
	kind     string
	cmd      *exec.Cmd
	lifeline io.Closer
	status   status
	done     chan struct{} // closed when the child has ended and was waited for
	err      error         // how it ended; read after done
}

// launch starts the child for kind with its settings and waits until it serves. A child that lost the race for its
// port is started again.
func launch(ctx context.Context, kind, dir string, settings any) (*process, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("encode settings of embedded %s: %w", kind, err)
	}
	for attempt := 1; ; attempt++ {
		p, err := spawn(kind, dir, string(text))
		if err != nil {
			return nil, fmt.Errorf("start embedded %s: %w", kind, err)
		}
		err = p.awaitStatus(ctx, dir)
		if err == nil {
			return p.process, nil
		}
		if !errors.Is(err, errPortTaken) || attempt == startAttempts {
			return nil, fmt.Errorf("start embedded %s in %s: %w", kind, dir, err)
		}
	}
}

// spawned is a child just started, with the pipe its status comes from.
type spawned struct {
	*process
	report *os.File
}

func spawn(kind, dir, settings string) (*spawned, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	log, err := os.Create(logPath(kind, dir))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	pipes, err := makePipes()
	if err != nil {
		return nil, err
	}
	defer pipes.closeChildEnds()
	cmd := exec.Command(executable, settings)
	cmd.Env = append(os.Environ(), kindVariable+"="+kind, "TZ=UTC")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{pipes.lifelineRead, pipes.statusWrite}
	cmd.SysProcAttr = childAttributes()
	p := &process{kind: kind, cmd: cmd, lifeline: pipes.lifelineWrite, done: make(chan struct{})}
	if err := p.run(); err != nil {
		return nil, errors.Join(err, pipes.lifelineWrite.Close(), pipes.statusRead.Close())
	}
	return &spawned{process: p, report: pipes.statusRead}, nil
}

func logPath(kind, dir string) string { return filepath.Join(dir, kind+".stderr.log") }

// pipes are the lifeline and the status, each with the end that the child gets.
type pipes struct {
	lifelineRead, lifelineWrite *os.File
	statusRead, statusWrite     *os.File
}

func makePipes() (pipes, error) {
	var p pipes
	var err error
	if p.lifelineRead, p.lifelineWrite, err = os.Pipe(); err != nil {
		return p, err
	}
	if p.statusRead, p.statusWrite, err = os.Pipe(); err != nil {
		return p, errors.Join(err, p.lifelineRead.Close(), p.lifelineWrite.Close())
	}
	return p, nil
}

func (p pipes) closeChildEnds() {
	p.lifelineRead.Close()
	p.statusWrite.Close()
}

// run starts the command and waits for its end, both on one thread. The kernel sends the parent-death signal when
// the *thread* that started the child ends, and the Go runtime ends idle threads as it likes, so this thread is
// kept, locked, for as long as the child lives.
func (p *process) run() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return <-started
}

// awaitStatus returns when the child serves, has ended, or ctx is done; in the last two cases it is gone.
func (s *spawned) awaitStatus(ctx context.Context, dir string) error {
	defer s.report.Close()
	heard := make(chan error, 1)
	go func() { heard <- json.NewDecoder(s.report).Decode(&s.status) }()
	select {
	case err := <-heard:
		if err != nil {
			err = fmt.Errorf("it ended before it served; its log ends with:\n%s", tail(logPath(s.kind, dir)))
		} else if err = s.status.err(); err == nil {
			return nil
		}
		return errors.Join(err, s.kill())
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("not ready in time: %w", context.Cause(ctx)), s.kill())
	}
}

// stop ends the child in order and, when ctx is done first, at once. It may be called more than once.
func (p *process) stop(ctx context.Context) error {
	_ = p.lifeline.Close() // a second close is refused and means nothing
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop embedded %s: killed: %w", p.kind, context.Cause(ctx)), p.kill())
	}
}

// kill ends the child at once and waits until it is gone.
func (p *process) kill() error {
	_ = p.lifeline.Close()
	_ = p.cmd.Process.Kill() // refused only when it has ended, which done tells
	select {
	case <-p.done:
		return nil
	case <-time.After(killPatience):
		return fmt.Errorf("kill embedded %s: process %d is still there", p.kind, p.cmd.Process.Pid)
	}
}

// ended returns nil while the child runs and how it ended afterwards.
func (p *process) ended() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	if p.err == nil {
		return fmt.Errorf("embedded %s ended", p.kind)
	}
	return fmt.Errorf("embedded %s ended: %w", p.kind, p.err)
}

// tail returns the end of a file, for a message.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-tailBytes):]))
}
