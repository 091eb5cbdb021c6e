package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/embedded"
)

// dieVariable makes the test binary a parent that starts the named services, says their process ids, and waits to be killed.
const dieVariable = "ROLLCALL_TEST_PARENT_DIR"

func TestMain(m *testing.M) {
	if handled, code := embedded.Child(os.Args); handled {
		os.Exit(code)
	}
	if dir := os.Getenv(dieVariable); dir != "" {
		os.Exit(beParent(dir))
	}
	os.Exit(m.Run())
}

// beParent starts both services and prints a line with their process ids. It then waits for its end.
func beParent(dir string) int {
	ctx := context.Background()
	clickHouse, err := embedded.StartClickHouse(ctx, embedded.ClickHouseConfig{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	kafka, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: filepath.Join(dir, "kafka")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, clickHouse.PID(), kafka.PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestChildrenEndWithTheirParentAndTheDirectoriesOpenAtOnce(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), dieVariable+"="+dir)
	parent.Stderr = os.Stderr
	hold, err := parent.StdinPipe()
	fatal(t, err)
	defer hold.Close()
	said, err := parent.StdoutPipe()
	fatal(t, err)
	fatal(t, parent.Start())
	line, err := bufio.NewReader(said).ReadString('\n')
	fatal(t, err)

	fatal(t, parent.Process.Kill())
	_ = parent.Wait() // killed, as wanted
	startClickHouse(t, filepath.Join(dir, "clickhouse"))
	startKafka(t, filepath.Join(dir, "kafka"))
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		fatal(t, err)
		eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool {
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		})
	}
}

func TestAProcessNobodyStartedAsAChildGoesOn(t *testing.T) {
	if handled, _ := embedded.Child([]string{"rollcall", "serve"}); handled {
		t.Error("Child took over a process that was not started as one")
	}
}

func TestAMissingLibraryIsNamedWithTheCure(t *testing.T) {
	t.Setenv(embedded.LibraryVariable, filepath.Join(t.TempDir(), "none.so"))
	_, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: t.TempDir()})
	if !errors.Is(err, embedded.ErrNoLibrary) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("err = %v, want ErrNoLibrary with its cure", err)
	}
}

func TestAFileThatIsNoLibraryFailsTheStartWithItsName(t *testing.T) {
	fake := filepath.Join(t.TempDir(), "fake.so")
	fatal(t, os.WriteFile(fake, []byte("no library"), 0o600))
	_, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: t.TempDir(), Library: fake})
	if err == nil || !strings.Contains(err.Error(), fake) {
		t.Errorf("err = %v, want one that names %s", err, fake)
	}
}

func needLibrary(t *testing.T) {
	t.Helper()
	if _, err := embedded.FindLibrary(); err == nil {
		return
	}
	built, err := filepath.Abs(filepath.Join("..", "..", "bin", "lib", embedded.LibraryName))
	fatal(t, err)
	if _, err := os.Stat(built); err == nil {
		t.Setenv(embedded.LibraryVariable, built)
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the ClickHouse library is missing: run `make build`")
	}
	t.Skip("the ClickHouse library is missing: run `make build`")
}

func startClickHouse(t *testing.T, dir string) *embedded.ClickHouse {
	t.Helper()
	c, err := embedded.StartClickHouse(deadline(t), embedded.ClickHouseConfig{Dir: dir})
	fatal(t, err)
	t.Cleanup(func() { check(t, c.Stop(stopTime(t))) })
	return c
}

func startKafka(t *testing.T, dir string) *embedded.Kafka {
	t.Helper()
	k, err := embedded.StartKafka(deadline(t), embedded.KafkaConfig{Dir: dir})
	fatal(t, err)
	t.Cleanup(func() { check(t, k.Stop(stopTime(t))) })
	return k
}

// deadline bounds a start or a call on a busy machine.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// stopTime bounds a stop: a test's own context is already done in a cleanup.
func stopTime(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// killed ends a service as a crash does and waits until it is gone.
func killed(t *testing.T, pid int, done <-chan struct{}) {
	t.Helper()
	fatal(t, syscall.Kill(pid, syscall.SIGKILL))
	select {
	case <-done:
	case <-deadline(t).Done():
		t.Fatalf("process %d outlived SIGKILL", pid)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := deadline(t)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.Done():
			t.Fatalf("never came true: %s", what)
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
