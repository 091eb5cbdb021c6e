package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/embedded"
)

const (
	poll       = 20 * time.Millisecond
	startLimit = 2 * time.Minute
	// factLimit is how long a fact is waited for: only what never comes about takes so long.
	factLimit = 3 * time.Minute
)

// instance is one life of a process.
type instance interface {
	PID() int
	Done() <-chan struct{}
	Err() error // how it ended; nil while it runs
}

// target is something that can be killed and comes back on the same data and port.
type target struct {
	name  string
	begin func(context.Context) (instance, error) // returns once it is ready
	log   string                                  // of an embedded service
	// worked grows with the work of the current life.
	worked func(context.Context) (int64, error)

	mu     sync.Mutex
	now    instance // nil while none is ready
	lives  int
	kills  int
	deaths int // that nobody ordered
	ending bool
	ended  chan struct{}
}

// run begins one life after the other until end.
func (g *target) run(t *testing.T) {
	g.ended = make(chan struct{})
	t.Cleanup(func() { g.end() })
	go func() {
		defer close(g.ended)
		for !g.isEnding() {
			g.live(t)
		}
	}()
}

func (g *target) live(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	life, err := g.begin(ctx)
	if err != nil {
		g.mu.Lock()
		g.deaths++
		g.mu.Unlock()
		await(ctx, 100*time.Millisecond)
		return
	}
	g.mu.Lock()
	g.now = life
	g.lives++
	ending := g.ending
	g.mu.Unlock()
	if ending {
		_ = syscall.Kill(life.PID(), syscall.SIGKILL)
	}
	<-life.Done()
	g.mu.Lock()
	g.now = nil
	if !g.ending && !strings.Contains(life.Err().Error(), "killed") {
		g.deaths++
		t.Logf("%s ended by itself: %v%s", g.name, life.Err(), g.last())
	}
	g.mu.Unlock()
}

// last returns the end of the log of an embedded service that died: the next life begins it anew.
func (g *target) last() string {
	if g.log == "" {
		return ""
	}
	text, err := os.ReadFile(g.log)
	return fmt.Sprintf("; its log ends with %v:\n%s", err, text[max(0, len(text)-1500):])
}

func (g *target) isEnding() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ending
}

// end kills the last life; there is none afterwards.
func (g *target) end() {
	g.mu.Lock()
	g.ending = true
	if g.now != nil {
		_ = syscall.Kill(g.now.PID(), syscall.SIGKILL)
	}
	g.mu.Unlock()
	<-g.ended
}

func (g *target) life() (instance, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.lives
}

// atWork waits until a life has done something, and returns it.
func (g *target) atWork(ctx context.Context) (instance, error) {
	base, of := int64(-1), 0
	for {
		life, lives := g.life()
		n, err := g.worked(ctx)
		switch {
		case life == nil || err != nil:
		case of != lives:
			base, of = n, lives
		case n > base:
			return life, nil
		}
		if !await(ctx, poll) {
			return nil, fmt.Errorf("%s does no work in its life %d (%d): %w", g.name, lives, n, errors.Join(err, ctx.Err()))
		}
	}
}

// kill waits until the process works, a little longer, and kills it. It fails when the process was not there to be killed.
func (g *target) kill(ctx context.Context, after time.Duration) error {
	life, err := g.atWork(ctx)
	if err != nil {
		return err
	}
	await(ctx, after)
	select {
	case <-life.Done(): // by itself meanwhile, for what it needs was killed: the next life then
		return nil
	default:
	}
	if err := syscall.Kill(life.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", g.name, err)
	}
	<-life.Done()
	if strings.Contains(life.Err().Error(), "killed") {
		g.mu.Lock()
		g.kills++
		g.mu.Unlock()
	}
	return nil
}

// child is a process of this test binary in another role.
type child struct {
	cmd      *exec.Cmd
	lifeLine io.Closer
	ready    chan struct{} // closed when it said so
	done     chan struct{}
	err      error
}

func (c *child) PID() int              { return c.cmd.Process.Pid }
func (c *child) Done() <-chan struct{} { return c.done }

func (c *child) Err() error {
	select {
	case <-c.done:
		return errors.Join(errors.New("it ended"), c.err)
	default:
		return nil
	}
}

// launch starts a child; what it says on standard error is added to a file.
func launch(variable string, config any, log string) (*child, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &child{cmd: exec.Command(os.Args[0]), ready: make(chan struct{}), done: make(chan struct{})}
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), variable+"="+string(text)), file
	if c.lifeLine, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	said, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.listen(said)
	return c, nil
}

func (c *child) listen(said io.Reader) {
	once := sync.OnceFunc(func() { close(c.ready) })
	for lines := bufio.NewScanner(said); lines.Scan(); {
		once()
	}
	c.err = c.cmd.Wait()
	close(c.done)
}

// until waits for the child to be ready by what met says, or for its end.
func (c *child) until(ctx context.Context, met func() bool) (instance, error) {
	for !met() {
		select {
		case <-c.done:
			return nil, c.Err()
		default:
		}
		if !await(ctx, poll) {
			_ = c.cmd.Process.Kill()
			<-c.done
			return nil, fmt.Errorf("it did not get ready: %w", ctx.Err())
		}
	}
	return c, nil
}

func (c *child) isReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// clickHouse and kafka begin an embedded service in a directory, on the port it had there.
func clickHouse(dir, library string) func(context.Context) (instance, error) {
	return func(ctx context.Context) (instance, error) {
		s, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: dir, Library: library, Unsynced: true})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

func kafka(dir string) func(context.Context) (instance, error) {
	return func(ctx context.Context) (instance, error) {
		k, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: dir, Unsynced: true})
		if err != nil {
			return nil, err
		}
		return k, nil
	}
}

// await waits and says whether ctx still holds.
func await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// eventually waits for a fact.
func eventually(t *testing.T, what string, met func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	defer cancel()
	for last := error(nil); ; {
		err := met(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err // not that of the end itself
		}
		if !await(ctx, 5*poll) {
			t.Fatalf("%s did not come about: %v", what, last)
		}
	}
}

// quote fails a test with the end of what processes said.
func quote(t *testing.T, paths ...string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	for _, path := range paths {
		text, _ := os.ReadFile(path) // a process that was never started said nothing
		t.Logf("%s ends with:\n%s", filepath.Base(path), text[max(0, len(text)-4000):])
	}
}
