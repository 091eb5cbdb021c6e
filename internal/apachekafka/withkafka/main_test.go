package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestCommandIsGivenABrokerThatEndsWithIt(t *testing.T) {
	testenv.ApacheKafka(t) // there is one here
	said := filepath.Join(t.TempDir(), "said")
	if code := run([]string{"sh", "-c", `echo "$0" >"$1"; exit 7`, "{}", said}); code != 7 {
		t.Errorf("exit code %d, want the command's, 7", code)
	}
	addr, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	where := strings.TrimSpace(string(addr))
	if !strings.HasPrefix(where, "127.0.0.1:") {
		t.Fatalf("the command was given %q", where)
	}
	if c, err := net.Dial("tcp", where); err == nil {
		_ = c.Close()
		t.Errorf("the broker at %s is still there", where)
	}
}

func TestWithoutACommandItSaysHowItIsUsed(t *testing.T) {
	if code := run(nil); code != wrongUse {
		t.Errorf("exit code %d, want %d", code, wrongUse)
	}
}
