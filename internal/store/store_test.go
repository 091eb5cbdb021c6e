package store

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func connect4test(t *testing.T) *Store {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := Connect(t.Context(), Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func migrated(t *testing.T) *Store {
	t.Helper()
	s := connect4test(t)
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	return s
}

// schema is what the server says of every table, with the database's name left out.
func schema(t *testing.T, s *Store) string {
	t.Helper()
	var tables []string
	err := s.query(t.Context(), "dump the schema",
		"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name != 'migrations' ORDER BY name", params{},
		func(r driver.Rows) error {
			var text string
			err := r.Scan(&text)
			tables = append(tables, strings.ReplaceAll(text, s.database+".", ""))
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(tables, "\n\n") + "\n"
}

func TestMigrationsMakeTheSchemaOfTheDump(t *testing.T) {
	s := migrated(t)
	golden := filepath.Join("testdata", "schema.sql")
	got := schema(t, s)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Fatalf("schema (-dump +migrated):\n%s", diff)
	}
}

func TestASecondMigrationTakesNoStep(t *testing.T) {
	s := migrated(t)
	applied, err := s.Migrate(t.Context(), migrations.Files)
	if err != nil || len(applied) != 0 {
		t.Fatalf("second run applied %v, %v", applied, err)
	}
}

func TestEveryOlderSchemaMigratesToTheNewest(t *testing.T) {
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(names)
	want := schema(t, migrated(t))
	for k := range names {
		older := fstest.MapFS{}
		for _, name := range names[:k] {
			text, err := fs.ReadFile(migrations.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			older[name] = &fstest.MapFile{Data: text}
		}
		s := connect4test(t)
		if _, err := s.Migrate(t.Context(), older); err != nil {
			t.Fatal(err)
		}
		applied, err := s.Migrate(t.Context(), migrations.Files)
		if err != nil || len(applied) != len(names)-k {
			t.Fatalf("from %d: applied %d of %d, %v", k, len(applied), len(names)-k, err)
		}
		if diff := cmp.Diff(want, schema(t, s)); diff != "" {
			t.Fatalf("from %d (-new +migrated):\n%s", k, diff)
		}
	}
}

func TestAMigrationThatDiedIsFinishedByTheNext(t *testing.T) {
	s := connect4test(t)
	broken := fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory")}, "0002_b.sql": {Data: []byte("CREATE TABLE b (nonsense")}}
	applied, err := s.Migrate(t.Context(), broken)
	if err == nil || len(applied) != 1 || !strings.Contains(err.Error(), "0002_b.sql") {
		t.Fatalf("applied %v, %v: want one, and an error that names the file", applied, err)
	}
	broken["0002_b.sql"].Data = []byte("CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = Memory")
	applied, err = s.Migrate(t.Context(), broken)
	if err != nil || len(applied) != 1 || applied[0] != "0002_b.sql" {
		t.Fatalf("applied %v, %v", applied, err)
	}
}

func TestADatabaseOfAnotherSchemaIsRefused(t *testing.T) {
	s := connect4test(t)
	files := fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Memory")}}
	if _, err := s.Migrate(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	files["0001_a.sql"].Data = []byte("CREATE TABLE IF NOT EXISTS a (y UInt8) ENGINE = Memory")
	if _, err := s.Migrate(t.Context(), files); err == nil || !strings.Contains(err.Error(), "0001_a.sql") || !strings.Contains(err.Error(), "another text") {
		t.Fatalf("error %v, want one that names the file", err)
	}
}

func TestMigratorsThatStartTogetherApplyEachStepOnce(t *testing.T) {
	s := connect4test(t)
	var mu sync.Mutex
	var all []string
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			applied, err := s.Migrate(t.Context(), migrations.Files)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			all = append(all, applied...)
		})
	}
	group.Wait()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(names) {
		t.Fatalf("%d steps applied, want %d", len(all), len(names))
	}
}

var start = time.Date(2026, 11, 22, 5, 9, 0, 0, time.UTC)

func report(stream string, number uint64, roll *roaring.Bitmap) Received {
	src := wire.Source{ID: wire.UID{1, 0x99, 0xf0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 1}}
	src.Rolls[wire.Seen] = roll
	return Received{At: start.Add(time.Minute), Report: wire.Report{
		Stream: stream, Hop: "app", Emitter: wire.UID{7}, Host: "web-17", Heartbeat: 5, Number: number, SentAt: start.Add(time.Minute), State: wire.Running,
		Lanes: map[string]time.Time{"": start}, Windows: []wire.Window{{Start: start, Seconds: 60, Sources: []wire.Source{src}}},
	}}
}

func TestRollsComeBackAsTheyWent(t *testing.T) {
	s := migrated(t)
	random := roaring.New()
	dice := rand.New(rand.NewPCG(1, 2))
	for range 40_000 {
		random.Add(dice.Uint32N(400_000))
	}
	full := roaring.New()
	full.AddRange(0, 2_000_000)
	edges := roaring.BitmapOf(0, 65535, 65536, 1<<31, 1<<32-1)
	for i, roll := range []*roaring.Bitmap{roaring.BitmapOf(5), edges, random, full} {
		stream := fmt.Sprintf("s%d", i)
		if err := s.Insert(t.Context(), []Received{report(stream, 1, roll)}); err != nil {
			t.Fatal(err)
		}
		k := WindowKey{stream, start}
		var found []SourceRolls
		for one, err := range s.SourceRolls(t.Context(), []WindowKey{k}, wire.UID{}) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, one)
		}
		if len(found) != 1 || len(found[0].Sets) != 1 || !found[0].Sets[0].Rolls[wire.Seen].Equals(roll) {
			t.Fatalf("roll %d came back otherwise", i)
		}
	}
}

// ClickHouse sorts a UUID by its second half; pages of names need the order of the text.
func TestSourcesComeInTheOrderOfTheirText(t *testing.T) {
	s := migrated(t)
	var want []wire.UID
	r := report("orders", 1, nil)
	r.Windows[0].Sources = nil
	for i := range 8 {
		src := wire.Source{ID: wire.UID{1, byte(i), 8: byte(8 - i), 11: 1}}
		src.Rolls[wire.Seen] = roaring.BitmapOf(uint32(i))
		r.Windows[0].Sources = append([]wire.Source{src}, r.Windows[0].Sources...)
		want = append(want, src.ID)
	}
	if err := s.Insert(t.Context(), []Received{r}); err != nil {
		t.Fatal(err)
	}
	for from := range want {
		var got []wire.UID
		for one, err := range s.SourceRolls(t.Context(), []WindowKey{{"orders", start}}, want[from]) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, one.Source); len(got) == 2 {
				break
			}
		}
		if diff := cmp.Diff(want[from:min(from+2, len(want))], got); diff != "" {
			t.Fatalf("from source %d (-want +got):\n%s", from, diff)
		}
	}
}

