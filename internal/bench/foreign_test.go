package bench

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// kinds of UIDs that a plan's events have; those of numbered are given by Rollcall.
var kinds = []string{numbered, "uuid", "short", "integer"}

const numbered = ""

// uid is what event number of source i is called.
func (p plan) uid(i int, number uint32) string {
	event := uint64(number)*uint64(p.Sources) + uint64(i)
	switch p.UIDs {
	case "uuid":
		random := rand.New(rand.NewPCG(event, 1))
		var u uuid.UUID
		binary.BigEndian.PutUint64(u[:8], random.Uint64()&^0xf000|0x4000)
		binary.BigEndian.PutUint64(u[8:], random.Uint64()>>2|1<<63)
		return u.String()
	case "short": // up to 8 letters and digits, in no order
		return strconv.FormatUint(event*0x9e3779b97f4a7c15&(1<<40-1), 36)
	case "integer": // as a database counts
		return strconv.FormatUint(1_000_000_000+event, 10)
	}
	return p.source(i).WithSequence(number).String()
}

// foreignCost is what events cost whose UIDs are of one kind.
type foreignCost struct {
	minute
	packed int    // bytes of all bodies, each compressed
	kept   uint64 // bytes on disk of what is kept for years
}

// count counts bytes written.
type count int

func (c *count) Write(b []byte) (int, error) { *c += count(len(b)); return len(b), nil }

// pack compresses the bodies as they are sent over HTTP; the time it takes is nobody's here.
func (c *foreignCost) pack(bodies [][]byte) error {
	for _, body := range bodies {
		var n count
		z, err := gzip.NewWriterLevel(&n, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := z.Write(body); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		c.packed += int(n)
	}
	return nil
}

// playForeign plays a plan into a store and judges its window once, when all is in.
func playForeign(b *testing.B, p plan) *foreignCost {
	b.Helper()
	d := openDatabase(b)
	c := &foreignCost{minute: minute{plan: p, database: d, meter: newMeter(b), states: map[store.Edge]store.Verdict{}}}
	e, err := startEmitters(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	for c.now = p.Start; ; {
		bodies, err := e.second()
		if errors.Is(err, io.EOF) {
			break
		}
		c.now = c.now.Add(time.Second)
		if err := errors.Join(err, c.pack(bodies), c.take(b, bodies)); err != nil {
			b.Fatal(err)
		}
	}
	if c.making, err = e.wait(); err != nil {
		b.Fatal(err)
	}
	begun := c.cpu()
	said, err := reconcile.Pass(b.Context(), c.Store, c.now)
	c.pass = c.cpu().minus(begun)
	if err != nil || !c.note(said) {
		b.Fatalf("the window did not close in the pass after the last report: %v", err)
	}
	return c
}

// take decodes, checks and stores what was sent in one second.
func (c *foreignCost) take(b *testing.B, bodies [][]byte) error {
	begun := c.cpu()
	received, err := c.decode(bodies)
	if err != nil {
		return err
	}
	decoded := c.cpu()
	err = c.database.insert(b.Context(), received)
	c.read, c.insert = c.read.plus(decoded.minus(begun)), c.insert.plus(c.cpu().minus(decoded))
	return err
}

// figures are what the events cost, for a million of them.
func (c *foreignCost) figures(b *testing.B) map[string]float64 {
	b.Helper()
	for _, table := range []string{"window_rolls", "uid_counts"} {
		_, bytes := c.stored(b, table, true)
		c.kept += bytes
	}
	millions := float64(c.events()) / 1e6
	seconds := func(d time.Duration) float64 { return d.Seconds() / millions }
	megabytes := func(n float64) float64 { return n / 1e6 / millions }
	return map[string]float64{
		"wire-MB": megabytes(float64(c.wire)), "gzip-MB": megabytes(float64(c.packed)), "disk-MB": megabytes(float64(c.kept)),
		"emitters-cpu-s": seconds(c.making), "ingest-cpu-s": seconds(c.read.sum() + c.insert.sum()), "closing-pass-cpu-s": seconds(c.pass.sum()),
	}
}

// BenchmarkForeign is a million events that pass three hops, with UIDs that Rollcall numbered and with those that others gave them: UUIDs, eight
// letters, and integers. The figures are for a million events, also where it is scaled; the ratios are to numbered ones of the same run.
func BenchmarkForeign(b *testing.B) {
	p := plan{Seconds: 60, After: 35, Sources: 16, Emitters: 4, Hops: 3, PerSecond: scaled(b, 1_000_000) / 60, Lose: true}
	var base map[string]float64
	for _, p.UIDs = range kinds {
		b.Run("uids="+map[bool]string{true: "numbered", false: p.UIDs}[p.UIDs == numbered], func(b *testing.B) {
			for b.Loop() {
				p.Start = windowStart()
				c := playForeign(b, p)
				c.check(b)
				figures := c.figures(b)
				if p.UIDs == numbered {
					base = figures
				}
				for name, n := range figures {
					b.ReportMetric(n, name)
					if base != nil && p.UIDs != numbered {
						b.ReportMetric(n/base[name], name+"-ratio")
					}
				}
				b.ReportMetric(float64(c.events())/1e6, "Mevents")
				b.Logf("%d reports; decode %s, insert %s, pass %s", c.reports, c.read, c.insert, c.pass)
			}
		})
	}
}
