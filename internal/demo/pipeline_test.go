package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// hopVariable carries the configuration of a hop that the test binary is started as.
const hopVariable = "ROLLCALL_TEST_HOP"

// beHop is one hop of the pipeline.
func beHop(text string) int {
	var cfg HopConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return 2
	}
	cfg.Stdin, cfg.Stdout, cfg.Logger = os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := RunHop(context.Background(), cfg); err != nil {
		cfg.Logger.Error("the hop failed", "hop", cfg.Hop, "error", err)
		return 1
	}
	return 0
}

// writeFlights writes a small file of flights.
func writeFlights(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flights.parquet")
	var rows []flight
	for n := range 500 {
		rows = append(rows, flight{Date: int64(n), Delay: 5, Distance: 300, Origin: string(rune('A' + n%26)), Destination: "SFO"})
	}
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	return path
}

// pipeline is a Kafka, a server that takes every report, and the three hops.
type pipeline struct {
	t       *testing.T
	brokers []string
	dir     string
	server  *httptest.Server
	http    chan []byte // bodies of reports sent over HTTP
}

func newPipeline(t *testing.T, brokers []string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, brokers: brokers, dir: t.TempDir(), http: make(chan []byte, 1000)}
	d := demo{server: Server{Brokers: brokers}, fresh: true}
	if err := d.topics(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, kgoaudit.ReportsTopic); err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		from := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			from = unpacked
		}
		_, _ = body.ReadFrom(from)
		p.http <- body.Bytes()
		_, _ = w.Write([]byte(`{"accepted":1}`))
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *pipeline) start(cfg HopConfig) *process {
	p.t.Helper()
	cfg.Brokers, cfg.Server, cfg.Dir = p.brokers, p.server.URL, p.dir
	text, err := json.Marshal(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	hop := newProcess(cfg.Hop, slog.New(slog.DiscardHandler), func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env, c.Stderr = append(os.Environ(), hopVariable+"="+string(text)), p.t.Output()
		return c
	})
	p.t.Cleanup(func() { _ = hop.stop(context.Background()) })
	if err := hop.start(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return hop
}

// lines returns how many lines the sink's output has, and how many of them are different.
func (p *pipeline) lines() int {
	paths, err := filepath.Glob(filepath.Join(p.dir, "out", "*.jsonl*"))
	if err != nil {
		p.t.Fatal(err)
	}
	count := 0
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			continue // it was renamed meanwhile
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			count++
		}
		_ = file.Close()
	}
	return count
}

// reported joins what each hop's emitters reported: what is seen, how often it was taken over, and who is closed.
type reported struct {
	seen     *roaring.Bitmap
	taken    uint64
	emitters map[wire.UID]bool // closed
}

func (p *pipeline) reports() map[string]*reported {
	p.t.Helper()
	hops := map[string]*reported{}
	latest := map[string]uint64{} // observations are cumulative per emitter, window and source
	for _, body := range p.bodies() {
		batch, err := wire.DecodeProto(body, wire.DefaultLimits())
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range batch.Reports {
			hop := hops[r.Hop]
			if hop == nil {
				hop = &reported{seen: roaring.New(), emitters: map[wire.UID]bool{}}
				hops[r.Hop] = hop
			}
			hop.emitters[r.Emitter] = hop.emitters[r.Emitter] || r.State == wire.Closed
			for _, w := range r.Windows {
				for _, s := range w.Sources {
					key := r.Hop + r.Emitter.String() + w.Start.String() + s.ID.String()
					hop.taken += max(s.Observations, latest[key]) - latest[key]
					latest[key] = max(s.Observations, latest[key])
					hop.seen.Or(s.Rolls[wire.Seen])
				}
			}
		}
	}
	return hops
}

