package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rollcallhq/rollcall/internal/app"
	"github.com/rollcallhq/rollcall/internal/demo"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// The variables that make this test binary a process of the system under test, with what it is told.
const (
	serverVariable = "ROLLCALL_TEST_SERVER"
	hopVariable    = "ROLLCALL_TEST_HOP"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(serverVariable); text != "" {
		os.Exit(be(text, beServer))
	}
	if text := os.Getenv(hopVariable); text != "" {
		os.Exit(be(text, beHop))
	}
	os.Exit(testenv.Main(m))
}

// be runs a process of the system until SIGTERM, or until the test that started it is gone.
func be[C any](text string, run func(context.Context, C) error) int {
	var config C
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serverConfig is a server on services of others.
type serverConfig struct {
	Listen, ClickHouse, Database string
	Kafka                        []string
}

func beServer(ctx context.Context, c serverConfig) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends, the test has ended
		stop()
	}()
	return app.Run(ctx, c.app(slog.New(slog.NewTextHandler(os.Stderr, nil))))
}

func (c serverConfig) app(log *slog.Logger) app.Config {
	return app.Config{
		Listen: c.Listen, KafkaBrokers: c.Kafka, Version: "test", Log: log,
		ClickHouse: store.Config{Addrs: []string{c.ClickHouse}, Database: c.Database, User: "default"},
	}
}

func beHop(ctx context.Context, c demo.HopConfig) error {
	c.Stdin, c.Stdout, c.Logger = os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil))
	return demo.RunHop(ctx, c)
}
