package audit

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// killDir tells a copy of the test binary that it is the child of a kill test.
const killDir = "AUDIT_KILL_TEST_DIR"

// childOfKillTest numbers events into a journal, without ever sending a report, until
// it is killed. It prints each event's UID after it was numbered.
func childOfKillTest() bool {
	dir := os.Getenv(killDir)
	if dir == "" {
		return false
	}
	j, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "app"})
	if err != nil {
		fmt.Println("error:", err)
		return true
	}
	src, err := NewSource(SourceConfig{Journal: j})
	if err != nil {
		fmt.Println("error:", err)
		return true
	}
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "app", Transport: discard{}, Source: src, Journal: j})
	if err != nil {
		fmt.Println("error:", err)
		return true
	}
	fmt.Println("emitter", h.Emitter())
	now := time.Now()
	for i := 0; ; i++ {
		uid, at := src.Next(now.Add(time.Duration(i) * 10 * time.Millisecond))
		fmt.Println(uid, at.Format(time.RFC3339Nano))
	}
}

// killed runs the child until it has numbered that many events, ends it with SIGKILL,
// and returns its emitter and all UIDs it printed, by window.
func killed(t *testing.T, dir string, events int) (emitter string, last map[time.Time]UID) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = make(map[time.Time]UID)
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == events {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		first, second, ok := strings.Cut(lines.Text(), " ")
		if !ok || first == "error:" {
			continue // a last line that was cut
		}
		if first == "emitter" {
			emitter = second
			continue
		}
		uid, err := wire.ParseUID(first)
		if err != nil {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, second)
		if err != nil {
			continue
		}
		last[WindowOf(at, time.Minute)] = uid
	}
	_ = cmd.Wait() // killed
	return emitter, last
}

func TestJournalOutlivesKillNine(t *testing.T) {
	dir := t.TempDir()
	emitter, last := killed(t, dir, 20_000)
	if len(last) < 3 {
		t.Fatalf("the child got %d windows far", len(last))
	}
	srv := newServer()
	j, h := producer(t, dir, srv)
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	ended := srv.reports()[0].Ended
	if len(ended) != 1 || ended[0].Emitter.String() != emitter {
		t.Fatalf("ended %+v, want emitter %s", ended, emitter)
	}
	checkEnded(t, ended[0], last)
	if left := journals(t, dir); len(left) != 1 {
		t.Fatalf("after the server accepted it: journals %v, want that of this process only", left)
	}
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
}

// checkEnded holds the ranges against what the child printed. The journal may know
// one number more, for the child may die between numbering and printing; no window
// may know less.
func checkEnded(t *testing.T, e wire.Ended, last map[time.Time]UID) {
	t.Helper()
	if len(e.Windows) != len(last) && len(e.Windows) != len(last)+1 {
		t.Fatalf("%d windows, want %d", len(e.Windows), len(last))
	}
	next := uint32(0)
	for start := range e.Windows {
		if start.Before(earliestKey(e.Windows)) {
			t.Fatal("windows are not ordered")
		}
	}
	for start := earliestKey(e.Windows); next <= 1<<30; start = start.Add(time.Minute) {
		span, ok := e.Windows[start]
		if !ok {
			break
		}
		if span[0] != next {
			t.Fatalf("window %v begins with %d, want %d: ranges must be contiguous", start, span[0], next)
		}
		if uid, ok := last[start]; ok && (span[1] < uid.Sequence() || uid.Source() != e.Source) {
			t.Fatalf("window %v of %s ends with %d, the child printed %s", start, e.Source, span[1], uid)
		}
		next = span[1] + 1
	}
}

func earliestKey(m map[time.Time][2]uint32) time.Time {
	var low time.Time
	for at := range m {
		if low.IsZero() || at.Before(low) {
			low = at
		}
	}
	return low
}

func journals(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+journalExt))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func producer(t *testing.T, dir string, tr Transport) (*Journal, *Hop) {
	t.Helper()
	j, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "app"})
	if err != nil {
		t.Fatal(err)
	}
	src := mustSource(t, SourceConfig{Journal: j})
	h, err := NewHop(HopConfig{Stream: "orders", Hop: "app", Transport: tr, Source: src, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	return j, h
}

func TestJournalIsKeptUntilTheServerHasIt(t *testing.T) {
	dir := t.TempDir()
	_, last := killed(t, dir, 100)
	srv := newServer()
	srv.fate = func(wire.Report) fate { return lost }
	j, h := producer(t, dir, srv)
	if err := h.cycle(context.Background()); err == nil {
		t.Fatal("the link is not down")
	}
	if err := j.release(); err != nil { // as when this process dies too
		t.Fatal(err)
	}
	srv.fate = nil
	_, h = producer(t, dir, srv)
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	ended := srv.reports()[0].Ended
	if len(ended) != 2 {
		t.Fatalf("%d ended, want the killed process and the one after it", len(ended))
	}
	checkEnded(t, withWindows(ended), last)
}

func withWindows(ended []wire.Ended) wire.Ended {
	for _, e := range ended {
		if len(e.Windows) > 0 {
			return e
		}
	}
	return wire.Ended{}
}

func TestJournalOfALivingProcessOrAnotherHopIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	first, _ := producer(t, dir, discard{})
	second, _ := producer(t, dir, discard{})
	if e := second.Ended(); len(e) != 0 {
		t.Fatalf("took over a living process: %+v", e)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	other, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "agent"})
	if err != nil {
		t.Fatal(err)
	}
	if e := other.Ended(); len(e) != 0 {
		t.Fatalf("took over another hop's: %+v", e)
	}
}

