package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// minute is a window played into a store, with what it cost.
type minute struct {
	plan
	database
	meter
	now     time.Time
	wire    int // bytes of all bodies
	reports int
	making  time.Duration // CPU of the emitters
	read    cpu           // decoding and checking
	insert  cpu
	pass    cpu
	whole   cpu
	passes  []time.Duration
	closing []time.Duration // of the passes that closed an edge
	closeBy cpu             // used by those
	states  map[store.Edge]store.Verdict
	kept    uint64 // bytes of window_rolls
}

// cost is the CPU time of all processes.
func (m *minute) cost() time.Duration { return m.making + m.whole.sum() }

func playMinute(b *testing.B, p plan) *minute {
	b.Helper()
	d := openDatabase(b)
	m := &minute{plan: p, database: d, meter: newMeter(b), states: map[store.Edge]store.Verdict{}}
	m.resetPeak()
	before := m.meter.cpu()
	e, err := startEmitters(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	for m.now = p.Start; ; {
		bodies, err := e.second()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		m.now = m.now.Add(time.Second)
		if err := m.second(b, bodies); err != nil {
			b.Fatal(err)
		}
	}
	if m.making, err = e.wait(); err != nil {
		b.Fatal(err)
	}
	m.whole = m.meter.cpu().minus(before)
	return m
}

// second takes in what was sent in one second and makes a pass.
func (m *minute) second(b *testing.B, bodies [][]byte) error {
	begun := m.cpu()
	received, err := m.decode(bodies)
	if err != nil {
		return err
	}
	decoded := m.cpu()
	for part := range slices.Chunk(received, 12) { // the intake joins requests up to 32 MiB of unpacked rolls
		if err := m.database.insert(b.Context(), part); err != nil {
			return err
		}
	}
	inserted, clock := m.cpu(), time.Now()
	said, err := reconcile.Pass(b.Context(), m.Store, m.now)
	took, passed := time.Since(clock), m.cpu()
	m.read, m.insert, m.pass = m.read.plus(decoded.minus(begun)), m.insert.plus(inserted.minus(decoded)), m.pass.plus(passed.minus(inserted))
	m.passes = append(m.passes, took)
	if m.note(said) {
		m.closing, m.closeBy = append(m.closing, took), m.closeBy.plus(passed.minus(inserted))
	}
	return err
}

func (c cpu) plus(o cpu) cpu { return cpu{c.self + o.self, c.clickHouse + o.clickHouse} }

func (m *minute) decode(bodies [][]byte) ([]store.Received, error) {
	var received []store.Received
	for _, body := range bodies {
		m.wire += len(body)
		batch, err := wire.DecodeProto(body, wire.DefaultLimits())
		if err != nil {
			return nil, err
		}
		if err := wire.Validate(batch, wire.DefaultLimits(), m.now); err != nil {
			return nil, err
		}
		for _, r := range batch.Reports {
			received = append(received, store.Received{Report: r, At: m.now})
		}
	}
	m.reports += len(received)
	return received, nil
}

// note keeps the verdicts of the window and says whether one of them closed an edge.
func (m *minute) note(said []store.Verdict) (closed bool) {
	for _, v := range said {
		if !v.Start.Equal(m.Start) {
			continue
		}
		was := m.states[v.Edge]
		closed = closed || v.Closed() && !was.Closed()
		m.states[v.Edge] = v
	}
	return closed
}

// check holds the verdicts against the plan: every event produced, and lost by name what the plan lost.
func (m *minute) check(b *testing.B) {
	b.Helper()
	reader := reconcile.NewReader(m.Store)
	for hop := 1; hop < m.Hops; hop++ {
		edge := store.Edge{From: hopName(hop - 1), To: hopName(hop)}
		v, want := m.states[edge], m.lostAt(hop)
		if !v.Closed() || v.Produced != uint64(m.events()) || v.Lost != uint64(len(want)) || v.Duplicated != 0 || v.Unexpected != 0 {
			b.Fatalf("edge %s is %s with %+v; want %d produced and %d lost", edge, v.State, v.Counts, m.events(), len(want))
		}
		items, _, found, err := reader.Named(b.Context(), stream, m.Start, edge, "lost", "", 1000, m.now)
		if err != nil || !found {
			b.Fatalf("names of the lost at %s: found %v, %v", edge, found, err)
		}
		var names []string
		for _, item := range items {
			names = append(names, item.UID)
		}
		if !slices.Equal(names, want) {
			b.Fatalf("lost at %s: %v; want %v", edge, names, want)
		}
	}
}

// lostAt is the UIDs that the plan loses before a hop, in order.
func (m *minute) lostAt(hop int) []string {
	var names []string
	for i := range m.Sources {
		if number, at := m.lost(i); at == hop {
			names = append(names, m.uid(i, number))
		}
	}
	slices.Sort(names)
	return names
}

func (m *minute) report(b *testing.B) {
	b.Helper()
	events := float64(m.events())
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(events/1e6, "Mevents")
	b.ReportMetric(m.cost().Seconds(), "cpu-s")
	b.ReportMetric(m.making.Seconds(), "emitters-cpu-s")
	b.ReportMetric(m.whole.self.Seconds(), "server-cpu-s")
	b.ReportMetric(m.whole.clickHouse.Seconds(), "clickhouse-cpu-s")
	b.ReportMetric(ms(slices.Max(m.closing)), "closing-pass-ms")
	b.ReportMetric(ms(slices.Max(m.passes)), "slowest-pass-ms")
	b.ReportMetric(ms(m.closeBy.sum())/float64(len(m.closing)), "closing-pass-cpu-ms")
	b.ReportMetric(m.peak(), "peak-MB")
	b.ReportMetric(float64(m.wire)/events/float64(m.Hops), "wire-B/event/hop")
	b.Logf("%d reports; decode %s, insert %s, passes %s", m.reports, m.read, m.insert, m.pass)
	for _, table := range []string{"rolls", "window_rolls"} {
		asIs, before := m.stored(b, table, false)
		rows, bytes := m.stored(b, table, true)
		b.ReportMetric(float64(bytes)/events, table+"-B/event")
		b.Logf("%s: %d rows, %d bytes; merged %d rows, %d bytes", table, asIs, before, rows, bytes)
		m.kept = bytes
	}
}

func (c cpu) String() string {
	return fmt.Sprintf("%.2fs here + %.2fs in ClickHouse", c.self.Seconds(), c.clickHouse.Seconds())
}

// BenchmarkMinuteAtTwoMillion is one minute at 2 million events a second, with nothing lost and with one event of each source lost:
// reports made by the audit library in a process of their own, decoded, checked, stored, and a pass made each second. After it
// a part of the same events the other way, a row for each event and hop; the ratios are of the costs per event.
func BenchmarkMinuteAtTwoMillion(b *testing.B) {
	p := plan{Seconds: 60, After: 35, Sources: 64, Emitters: 8, Hops: 4, PerSecond: scaled(b, 2_000_000)}
	var lossy *minute
	for _, lose := range []bool{false, true} {
		b.Run(map[bool]string{false: "complete", true: "lossy"}[lose], func(b *testing.B) {
			for b.Loop() {
				p.Start, p.Lose = windowStart(), lose
				m := playMinute(b, p)
				m.check(b)
				m.report(b)
				lossy = m
			}
		})
	}
	b.Run("row-per-uid", func(b *testing.B) {
		if lossy == nil {
			b.Skip("the ratios need the minute itself")
		}
		for b.Loop() {
			p.Start, p.PerSecond = windowStart(), scaled(b, 40_000)
			r := playRows(b, p)
			r.report(b)
			b.ReportMetric(r.cpu().Seconds()/float64(r.events())/(lossy.cost().Seconds()/float64(lossy.events())), "cpu-ratio")
			b.ReportMetric(float64(r.bytes)/float64(r.events())/(float64(lossy.kept)/float64(lossy.events())), "bytes-ratio")
		}
	})
}

// BenchmarkSparseSources is 200 000 sources of 20 events each in one window: what sources cost that say little.
func BenchmarkSparseSources(b *testing.B) {
	sources := scaled(b, 200_000)
	p := plan{Seconds: 60, After: 25, Sources: sources, Emitters: 8, Hops: 2, PerSecond: sources / 3, InTurn: true}
	for b.Loop() {
		p.Start = windowStart()
		m := playMinute(b, p)
		m.check(b)
		m.report(b)
	}
}
