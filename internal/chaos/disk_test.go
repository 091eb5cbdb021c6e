package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/embedded"
)

// disk is a small file system of a test's own.
type disk struct {
	dir     string
	ballast string
}

// smallDisk mounts one of the given size in MiB. Only root can: elsewhere the test is skipped, and in CI it fails.
func smallDisk(t *testing.T, size int) *disk {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", size), "tmpfs", dir).CombinedOutput(); err != nil {
		text := fmt.Sprintf("a small disk cannot be mounted, which takes root: %v: %s", err, out)
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v: %s", dir, err, out)
		}
	})
	return &disk{dir: dir, ballast: filepath.Join(dir, "ballast")}
}

// fill leaves no byte free.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	fatal(t, err)
	defer file.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		n, err := file.Write(piece)
		if errors.Is(err, syscall.ENOSPC) || n < len(piece) {
			piece = piece[:len(piece)/2]
			continue
		}
		fatal(t, err)
	}
}

func (d *disk) free(t *testing.T) {
	t.Helper()
	fatal(t, os.Remove(d.ballast))
}

func TestAFullDiskUnderClickHouseHoldsTheOffsetsIsSaidToSendersAndIsCaughtUpWith(t *testing.T) {
	d := smallDisk(t, 192)
	s := startServices(t, filepath.Join(d.dir, "clickhouse"), "")
	s.add(t, &target{name: "server", begin: s.server(s.config), worked: s.accepted})
	fatal(t, s.ask.configure(t.Context(), loadStream, "app..sink"))
	load := startLoad(t, s.ask.base, s.brokers, 3)
	eventually(t, "a load", func(context.Context) error {
		if count(load.overHTTP) < 50 {
			return errors.New("too few")
		}
		return nil
	})
	d.fill(t)
	eventually(t, "a sender being told to come again", func(ctx context.Context) error { return s.refuses(ctx, t) })
	s.retriesWithoutCommit(t, 5)
	if g := s.targets["server"]; g.lives != 1 {
		t.Errorf("the server ended by itself: %d lives", g.lives)
	}
	taken := count(load.overHTTP)
	server := s.service("server")
	fatal(t, syscall.Kill(server.PID(), syscall.SIGKILL)) // what was committed and not stored would be lost with it
	<-server.Done()
	d.free(t)
	eventually(t, "more reports", func(context.Context) error {
		if n := count(load.overHTTP); n < taken+50 {
			return fmt.Errorf("%d reports since", n-taken)
		}
		return nil
	})
	load.end()
	eventually(t, "every event acknowledged", func(ctx context.Context) error {
		return errors.Join(holds(ctx, s.ask, load.overHTTP), holds(ctx, s.ask, load.overKafka))
	})
}

// refuses sends a report and says why it was not answered 503 with Retry-After.
func (s *system) refuses(ctx context.Context, t *testing.T) error {
	extra := sender{n: 250}
	body, err := wire.EncodeProto(wire.Batch{Reports: []wire.Report{extra.report(1)}})
	fatal(t, err)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.ask.base+"/api/v1/reports", bytes.NewReader(body))
	fatal(t, err)
	request.Header.Set("Content-Type", "application/protobuf")
	answer, err := s.ask.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		return fmt.Errorf("answered %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	return nil
}

// retriesWithoutCommit waits until records were tried again so often, and holds that the offsets stood still meanwhile.
func (s *system) retriesWithoutCommit(t *testing.T, times int64) {
	t.Helper()
	var begin int64
	eventually(t, "a first attempt that failed", func(ctx context.Context) (err error) {
		if begin, err = s.ask.metric(ctx, "rollcall_ingest_retries_total", ""); err == nil && begin == 0 {
			err = errors.New("none")
		}
		return err
	})
	before := s.offsets(t)
	eventually(t, "more attempts", func(ctx context.Context) error {
		n, err := s.ask.metric(ctx, "rollcall_ingest_retries_total", "")
		if err == nil && n < begin+times {
			err = fmt.Errorf("%d attempts since", n-begin)
		}
		return err
	})
	if after := s.offsets(t); after != before {
		t.Errorf("offsets went from %d to %d while nothing could be stored", before, after)
	}
}

func TestAFullDiskUnderKafkaAcknowledgesNothingThatItDoesNotKeep(t *testing.T) {
	d := smallDisk(t, 32)
	s := startServices(t, "", filepath.Join(d.dir, "kafka"))
	s.add(t, &target{name: "server", begin: s.server(s.config), worked: s.accepted})
	fatal(t, s.ask.configure(t.Context(), loadStream, "app..sink"))
	load := startLoad(t, s.ask.base, s.brokers, 3)
	enough := func(n int) func(context.Context) error {
		return func(context.Context) error {
			if have := count(load.overKafka); have < n {
				return fmt.Errorf("%d of %d", have, n)
			}
			return nil
		}
	}
	eventually(t, "a load", enough(100))
	d.fill(t)
	s.stalls(t, load)
	full := count(load.overKafka)
	kafka := s.targets["Kafka"]
	life := s.service("Kafka").(*embedded.Kafka)
	fatal(t, syscall.Kill(life.PID(), syscall.SIGKILL)) // what it only had in memory is gone
	<-life.Done()
	d.free(t)
	eventually(t, "more reports", enough(full+100))
	load.end()
	eventually(t, "every event acknowledged", func(ctx context.Context) error {
		return errors.Join(holds(ctx, s.ask, load.overHTTP), holds(ctx, s.ask, load.overKafka))
	})
	if kafka.deaths > 0 {
		t.Logf("Kafka could not begin %d times while the disk was full", kafka.deaths)
	}
}

// stalls waits until no sender through Kafka is told that its report was taken any more.
func (s *system) stalls(t *testing.T, l *load) {
	t.Helper()
	last, since := -1, time.Now()
	eventually(t, "a Kafka that takes nothing", func(context.Context) error {
		if n := count(l.overKafka); n != last {
			last, since = n, time.Now()
		}
		if still := time.Since(since); still < 2*time.Second {
			return fmt.Errorf("%d taken, the last %s ago", last, still)
		}
		return nil
	})
}