func TestWindowsOfManySourcesComeWholeWhateverThePages(t *testing.T) {
	s := migrated(t)
	var all []Received
	var windows []WindowKey
	want := map[WindowKey]int{}
	for i, sources := range []int{firstRolls - 1, firstRolls, 1, 5 * firstRolls, 40} {
		r := report(fmt.Sprintf("s%d", i%2), uint64(i+1), nil)
		r.Windows[0].Start = start.Add(time.Duration(i) * time.Minute)
		r.Windows[0].Sources = nil
		for n := range sources {
			src := wire.Source{ID: wire.UID{1, byte(n), 8: byte(n >> 8), 11: 1}}
			src.Rolls[wire.Seen], src.Rolls[wire.Corrupt] = roaring.BitmapOf(1, 2), roaring.BitmapOf(2)
			r.Windows[0].Sources = append(r.Windows[0].Sources, src)
		}
		for n := range sources {
			r.Windows[0].Foreign = append(r.Windows[0].Foreign, wire.Foreign{UID: fmt.Sprint("order-", n), Count: 1})
		}
		all = append(all, r)
		k := WindowKey{r.Stream, r.Windows[0].Start}
		windows, want[k] = append(windows, k), sources
	}
	if err := s.Insert(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	numbered, foreign := map[WindowKey]int{}, map[WindowKey]int{}
	var last SourceRolls
	for one, err := range s.SourceRolls(t.Context(), windows, wire.UID{}) {
		if err != nil || len(one.Sets) != 1 || card4test(one.Sets[0].Rolls[wire.Seen]) != 2 || card4test(one.Sets[0].Rolls[wire.Corrupt]) != 1 {
			t.Fatalf("%+v, %v", one, err)
		}
		if one.compare(last.WindowKey) < 0 || one.compare(last.WindowKey) == 0 && slices.Compare(one.Source[:], last.Source[:]) <= 0 {
			t.Fatalf("%s %s comes after %s %s", one.WindowKey, one.Source, last.WindowKey, last.Source)
		}
		last = one
		numbered[one.WindowKey]++
	}
	for one, err := range s.ForeignEvents(t.Context(), windows, "") {
		if err != nil || len(one.Counts) != 1 {
			t.Fatalf("%+v, %v", one, err)
		}
		foreign[one.WindowKey]++
	}
	if diff := cmp.Diff(want, numbered); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, foreign); diff != "" {
		t.Errorf("foreign UIDs (-want +got):\n%s", diff)
	}
}

