package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

// serveVariable makes the test binary a server: its value is a place, as JSON.
const serveVariable = "ROLLCALL_TEST_SERVE"

// place is where a server in a process of its own finds what it shares with others.
type place struct {
	Role                 Role
	ClickHouse, Database string
	Brokers              []string
	Hook                 string        // who is called of incidents; empty: nobody
	Hold                 time.Duration // how long an incident must stand before
	Beat                 string        // address of heartbeats; empty: there are none
}

// notify is whom the server tells, quickly.
func (p place) notify() notify.Config {
	c := notify.Config{Hold: p.Hold, Look: 100 * time.Millisecond, Beat: 100 * time.Millisecond, Timeout: time.Second}
	if p.Hook != "" {
		c.Receivers = append(c.Receivers, notify.Receiver{Name: "oncall", Type: notify.Webhook, URL: p.Hook, AllowPrivate: true})
	}
	if p.Beat != "" {
		c.Receivers = append(c.Receivers, notify.Receiver{Name: "beat", Type: notify.Heartbeat, URL: p.Beat, AllowPrivate: true})
	}
	return c
}

// serveChild serves until it is told to end, as main does; it says its address on standard output.
func serveChild(text string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var at place
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	a, err := Start(ctx, Config{
		Role: at.Role, Listen: "127.0.0.1:0", Version: "test", KafkaBrokers: at.Brokers,
		ClickHouse: store.Config{Addrs: []string{at.ClickHouse}, Database: at.Database, User: "default"},
		Notify:     at.notify(),
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(a.URL())
	<-ctx.Done()
	if err := a.Stop(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// site is a ClickHouse and a Kafka that several processes share.
type site struct {
	t       *testing.T
	place   place
	store   *store.Store
	brokers []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s := &site{t: t, brokers: testenv.Kafka(t)}
	where := store.Config{Addrs: []string{addr}, Database: database, User: "default"}
	s.place = place{ClickHouse: addr, Database: database, Brokers: s.brokers}
	var err error
	if s.store, err = store.Connect(t.Context(), where); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	if _, err := s.store.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s
}

// process is a server in a process of its own.
type process struct {
	t   *testing.T
	url string
	cmd *exec.Cmd
}

func (s *site) start(role Role) *process {
	s.t.Helper()
	at := s.place
	at.Role = role
	text, err := json.Marshal(at)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &process{t: s.t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), serveVariable+"="+string(text))
	p.cmd.Stderr = s.t.Output()
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("a server with the role %s did not start: %v", role, err)
	}
	p.url = strings.TrimSpace(line)
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as kill -9 does, unless it has ended.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it says that it was killed
	}
}

// end ends the process in order.
func (p *process) end() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("it did not end in order: %v", err)
	}
}

// ask returns the status and the body of an answer; the status is 0 when there is none.
func (p *process) ask(path string) (int, string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(p.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

func (p *process) ready() bool { status, _ := p.ask("/readyz"); return status == http.StatusOK }

func (p *process) status() api.Status {
	p.t.Helper()
	var s api.Status
	if status, text := p.ask("/api/v1/status"); status != http.StatusOK {
		p.t.Fatalf("status: %d %s", status, text)
	} else if err := json.Unmarshal([]byte(text), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

var sharesHeld = regexp.MustCompile(`(?m)^rollcall_reconcile_shares (\d+)`)

// shares is how many shares of the streams the process judges, as its metrics say.
func (p *process) shares() int {
	_, text := p.ask("/metrics")
	found := sharesHeld.FindStringSubmatch(text)
	if found == nil {
		return -1
	}
	n, _ := strconv.Atoi(found[1]) // digits
	return n
}

// until waits for something to become true and returns how long it took.
func until(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	tick, limit := time.NewTicker(50*time.Millisecond), time.NewTimer(90*time.Second)
	defer tick.Stop()
	defer limit.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited too long: %s", what)
		}
	}
	return time.Since(begun)
}