// bodies returns every report that was sent, over HTTP and through Kafka.
func (p *pipeline) bodies() [][]byte {
	p.t.Helper()
	var bodies [][]byte
	for len(p.http) > 0 {
		bodies = append(bodies, <-p.http)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.ConsumeTopics(kgoaudit.ReportsTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(p.t.Context(), kgoaudit.ReportsTopic)
	if err != nil {
		p.t.Fatal(err)
	}
	end, _ := ends.Lookup(kgoaudit.ReportsTopic, 0)
	for n := int64(0); n < end.Offset; {
		fetches := client.PollFetches(p.t.Context())
		if err := fetches.Err(); err != nil {
			p.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			bodies = append(bodies, r.Value)
			n++
		})
	}
	return bodies
}

// Both relay and sink are killed while events pass. Whatever they were in the midst of, no event may be
// lost or stored twice, and each hop's reports together must name every event once: a kill that leaves a gap or an
// overlap would be told as a loss or a duplicate that nobody planted.
func TestKilledRelayAndSinkLoseAndRepeatNothing(t *testing.T) {
	testenv.EachKafka(t, killedRelayAndSinkLoseAndRepeatNothing)
}

func killedRelayAndSinkLoseAndRepeatNothing(t *testing.T, brokers []string) {
	p := newPipeline(t, brokers)
	relay := p.start(HopConfig{Hop: hopRel, Faults: "none"})
	sink := p.start(HopConfig{Hop: hopSnk, Faults: "none"})
	from := time.Now()
	const rate, seconds = 1000, 6
	app := p.start(HopConfig{Hop: hopApp, Faults: "none", Flights: writeFlights(t), Rate: rate, From: from, Until: from.Add(seconds * time.Second)})
	for n := 1; n <= 3; n++ {
		enough := n * rate * seconds / 4
		eventually(t, "output", func() bool { return p.lines() > enough })
		for _, victim := range []*process{relay, sink} {
			if err := victim.kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-app.ended
	if app.err != nil {
		t.Fatal(app.err)
	}
	produced := p.produced()
	eventually(t, "the end of the output", func() bool { return p.lines() >= produced })
	for _, hop := range []*process{relay, sink} {
		if err := hop.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.lines(); n != produced {
		t.Errorf("%d events are stored, %d were produced", n, produced)
	}
	p.check(p.reports(), produced)
}

func (p *pipeline) check(hops map[string]*reported, produced int) {
	p.t.Helper()
	for name, emitters := range map[string]int{hopApp: 1, hopRel: 4, hopSnk: 4} {
		hop := hops[name]
		if hop == nil {
			p.t.Errorf("the %s reported nothing", name)
			continue
		}
		if seen := int(hop.seen.GetCardinality()); seen != produced || int(hop.taken) != produced {
			p.t.Errorf("the %s reported %d events, taken over %d times; %d were produced", name, seen, hop.taken, produced)
		}
		open := 0
		for _, closed := range hop.emitters {
			if !closed {
				open++
			}
		}
		if len(hop.emitters) > emitters || open > 0 {
			p.t.Errorf("the %s reported as %d emitters, want at most %d; %d of them were never closed", name, len(hop.emitters), emitters, open)
		}
	}
}

// produced returns how many events the app produced to Kafka.
func (p *pipeline) produced() int {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(p.t.Context(), topicTaken)
	if err != nil {
		p.t.Fatal(err)
	}
	total := 0
	ends.Each(func(o kadm.ListedOffset) { total += int(o.Offset) })
	return total
}

func TestDemoOnTopicsThatItDidNotMakeIsRefused(t *testing.T) {
	server := Server{Brokers: testenv.Kafka(t)}
	dir := t.TempDir()
	first := demo{Config: Config{Dir: dir}, server: server}
	defer func() { _ = first.end(t.Context()) }()
	if err := errors.Join(first.directory(), first.topics(t.Context())); err != nil {
		t.Fatal(err)
	}
	again := demo{Config: Config{Dir: dir}, server: server}
	defer func() { _ = again.end(t.Context()) }()
	if err := errors.Join(again.directory(), again.topics(t.Context())); err != nil {
		t.Errorf("in the same directory: %v", err)
	}
	other := demo{server: server}
	defer func() { _ = other.end(t.Context()) }()
	if err := errors.Join(other.directory(), other.topics(t.Context())); err == nil || !strings.Contains(err.Error(), "flights") {
		t.Errorf("in another directory: %v", err)
	}
}

func TestUnknownHopIsRefused(t *testing.T) {
	err := RunHop(t.Context(), HopConfig{Hop: "mixer", Faults: "none", Stdin: strings.NewReader("")})
	if err == nil || !strings.Contains(err.Error(), "mixer") {
		t.Errorf("%v", err)
	}
}
