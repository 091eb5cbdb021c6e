package access

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testNow = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

// logged is a log that tests read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newMetrics(t *testing.T) *Metrics {
	t.Helper()
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func valueOf(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// create puts a token into the file and returns its text.
func create(t *testing.T, path, name string, role Role, expires time.Time) string {
	t.Helper()
	one, text, err := NewToken(name, role, expires, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if err := Change(path, func(f *File) (bool, error) { return true, f.Add(one) }); err != nil {
		t.Fatal(err)
	}
	return text
}

func revoke(t *testing.T, path, name string) {
	t.Helper()
	err := Change(path, func(f *File) (bool, error) {
		_, changed, err := f.Revoke(name, testNow)
		return changed, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until met, and fails the test after most.
func eventually(t *testing.T, most time.Duration, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(most); !met(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", most, what)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func inDir(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
