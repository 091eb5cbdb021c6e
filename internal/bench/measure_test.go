package bench

import (
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ticks is how many a second the kernel counts CPU time in for /proc; Linux fixes it.
const ticks = 100

// cpu is CPU time used: by this process, and by the ClickHouse it started.
type cpu struct{ self, clickHouse time.Duration }

func (c cpu) minus(o cpu) cpu    { return cpu{c.self - o.self, c.clickHouse - o.clickHouse} }
func (c cpu) sum() time.Duration { return c.self + c.clickHouse }

// meter reads CPU time and memory.
type meter struct {
	b   *testing.B
	pid int // of ClickHouse
}

// newMeter finds the ClickHouse among the children of this process; it must be the only one.
func newMeter(b *testing.B) meter {
	b.Helper()
	var children []string
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		b.Skip("no /proc to measure by: ", err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err == nil { // a thread may have ended
			children = append(children, strings.Fields(string(text))...)
		}
	}
	if len(children) != 1 {
		b.Fatalf("this process has the children %v; want only ClickHouse", children)
	}
	pid, err := strconv.Atoi(children[0])
	if err != nil {
		b.Fatal(err)
	}
	return meter{b, pid}
}

func (m meter) cpu() cpu {
	m.b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		m.b.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
	if err != nil {
		m.b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // state is the first
	var used time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			m.b.Fatal(err)
		}
		used += time.Duration(n) * time.Second / ticks
	}
	return cpu{self: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), clickHouse: used}
}

// resetPeak begins to watch the peak of resident memory anew.
func (m meter) resetPeak() {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		m.b.Logf("the peak of memory is that of the whole process: %v", err)
	}
}

// peak is the most memory this process had resident, in MB.
func (m meter) peak() float64 { return peakOf(m.b, "self") }

// sqlConnection is for what only a benchmark asks ClickHouse.
func (d database) sql(b *testing.B) *sql.DB {
	b.Helper()
	db, err := sql.Open("clickhouse", "clickhouse://"+d.addr+"/"+d.name+"?compress=lz4")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// stored is the rows and bytes on disk of a table.
func (d database) stored(b *testing.B, table string, merged bool) (rows, bytes uint64) {
	b.Helper()
	db := d.sql(b)
	if merged {
		if _, err := db.ExecContext(b.Context(), "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			b.Fatal(err)
		}
	}
	const sum = "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND table = ? AND active"
	if err := db.QueryRowContext(b.Context(), sum, table).Scan(&rows, &bytes); err != nil {
		b.Fatal(err)
	}
	return rows, bytes
}
