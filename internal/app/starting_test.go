package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// startClickHouse and startKafka start a service in a directory; in the same one it has the same address again.
func startClickHouse(t *testing.T, dir string) *embedded.ClickHouse {
	t.Helper()
	c, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseConfig{Dir: filepath.Join(dir, "clickhouse"), Library: testenv.Library(t), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

func startKafka(t *testing.T, dir string) *embedded.Kafka {
	t.Helper()
	k, err := embedded.StartKafka(t.Context(), embedded.KafkaConfig{Dir: filepath.Join(dir, "kafka"), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop(context.Background()) })
	return k
}

// freeAddress returns an address on loopback that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a server in this process until the test ends it, and says how it ended.
func run(t *testing.T, c Config) (p *process, end context.CancelFunc, ended <-chan error) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	done, all := make(chan error, 1), sync.WaitGroup{}
	all.Go(func() { done <- Run(ctx, c) })
	t.Cleanup(func() { end(); all.Wait() })
	return &process{t: t, url: "http://" + c.Listen}, end, done
}

func TestAServerStartsBeforeItsServicesAndIsReadyByItselfOnceTheyAreThere(t *testing.T) {
	dir := t.TempDir()
	clickhouse, kafka := startClickHouse(t, dir), startKafka(t, dir)
	config := Config{
		Listen: freeAddress(t), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), KafkaBrokers: kafka.Brokers(),
		ClickHouse: store.Config{Addrs: []string{clickhouse.Addr()}, User: "default"},
	}
	for _, stop := range []func(context.Context) error{clickhouse.Stop, kafka.Stop} {
		if err := stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p, end, ended := run(t, config)
	says := func(status int, text string) func() bool {
		return func() bool { got, body := p.ask("/readyz"); return got == status && strings.Contains(body, text) }
	}
	now := time.Now().UTC()
	report := lossy(now.Add(-10*time.Minute).Truncate(time.Minute), now, 9, 1)
	waits := func(what string) {
		t.Helper()
		until(t, "it says that it waits for "+what, says(http.StatusServiceUnavailable, what+" does not answer"))
		if status, _ := p.ask("/healthz"); status != http.StatusOK {
			t.Errorf("without %s it does not live: %d", what, status)
		}
		if status := p.post(report); status != http.StatusServiceUnavailable {
			t.Errorf("without %s reports are answered %d", what, status)
		}
	}
	waits("ClickHouse")
	startClickHouse(t, dir)
	waits("Kafka")
	startKafka(t, dir)
	until(t, "it is ready", says(http.StatusOK, "ok"))
	if status := p.post(report); status != http.StatusOK {
		t.Errorf("once it is ready reports are answered %d", status)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAServerThatWaitsForItsServicesEndsInOrderWhenItIsTold(t *testing.T) {
	config := Config{
		Listen: freeAddress(t), Log: slog.New(slog.DiscardHandler), KafkaBrokers: []string{freeAddress(t)},
		ClickHouse: store.Config{Addrs: []string{freeAddress(t)}, User: "default"},
	}
	p, end, ended := run(t, config)
	until(t, "it waits", func() bool { _, body := p.ask("/readyz"); return strings.Contains(body, "ClickHouse does not answer") })
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if status, _ := p.ask("/healthz"); status != 0 {
		t.Errorf("it still answers: %d", status)
	}
}

func TestADatabaseOfAnotherSchemaEndsTheStart(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	where := store.Config{Addrs: []string{addr}, Database: database, User: "default"}
	s, err := store.Connect(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := fstest.MapFS{"0001_reports_in.sql": {Data: []byte("CREATE TABLE IF NOT EXISTS other (x UInt8) ENGINE = Memory")}}
	if _, err := s.Migrate(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Listen: "127.0.0.1:0", KafkaBrokers: testenv.Kafka(t), ClickHouse: where, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "migration 0001_reports_in.sql") || !strings.Contains(err.Error(), "another text") {
		t.Errorf("%v; want it to name the step that differs", err)
	}
}

func TestWhatIsAwayIsTriedAgainAtGrowingIntervalsAndEachIsLogged(t *testing.T) {
	for _, away := range []error{store.ErrAway, kafkaAway(&net.OpError{Op: "dial", Err: errors.New("refused")}), kafkaAway(io.EOF)} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			a := &App{log: slog.New(slog.NewTextHandler(&log, nil)), failed: make(chan error, 1)}
			var at []time.Time
			err := a.begin(t.Context(), func(context.Context) error {
				if at = append(at, time.Now()); len(at) <= 20 {
					return fmt.Errorf("try: %w", away)
				}
				return nil
			})
			if err != nil || len(at) != 21 {
				t.Fatalf("%d attempts, %v", len(at), err)
			}
			if first, last := at[1].Sub(at[0]), at[20].Sub(at[19]); first > time.Second || last < longestWait/2 || last > 2*longestWait {
				t.Errorf("it waits %v at first and %v at last", first, last)
			}
			if n := strings.Count(log.String(), "try: "); n != 20 {
				t.Errorf("%d of 20 are logged", n)
			}
		})
	}
}

func TestWaitingEndsWhenAnotherPartHasFailedOrWaitingCuresNothing(t *testing.T) {
	wrong, ended := errors.New("the password is wrong"), errors.New("embedded Kafka ended")
	a := &App{log: slog.New(slog.DiscardHandler), failed: make(chan error, 1)}
	if err := a.begin(t.Context(), func(context.Context) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("%v; want %v", err, wrong)
	}
	a.failed <- ended
	if err := a.begin(t.Context(), func(context.Context) error { return store.ErrAway }); !errors.Is(err, ended) {
		t.Errorf("%v; want %v", err, ended)
	}
}

func TestAServerWhoseStoreHangsAtItsStartIsReadyOnceItAnswers(t *testing.T) {
	addr, database := testenv.ClickHouse(t)
	gate := testenv.NewGate(t, addr)
	gate.Shut()
	p, end, ended := run(t, Config{
		Listen: freeAddress(t), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), KafkaBrokers: testenv.Kafka(t),
		ClickHouse: store.Config{Addrs: []string{gate.Addr()}, Database: database, User: "default"},
	})
	until(t, "it says why it is not ready", func() bool { _, body := p.ask("/readyz"); return strings.Contains(body, "ClickHouse does not answer") })
	gate.Open()
	until(t, "it is ready", p.ready)
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
