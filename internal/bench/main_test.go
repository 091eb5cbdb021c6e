package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

// TestMain runs the benchmarks, or, in a process that a benchmark started for it, plays the traffic of a plan.
func TestMain(m *testing.M) {
	if text := os.Getenv(planVariable); text != "" {
		if err := emit(text, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: emit:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testenv.Main(m))
}

// scaled is n times ROLLCALL_BENCH_SCALE, at least one.
func scaled(b *testing.B, n int) int {
	b.Helper()
	text := os.Getenv("ROLLCALL_BENCH_SCALE")
	if text == "" {
		return n
	}
	scale, err := strconv.ParseFloat(text, 64)
	if err != nil || scale <= 0 {
		b.Fatalf("ROLLCALL_BENCH_SCALE %q is not a number above 0", text)
	}
	return max(1, int(float64(n)*scale))
}

// database is an empty, migrated database of the embedded ClickHouse.
type database struct {
	*store.Store
	addr, name string
}

func openDatabase(b *testing.B) database {
	b.Helper()
	addr, name := testenv.ClickHouse(b)
	s, err := store.Connect(b.Context(), store.Config{Addrs: []string{addr}, Database: name, User: "default"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(b.Context(), migrations.Files); err != nil {
		b.Fatal(err)
	}
	return database{Store: s, addr: addr, name: name}
}

// insert stores reports as the intake does: after a look at the numbers already used.
func (d database) insert(ctx context.Context, reports []store.Received) error {
	if len(reports) == 0 {
		return nil
	}
	conflicts, err := d.Conflicts(ctx, reports)
	if err != nil {
		return err
	}
	if len(conflicts) > 0 {
		return fmt.Errorf("report %d of %s uses its number again", conflicts[0].Number, conflicts[0].Hop)
	}
	return d.Insert(ctx, reports)
}

// windowStart is a recent window's start: the traffic is made up, but its window must be one that is taken.
func windowStart() time.Time { return time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute) }
