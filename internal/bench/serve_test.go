package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// server is the built program, serving with everything embedded, in a process of its own.
type server struct {
	b       *testing.B
	command *exec.Cmd
	url     string
	sent    int // requests answered 200
	again   int // requests answered 429 or 503, and sent again
}

func startServer(b *testing.B) *server {
	b.Helper()
	program, err := filepath.Abs("../../bin/rollcall")
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		b.Skipf("%v: make build first", err)
	}
	s := &server{b: b, command: exec.CommandContext(b.Context(), program, "serve", "--listen", "127.0.0.1:0", "--data", b.TempDir())}
	s.command.Cancel = func() error { return s.command.Process.Signal(syscall.SIGTERM) }
	s.command.WaitDelay = time.Minute
	log, err := s.command.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.stop)
	s.url = serving(b, log)
	return s
}

// serving reads the log until it tells the address, and goes on reading it.
func serving(b *testing.B, log io.Reader) string {
	b.Helper()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return line.URL
		}
	}
	b.Fatalf("the server ended before it served: %v", lines.Err())
	return ""
}

func (s *server) stop() {
	if s.command.ProcessState == nil {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		_ = s.command.Wait()
	}
}

// post sends one batch until it is taken.
func (s *server) post(body []byte) error {
	for {
		answer, err := http.Post(s.url+"/api/v1/reports", "application/protobuf", bytes.NewReader(body))
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		switch {
		case err != nil:
			return err
		case answer.StatusCode == http.StatusOK:
			s.sent++
			return nil
		case answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("the server answered %s: %s", answer.Status, text)
		}
		s.again++
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err != nil {
			return fmt.Errorf("answer %s with Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
		}
		<-time.After(time.Duration(seconds) * time.Second)
	}
}

// get reads one answer of the API.
func (s *server) get(path string, into any) error {
	answer, err := http.Get(s.url + "/api/v1" + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// peak is the most memory the server had resident, without its children, in MB.
func (s *server) peak() float64 { return peakOf(s.b, strconv.Itoa(s.command.Process.Pid)) }

// windowRow is what the benchmark reads of GET /streams/{stream}/windows.
type windowRow struct {
	Edge, State                      string
	Produced, Lost, Duplicated, Late uint64
}

// windows returns the rows of the plan's window, by edge.
func (s *server) windows(start time.Time) (map[string]windowRow, error) {
	at := start.Format(time.RFC3339)
	query := url.Values{"from": {at}, "to": {start.Add(time.Minute).Format(time.RFC3339)}}
	var list struct{ Items []windowRow }
	if err := s.get("/streams/"+stream+"/windows?"+query.Encode(), &list); err != nil {
		return nil, err
	}
	rows := map[string]windowRow{}
	for _, row := range list.Items {
		rows[row.Edge] = row
	}
	return rows, nil
}

// play sends what the plan's emitters send, second by second as the clock goes, or as fast as the server takes it where that is slower.
func (s *server) play(p plan) error {
	e, err := startEmitters(s.b.Context(), p)
	if err != nil {
		return err
	}
	for second := 1; ; second++ {
		bodies, err := e.second()
		if errors.Is(err, io.EOF) {
			_, err = e.wait()
			return err
		}
		if err != nil {
			return err
		}
		<-time.After(time.Until(p.Start.Add(time.Duration(second) * time.Second)))
		if err := s.postAll(bodies); err != nil {
			return err
		}
	}
}

// await polls until every edge of the plan's window is closed, and returns how long after the last report that was.
func (s *server) await(p plan) (time.Duration, map[string]windowRow, error) {
	begun := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(s.b.Context(), 5*time.Minute)
	defer cancel()
	for {
		rows, err := s.windows(p.Start)
		if err != nil {
			return 0, nil, err
		}
		closed := 0
		for _, row := range rows {
			if row.State == "complete" || row.State == "incomplete" {
				closed++
			}
		}
		if closed == p.Hops-1 {
			return time.Since(begun), rows, nil
		}
		select {
		case <-ctx.Done():
			return 0, nil, fmt.Errorf("the window did not close: %+v", rows)
		case <-tick.C:
		}
	}
}

// check holds what the API says against the plan.
func (s *server) check(p plan, rows map[string]windowRow) error {
	m := minute{plan: p}
	for hop := 1; hop < p.Hops; hop++ {
		edge := store.Edge{From: hopName(hop - 1), To: hopName(hop)}.String()
		row, want := rows[edge], m.lostAt(hop)
		if row.Produced != uint64(p.events()) || row.Lost != uint64(len(want)) || row.Duplicated != 0 {
			return fmt.Errorf("edge %s is %+v; want %d produced and %d lost", edge, row, p.events(), len(want))
		}
		var list struct{ Items []struct{ UID string } }
		if err := s.get("/streams/"+stream+"/windows/"+p.Start.Format(time.RFC3339)+"/uids?kind=lost&limit=1000&edge="+edge, &list); err != nil {
			return err
		}
		var names []string
		for _, item := range list.Items {
			names = append(names, item.UID)
		}
		if !slices.Equal(names, want) {
			return fmt.Errorf("lost at %s: %v; want %v", edge, names, want)
		}
	}
	return nil
}

// nextMinute is a window that has not begun.
func nextMinute() time.Time {
	return time.Now().UTC().Add(5 * time.Second).Truncate(time.Minute).Add(time.Minute)
}

// BenchmarkServe is the built server under the loads of the other benchmarks, by HTTP and on the real clock, with the embedded ClickHouse and
// Kafka as its children: the most memory that it had resident itself, and how long after the last report the window was closed.
func BenchmarkServe(b *testing.B) {
	sources := scaled(b, 200_000)
	for _, load := range []struct {
		name string
		plan plan
	}{
		{"minute", plan{Seconds: 60, After: 35, Sources: 64, Emitters: 8, Hops: 4, PerSecond: scaled(b, 2_000_000), Lose: true}},
		{"sparse", plan{Seconds: 60, After: 25, Sources: sources, Emitters: 8, Hops: 2, PerSecond: sources / 3, InTurn: true}},
	} {
		b.Run(load.name, func(b *testing.B) {
			for b.Loop() {
				s, p := startServer(b), load.plan
				p.Start = nextMinute()
				if err := s.play(p); err != nil {
					b.Fatal(err)
				}
				took := time.Since(p.Start)
				wait, rows, err := s.await(p)
				if err == nil {
					err = s.check(p, rows)
				}
				if err != nil {
					b.Fatal(err)
				}
				s.report(took, wait)
			}
		})
	}
	b.Run("quiet", func(b *testing.B) {
		for b.Loop() {
			s := startServer(b)
			took, err := s.heartbeats(scaled(b, 10_000), time.Minute)
			if err != nil {
				b.Fatal(err)
			}
			s.report(took, 0)
		}
	})
}

func (s *server) report(took, wait time.Duration) {
	s.b.ReportMetric(s.peak(), "serve-peak-MB")
	s.b.ReportMetric(took.Seconds(), "until-sent-s")
	s.b.ReportMetric(wait.Seconds(), "until-closed-s")
	s.b.ReportMetric(float64(s.sent), "requests")
	s.b.ReportMetric(float64(s.again), "sent-again")
}

// heartbeats has streams say that they have some events, and then, for so long, only that they live: a fifth of them each second.
func (s *server) heartbeats(streams int, long time.Duration) (time.Duration, error) {
	begun := time.Now()
	h := &herd{streams: streams, start: begun.UTC().Truncate(time.Minute), numbers: make([]uint64, streams)}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for round := 0; time.Since(begun) < long; round++ {
		h.now = time.Now().UTC()
		var batch []wire.Report
		for i := round % heartbeat; i < streams; i += heartbeat {
			windows := none(i)
			if round < heartbeat {
				windows = h.events(i)
			}
			for _, r := range h.reports(i, windows) {
				batch = append(batch, r.Report)
			}
		}
		var bodies [][]byte
		for part := range slices.Chunk(batch, 500) {
			body, err := wire.EncodeProto(wire.Batch{Reports: part})
			if err != nil {
				return 0, err
			}
			bodies = append(bodies, body)
		}
		if err := s.postAll(bodies); err != nil {
			return 0, err
		}
		<-tick.C
	}
	return time.Since(begun), nil
}

// postAll sends bodies, eight at a time as from so many emitters.
func (s *server) postAll(bodies [][]byte) error {
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed []error
	work := make(chan []byte)
	for range 8 {
		group.Go(func() {
			one := &server{url: s.url}
			for body := range work {
				if err := one.post(body); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			s.sent, s.again = s.sent+one.sent, s.again+one.again
		})
	}
	for _, body := range bodies {
		work <- body
	}
	close(work)
	group.Wait()
	return errors.Join(failed...)
}

// peakOf is the most memory a process had resident, in MB; "self" is this one.
func peakOf(b *testing.B, pid string) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatalf("no VmHWM in /proc/%s/status", pid)
	return 0
}
