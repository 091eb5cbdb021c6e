package bench

import (
	"database/sql"
	"math/rand/v2"
	"testing"
	"time"
)

const createRows = `
CREATE TABLE per_uid
(
    stream LowCardinality(String),
    start  DateTime('UTC'),
    uid    UUID,
    hop    LowCardinality(String),
    n      UInt64
)
ENGINE = SummingMergeTree(n)
ORDER BY (stream, start, uid, hop)`

const compareRows = `
SELECT countIf(h0 > 0 AND h1 = 0), countIf(h1 > 0 AND h2 = 0), countIf(h2 > 0 AND h3 = 0), countIf(greatest(h0, h1, h2, h3) > 1)
FROM (
    SELECT uid, sumIf(n, hop = 'h0') AS h0, sumIf(n, hop = 'h1') AS h1, sumIf(n, hop = 'h2') AS h2, sumIf(n, hop = 'h3') AS h3
    FROM per_uid
    WHERE stream = ? AND start = ?
    GROUP BY uid
)`

// rows is the way that keeps a row for every event and hop.
type rows struct {
	plan
	db      *sql.DB
	insert  cpu
	compare cpu
	took    time.Duration // of the comparison
	bytes   uint64
}

// playRows stores the events of a plan, a row for each event and hop, a batch for each second, and compares the hops.
func playRows(b *testing.B, p plan) *rows {
	b.Helper()
	d := openDatabase(b)
	r, m := &rows{plan: p, db: d.sql(b)}, newMeter(b)
	if _, err := r.db.ExecContext(b.Context(), createRows); err != nil {
		b.Fatal(err)
	}
	begun := m.cpu()
	random, next := rand.NewPCG(1, 2), make([]uint32, p.Sources)
	for range p.Seconds {
		if err := r.second(b, random, next); err != nil {
			b.Fatal(err)
		}
	}
	inserted, clock := m.cpu(), time.Now()
	r.check(b)
	r.took = time.Since(clock)
	r.insert, r.compare = inserted.minus(begun), m.cpu().minus(inserted)
	_, r.bytes = d.stored(b, "per_uid", true)
	return r
}

func (r *rows) second(b *testing.B, random *rand.PCG, next []uint32) error {
	tx, err := r.db.BeginTx(b.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	add, err := tx.PrepareContext(b.Context(), "INSERT INTO per_uid")
	if err != nil {
		return err
	}
	defer add.Close()
	for range r.PerSecond {
		s := int(random.Uint64() >> 40 * uint64(r.Sources) >> 24)
		lost, upTo := r.lost(s)
		if next[s] != lost {
			upTo = r.Hops
		}
		uid := r.source(s).WithSequence(next[s]).String()
		next[s]++
		for hop := range upTo {
			if _, err := add.ExecContext(b.Context(), stream, r.Start, uid, hopName(hop), uint64(1)); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// check compares the hops and holds what is lost against the plan.
func (r *rows) check(b *testing.B) {
	b.Helper()
	var lost [4]uint64
	row := r.db.QueryRowContext(b.Context(), compareRows, stream, r.Start)
	if err := row.Scan(&lost[1], &lost[2], &lost[3], &lost[0]); err != nil {
		b.Fatal(err)
	}
	m := minute{plan: r.plan}
	for hop := 1; hop < r.Hops; hop++ {
		if want := len(m.lostAt(hop)); lost[hop] != uint64(want) {
			b.Fatalf("%d lost before hop %d, want %d", lost[hop], hop, want)
		}
	}
	if lost[0] != 0 {
		b.Fatalf("%d duplicated, want none", lost[0])
	}
}

func (r *rows) cpu() time.Duration { return r.insert.sum() + r.compare.sum() }

func (r *rows) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(r.events())/1e6, "Mevents")
	b.ReportMetric(r.cpu().Seconds(), "rows-cpu-s")
	b.ReportMetric(float64(r.bytes)/float64(r.events()), "rows-B/event")
	b.ReportMetric(float64(r.took.Milliseconds()), "rows-compare-ms")
	b.Logf("rows: insert %s, compare %s in %s", r.insert, r.compare, r.took)
}

// BenchmarkRowPerUID is the same events both ways: a row for each event and hop, and rolls. The cost of making the reports is counted
// among that of the rolls; the rows are made for nothing.
func BenchmarkRowPerUID(b *testing.B) {
	p := plan{Seconds: 60, After: 35, Sources: 64, Emitters: 8, Hops: 4, PerSecond: scaled(b, 40_000), Lose: true}
	for b.Loop() {
		p.Start = windowStart()
		r := playRows(b, p)
		m := playMinute(b, p)
		m.check(b)
		r.report(b)
		_, bytes := m.stored(b, "window_rolls", true)
		b.ReportMetric(m.cost().Seconds(), "rolls-cpu-s")
		b.ReportMetric(r.cpu().Seconds()/m.cost().Seconds(), "cpu-ratio")
		b.ReportMetric(float64(r.bytes)/float64(bytes), "bytes-ratio")
	}
}
