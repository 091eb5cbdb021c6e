package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

// asChild names what the test binary does when it is started as a child.
const asChild = "ROLLCALL_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(asChild); role != "" {
		os.Exit(beChild(role, os.Getenv(asChild+"_LIVES")))
	}
	if text := os.Getenv(hopVariable); text != "" {
		os.Exit(beHop(text))
	}
	os.Exit(testenv.Main(m))
}

// beChild adds a line to the file of lives and behaves as the role says.
func beChild(role, lives string) int {
	file, err := os.OpenFile(lives, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 2
	}
	_, _ = fmt.Fprintln(file, os.Getpid())
	_ = file.Close()
	if role == "broken" {
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, readyWord)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if role == "deaf" {
		select {}
	}
	return 0
}

// child returns a process that plays a role, and a function that counts its lives.
func child(t *testing.T, role string) (*process, func() int) {
	t.Helper()
	lives := filepath.Join(t.TempDir(), "lives")
	p := newProcess(role, slog.New(slog.DiscardHandler), func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), asChild+"="+role, asChild+"_LIVES="+lives)
		return c
	})
	return p, func() int {
		text, err := os.ReadFile(lives)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("\n"))
	}
}

func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s did not come about", what)
		}
	}
}

func TestKilledHopComesBackAndEndsWithItsLifeLine(t *testing.T) {
	ctx := context.Background()
	p, lives := child(t, "good")
	if err := p.start(ctx); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2*restarts; n++ {
		if err := p.kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another life", func() bool { return lives() == n+1 })
	}
	if n := p.takeKills(); n != 2*restarts {
		t.Errorf("%d kills counted, want %d", n, 2*restarts)
	}
	if err := p.stop(ctx); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
	if n := lives(); n != 2*restarts+1 {
		t.Errorf("%d lives after the end", n)
	}
}

func TestHopThatDiesByItselfIsGivenUp(t *testing.T) {
	p, lives := child(t, "broken")
	err := p.start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "died 6 times") {
		t.Errorf("a hop that cannot live is said to be: %v", err)
	}
	if n := lives(); n != restarts+1 {
		t.Errorf("it was started %d times, want %d", n, restarts+1)
	}
}

func TestHopThatDoesNotEndIsKilled(t *testing.T) {
	p, _ := child(t, "deaf")
	if err := p.start(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.patience = 50 * time.Millisecond
	if err := p.stop(context.Background()); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("it is said to have ended: %v", err)
	}
	<-p.ended
}
