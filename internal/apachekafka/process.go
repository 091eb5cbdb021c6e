package apachekafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	killPatience = 10 * time.Second // after SIGKILL, until the process is given up as unkillable
	tailBytes    = 3000             // of the log, quoted in an error
)

// child is a Java process that runs, and the guard that ends it with this one.
type child struct {
	command *exec.Cmd
	guard   *exec.Cmd
	line    io.Closer     // of the guard, open while this process lives
	done    chan struct{} // closed when the process has ended and was waited for
	err     error         // how it ended; read after done
}

// javaCommand runs a class of the jars in a small heap.
func (b *Broker) javaCommand(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, b.java, append([]string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		"-cp", filepath.Join(b.jars, "*"), class,
	}, args...)...)
}

// launch starts the broker with its configuration. The process outlives the call, so no context ends it.
func (b *Broker) launch() (*child, error) {
	log, err := os.OpenFile(b.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &child{done: make(chan struct{})}
	c.command = b.javaCommand(context.Background(), "kafka.Kafka", b.propertiesPath())
	c.command.Stdout, c.command.Stderr = log, log
	c.command.SysProcAttr = ownGroup()
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.command.Wait()
		close(c.done)
	}()
	if err := c.watch(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the guard of the broker: %w", err), c.kill())
	}
	return c, nil
}

// ownGroup keeps Ctrl-C in a terminal from a child: its parent stops it in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// watch starts the guard: a shell that reads a pipe which nobody writes to. The pipe ends with this process, be it
// killed, and then the guard kills the broker.
func (c *child) watch() (err error) {
	c.guard = exec.Command("/bin/sh", "-c", `read -r _; kill -9 "$0"`, strconv.Itoa(c.command.Process.Pid))
	c.guard.SysProcAttr = ownGroup()
	if c.line, err = c.guard.StdinPipe(); err != nil {
		return err
	}
	return c.guard.Start()
}

// dismiss ends the guard of a broker that is gone, before another process gets its id.
func (c *child) dismiss() {
	if c.guard.Process == nil {
		return
	}
	_ = c.guard.Process.Kill() // it may have ended with the broker
	_ = c.guard.Wait()         // killed is how it ends
}

// stop ends the process in order and, when ctx is done first, at once.
func (c *child) stop(ctx context.Context) error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // refused only when it has ended, which done tells
	select {
	case <-c.done:
		c.dismiss()
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop apache kafka: killed: %w", context.Cause(ctx)), c.kill())
	}
}

// kill ends the process at once and waits until it is gone.
func (c *child) kill() error {
	defer c.dismiss()
	_ = c.command.Process.Kill() // refused only when it has ended, which done tells
	select {
	case <-c.done:
		return nil
	case <-time.After(killPatience):
		return fmt.Errorf("kill apache kafka: process %d is still there", c.command.Process.Pid)
	}
}

// ended says how the process ended; only after done.
func (c *child) ended() error {
	if c.err == nil {
		return errors.New("it ended by itself")
	}
	return c.err
}

// tail returns the end of a file, for a message.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-tailBytes):]))
}