func card4test(b *roaring.Bitmap) uint64 {
	if b == nil {
		return 0
	}
	return b.GetCardinality()
}

// The host of the emitter with the greatest id was kept, and lost where that one names none.
func TestASourceKeepsItsHostThroughAMerge(t *testing.T) {
	s := migrated(t)
	first, second := report("orders", 1, roaring.BitmapOf(1)), report("orders", 1, roaring.BitmapOf(2))
	second.Emitter, second.Host = wire.UID{200}, ""
	for _, r := range []Received{first, second} {
		if err := s.Insert(t.Context(), []Received{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE sources FINAL"); err != nil {
		t.Fatal(err)
	}
	source := first.Windows[0].Sources[0].ID
	hosts, err := s.SourceHosts(t.Context(), "orders", []wire.UID{source})
	if err != nil || hosts[source]["app"] != "web-17" {
		t.Fatalf("hosts %v, %v", hosts, err)
	}
}

func TestARepeatedReportChangesNothing(t *testing.T) {
	s := migrated(t)
	r := report("orders", 1, roaring.BitmapOf(1, 2, 3))
	r.Windows[0].Reasons = []wire.ReasonTally{{Kind: wire.Filtered, Reason: "rule-7", Count: 3}}
	for range 3 {
		if err := s.Insert(t.Context(), []Received{r, r}); err != nil {
			t.Fatal(err)
		}
		r.At = r.At.Add(time.Minute)
	}
	reports, err := s.Reports(t.Context(), []string{"orders"}, start)
	if err != nil || len(reports["orders"]) != 1 {
		t.Fatalf("%d reports, %v", len(reports["orders"]), err)
	}
	if got := reports["orders"][0].ReceivedAt; got != start.Add(time.Minute).UnixMilli() {
		t.Fatalf("received at %d: not the first receipt", got)
	}
	emitters, err := s.Emitters(t.Context(), "orders")
	if err != nil || len(emitters) != 1 || emitters[0].Stored != 1 || emitters[0].Counted != 1 {
		t.Fatalf("emitters %+v, %v", emitters, err)
	}
}

func TestANumberUsedTwiceWithOtherContentIsAConflict(t *testing.T) {
	s := migrated(t)
	first, again := report("orders", 1, roaring.BitmapOf(1)), report("orders", 1, roaring.BitmapOf(2))
	if err := s.Insert(t.Context(), []Received{first}); err != nil {
		t.Fatal(err)
	}
	conflicts, err := s.Conflicts(t.Context(), []Received{first, report("orders", 2, roaring.BitmapOf(3)), again})
	if err != nil || len(conflicts) != 1 || conflicts[0].Index != 2 {
		t.Fatalf("conflicts %+v, %v", conflicts, err)
	}
}

// Two servers may each take one of two reports of a number at the same moment. When the table merged, one row took the other's place, and
// rolls were left whose report nobody knew.
func TestTwoReportsOfOneNumberAreBothThereAfterAMerge(t *testing.T) {
	s := migrated(t)
	for i := range 2 {
		if err := s.Insert(t.Context(), []Received{report("orders", 1, roaring.BitmapOf(uint32(i)))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE lanes FINAL"); err != nil {
		t.Fatal(err)
	}
	reports, err := s.Reports(t.Context(), []string{"orders"}, start)
	if err != nil {
		t.Fatal(err)
	}
	var known []uint64
	for _, r := range reports["orders"] {
		known = append(known, r.Digest)
	}
	k := WindowKey{"orders", start}
	announced, err := s.Announced(t.Context(), []WindowKey{k})
	if err != nil || len(announced[k]) != 2 {
		t.Fatalf("announced %v, %v", announced, err)
	}
	for _, a := range announced[k] {
		if !slices.Contains(known, a.Digest) || a.Hop != "app" || a.Number != 1 || a.Emitter != (wire.UID{7}) {
			t.Errorf("rolls are there of report %+v, and of the reports only %v", a, known)
		}
	}
	emitters, err := s.Emitters(t.Context(), "orders")
	if err != nil || len(emitters) != 1 || emitters[0].Stored != 1 || emitters[0].Counted != 1 {
		t.Fatalf("emitters %+v, %v: want one number", emitters, err)
	}
}

func TestASourceIsKnownInTheStreamsWhoseHopsReportedIt(t *testing.T) {
	s := migrated(t)
	r := report("orders", 1, roaring.BitmapOf(1))
	ended := wire.UID{1, 0x99, 0xf0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 2}
	r.Ended = []wire.Ended{{Emitter: wire.UID{8}, Source: ended, Windows: map[time.Time][2]uint32{start: {0, 4}}}}
	if err := s.Insert(t.Context(), []Received{r, report("clicks", 1, roaring.BitmapOf(1))}); err != nil {
		t.Fatal(err)
	}
	seen := r.Windows[0].Sources[0].ID
	for _, c := range []struct {
		stream string
		source wire.UID
		want   bool
	}{{"orders", seen, true}, {"orders", ended, true}, {"clicks", seen, true}, {"clicks", ended, false}, {"orders", wire.UID{1}, false}, {"", seen, false}} {
		if got, err := s.HasSource(t.Context(), c.stream, c.source); err != nil || got != c.want {
			t.Errorf("source %s of stream %q is known: %v, %v", c.source, c.stream, got, err)
		}
	}
}

func TestReportsCountUpToTheFirstMissingNumber(t *testing.T) {
	s := migrated(t)
	for _, n := range []uint64{1, 2, 5, 1 << 40} {
		if err := s.Insert(t.Context(), []Received{report("orders", n, roaring.BitmapOf(uint32(n)))}); err != nil {
			t.Fatal(err)
		}
	}
	emitters, err := s.Emitters(t.Context(), "orders")
	if err != nil || len(emitters) != 1 {
		t.Fatal(emitters, err)
	}
	if e := emitters[0]; e.Counted != 2 || e.Highest != 1<<40 || e.Stored != 4 {
		t.Fatalf("counted %d of %d, highest %d", e.Counted, e.Stored, e.Highest)
	}
}

func TestMarksMadeMeanwhileAreNotRemoved(t *testing.T) {
	s := migrated(t)
	r := report("orders", 1, roaring.BitmapOf(1))
	if err := s.Insert(t.Context(), []Received{r}); err != nil {
		t.Fatal(err)
	}
	read, err := s.DueMarks(t.Context(), start, 100)
	if err != nil || len(read) != 2 {
		t.Fatalf("marks %+v, %v: want one for the window and one for the stream", read, err)
	}
	if err := s.Insert(t.Context(), []Received{r}); err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceMarks(t.Context(), read, nil); err != nil {
		t.Fatal(err)
	}
	left, err := s.DueMarks(t.Context(), start, 100)
	if err != nil || len(left) != 2 {
		t.Fatalf("%d marks left, %v: want the two made meanwhile", len(left), err)
	}
}

func TestHostileTextIsStoredAsData(t *testing.T) {
	s := migrated(t)
	for _, text := range []string{"a'b", `a\b`, "a\"b", "a\tb\nc", `\' OR 1=1 --`, "{stream:String}", "<script>", "日本\u202e", "a\x00b"} {
		q := Quarantined{ID: "0199f0a0-0000-4000-8000-000000000001", At: start, Reason: text, Body: []byte(text)}
		if err := s.Quarantine(t.Context(), []Quarantined{q}); err != nil {
			t.Fatal(err)
		}
		found, err := s.Quarantined(t.Context(), "", 10)
		if err != nil || len(found) != 1 || found[0].Reason != text || string(found[0].Body) != text {
			t.Fatalf("%q came back as %+v, %v", text, found, err)
		}
		r := report("orders", 1, roaring.BitmapOf(1))
		r.Windows[0].Foreign = []wire.Foreign{{UID: text, Count: 2}}
		if err := s.Insert(t.Context(), []Received{r}); err != nil {
			t.Fatal(err)
		}
		seen, err := s.ForeignSightings(t.Context(), text)
		if err != nil || len(seen) != 1 || !seen[0].Kinds[wire.Repeated] {
			t.Fatalf("foreign UID %q: %+v, %v", text, seen, err)
		}
	}
}

func TestAStoreThatIsAwaySaysSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := Connect(ctx, Config{Addrs: []string{"127.0.0.1:1"}, Database: "x", User: "default"})
	if err == nil || !strings.Contains(err.Error(), ErrAway.Error()) {
		t.Fatalf("error %v does not say that the store is away", err)
	}
}

func FuzzDecodeBitmap(f *testing.F) {
	for _, roll := range []*roaring.Bitmap{nil, roaring.BitmapOf(1, 2, 3)} {
		state, _, err := encodeBitmap(roll)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state)
	}
	f.Add("\x00\x01\x05\x00\x00\x00")
	f.Fuzz(func(t *testing.T, state string) {
		b, err := decodeBitmap(state)
		if err != nil || b == nil {
			return
		}
		again, _, err := encodeBitmap(b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeBitmap(again)
		if err != nil || !back.Equals(b) {
			t.Fatalf("%x came back otherwise: %v", state, err)
		}
	})
}
