package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/demo"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// system is a whole Rollcall and a pipeline that it audits, every part a process of its own but for the first hop.
type system struct {
	dir      string
	brokers  []string
	ask      *asker
	config   serverConfig
	targets  map[string]*target
	pipeline *pipeline
}

func startSystem(t *testing.T) *system {
	t.Helper()
	s := startServices(t, "", "")
	s.add(t, &target{name: "server", begin: s.server(s.config), worked: s.accepted})
	fatal(t, s.ask.configure(t.Context(), stream, "app..relay", "relay..sink"))
	s.pipeline = newPipeline(t, s.brokers, s.ask.base, filepath.Join(s.dir, "sink"))
	t.Cleanup(func() { s.diagnose(t) })
	s.add(t, &target{name: "relay", begin: s.hop("relay"), worked: s.pipeline.relayed})
	s.add(t, &target{name: "sink", begin: s.hop("sink"), worked: s.pipeline.stored})
	return s
}

// startServices starts ClickHouse and Kafka, in directories of their own unless others are given, and says how a server is to use them.
func startServices(t *testing.T, clickHouseDir, kafkaDir string) *system {
	t.Helper()
	library := testenv.Library(t)
	s := &system{dir: t.TempDir(), targets: map[string]*target{}}
	if clickHouseDir == "" {
		clickHouseDir = filepath.Join(s.dir, "clickhouse")
	}
	if kafkaDir == "" {
		kafkaDir = filepath.Join(s.dir, "kafka")
	}
	t.Cleanup(func() {
		quote(t, s.log("server"), s.log("relay"), s.log("sink"), filepath.Join(kafkaDir, "kafka.stderr.log"))
	})
	s.add(t, &target{name: "ClickHouse", begin: clickHouse(clickHouseDir, library), worked: s.inserts, log: filepath.Join(clickHouseDir, "clickhouse.log")})
	s.add(t, &target{name: "Kafka", begin: kafka(kafkaDir), worked: s.acks})
	s.brokers = s.service("Kafka").(*embedded.Kafka).Brokers()
	listen := freeAddress(t)
	s.ask = newAsker("http://" + listen)
	s.config = serverConfig{Listen: listen, ClickHouse: s.service("ClickHouse").(*embedded.ClickHouse).Addr(), Database: "chaos", Kafka: s.brokers}
	return s
}

// diagnose says, of a test that failed, how far ingest is and who reports.
func (s *system) diagnose(t *testing.T) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, path := range []string{"/api/v1/status", "/api/v1/streams/" + stream + "/emitters?limit=1000"} {
		var text string
		err := s.ask.do(ctx, http.MethodGet, path, nil, &text)
		t.Log(path, text, err)
	}
	groups, err := s.pipeline.admin.DescribeGroups(ctx, "rollcall.ingest")
	for _, g := range groups {
		t.Logf("group %s is %s with %d members, %v, %v", g.Group, g.State, len(g.Members), g.Err, err)
	}
}

// add runs a target and waits for its first life.
func (s *system) add(t *testing.T, g *target) {
	t.Helper()
	s.targets[g.name] = g
	g.run(t)
	eventually(t, "a first life of "+g.name, func(context.Context) error {
		if life, _ := g.life(); life == nil {
			return fmt.Errorf("%d attempts failed", g.deaths)
		}
		return nil
	})
}

func (s *system) service(name string) instance {
	life, _ := s.targets[name].life()
	return life
}

func (s *system) log(name string) string { return filepath.Join(s.dir, name+".log") }

func (s *system) server(config serverConfig) func(context.Context) (instance, error) {
	return func(ctx context.Context) (instance, error) {
		c, err := launch(serverVariable, config, s.log("server"))
		if err != nil {
			return nil, err
		}
		return c.until(ctx, func() bool { return s.ask.do(ctx, http.MethodGet, "/readyz", nil, nil) == nil })
	}
}

func (s *system) hop(name string) func(context.Context) (instance, error) {
	return func(ctx context.Context) (instance, error) {
		c, err := launch(hopVariable, demo.HopConfig{Hop: name, Brokers: s.brokers, Dir: filepath.Join(s.dir, name), Faults: "all", Version: "test"}, s.log(name))
		if err != nil {
			return nil, err
		}
		return c.until(ctx, c.isReady)
	}
}

// accepted is how many reports this life of the server stored.
func (s *system) accepted(ctx context.Context) (int64, error) {
	return s.ask.metric(ctx, "rollcall_ingest_reports_total", "")
}

func (s *system) acks(context.Context) (int64, error) { return s.pipeline.acked.Load(), nil }

// inserts is how many inserts this life of ClickHouse was asked for.
func (s *system) inserts(ctx context.Context) (int64, error) {
	life, ok := s.service("ClickHouse").(*embedded.ClickHouse)
	if !ok {
		return 0, nil
	}
	return askClickHouse(ctx, life, "SELECT toInt64(value) FROM system.events WHERE event = 'InsertQuery'")
}

func askClickHouse(ctx context.Context, to *embedded.ClickHouse, query string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.HTTPAddr(), strings.NewReader(query))
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) == 0 {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// freeAddress returns an address on loopback that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer l.Close()
	return l.Addr().String()
}