func TestDamagedJournalsNeverStopAStartAndCloseNobody(t *testing.T) {
	dir := t.TempDir()
	j, h := producer(t, dir, discard{})
	src := h.cfg.Source
	now := time.Now()
	for i := range 5 {
		src.Next(now.Add(time.Duration(i) * time.Minute))
	}
	whole := append([]byte(nil), j.data...)
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
	path := journals(t, dir)[0]
	slot := func(i int) int { return slotSize * (headSlots + i) }
	for name, c := range map[string]struct {
		spoil   func([]byte) []byte
		windows int
	}{
		"nothing":                  {func(b []byte) []byte { return b }, 5},
		"the first number of one":  {func(b []byte) []byte { b[slot(2)+32] ^= 1; return b }, 0},
		"the last number of one":   {func(b []byte) []byte { b[slot(3)+40] ^= 1; return b }, 0},
		"the source of one":        {func(b []byte) []byte { b[slot(1)+9] ^= 1; return b }, 0},
		"the owner":                {func(b []byte) []byte { b[33] ^= 1; return b }, 0},
		"the boot of the host":     {ofAnotherBoot, 0},
		"a window, which is old":   {func(b []byte) []byte { age(b[slot(1):slot(2)]); return b }, 0},
		"the end, which is cut":    {func(b []byte) []byte { return b[:1000] }, 0},
		"everything, which is nil": {func([]byte) []byte { return nil }, 0},
		"a kind that there is not": {func(b []byte) []byte { b[slot(1)] = 77; return b }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), c.spoil(append([]byte(nil), whole...)), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "app"})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, e := range j.Ended() {
				n += len(e.Windows)
			}
			if c.windows == 0 && len(j.Ended()) > 0 {
				t.Errorf("a journal that may not hold all closes %+v", j.Ended())
			}
			if n != c.windows {
				t.Errorf("%d windows are left, want %d", n, c.windows)
			}
			if damaged := len(j.refused) == 1; damaged != (c.windows < 5) {
				t.Errorf("journals refused: %v", j.refused)
			}
		})
	}
}

// ofAnotherBoot is the journal as a process wrote it before the host was started anew.
func ofAnotherBoot(b []byte) []byte {
	b = append([]byte(nil), b...)
	if err := writeHead(b, journalOwner{"another", "orders", "app"}); err != nil {
		panic(err)
	}
	return b
}

// age makes a slot's window too old to be reported.
func age(slot []byte) {
	s := journalSlot{data: slot}
	binary.LittleEndian.PutUint64(slot[24:], uint64(time.Now().Add(-oldest-time.Minute).UnixMilli()))
	s.seal(slotWindow, UID(slot[8:24]))
}

func TestJournalForgetsWhatTheServerHas(t *testing.T) {
	dir := t.TempDir()
	srv := newServer()
	j, h := producer(t, dir, srv)
	src, now := h.cfg.Source, WindowOf(time.Now(), time.Minute)
	for i := range 4 {
		uid, at := src.Next(now.Add(time.Duration(i-3) * time.Minute))
		h.Observe(event(uid.Source(), uid.Sequence(), at), 7, 1, at)
		src.Left(at)
		if i == 1 {
			src.Next(at) // numbered and not taken over: the journal must keep its window
		}
	}
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	if err := j.release(); err != nil {
		t.Fatal(err)
	}
	next, err := OpenJournal(JournalConfig{Dir: dir, Stream: "orders", Hop: "app"})
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.Ended{{
		Emitter: h.Emitter(), Source: src.ID(), Reason: "journal",
		Windows: map[time.Time][2]uint32{now.Add(-2 * time.Minute): {1, 2}, now: {4, 4}}, // now is not over
	}}
	if d := cmp.Diff(want, next.Ended()); d != "" {
		t.Fatal(d)
	}
}

func TestJournalIsGoneAfterACleanClose(t *testing.T) {
	dir := t.TempDir()
	srv := newServer()
	_, h := producer(t, dir, srv)
	h.Start()
	uid, at := h.cfg.Source.Next(time.Now())
	h.Observe(event(uid.Source(), uid.Sequence(), at), 7, 1, at)
	h.cfg.Source.Left(at)
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	if left := journals(t, dir); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
	all := srv.reports()
	if last := all[len(all)-1]; last.State != wire.Closed {
		t.Fatalf("the last report is %v", last.State)
	}
}
