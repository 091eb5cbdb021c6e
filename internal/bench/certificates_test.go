package bench

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/chain"
	"github.com/rollcallhq/rollcall/internal/store"
)

func signingKey(b *testing.B) (*certificate.Key, *certificate.Keys) {
	b.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	k, err := certificate.NewKey(public)
	if err != nil {
		b.Fatal(err)
	}
	k.Private = private
	return &k, &certificate.Keys{All: []certificate.Key{k}}
}

// hourContent is what is signed of an hour with four hops.
func hourContent(hour time.Time, hops []certificate.Hop) certificate.Content {
	c := certificate.Content{
		Stream: "orders", Hour: certificate.HourOf(hour), Action: certificate.Certify, IssuedAt: hour.Add(time.Hour), IssuedBy: "rollcall", RuleVersion: 1, Revision: 180,
		Hops: hops, Coverage: certificate.Coverage{Windows: 60, Emitters: 64, Lanes: 64},
	}
	for i := 1; i < len(hops); i++ {
		c.Edges = append(c.Edges, certificate.Edge{Edge: hops[i-1].Hop + ".." + hops[i].Hop, State: "complete", Windows: 60, Produced: 120_000_000, Expected: 120_000_000, Delivered: 120_000_000})
		c.Latency = append(c.Latency, certificate.Latency{Hop: hops[i].Hop, P50: 4, P95: 20, P99: 41.5, Max: 90})
	}
	return c
}

// BenchmarkChain verifies a chain of 100 000 entries: each signature, number and hash, and what is inside.
func BenchmarkChain(b *testing.B) {
	n := scaled(b, 100_000)
	key, keys := signingKey(b)
	hops := []certificate.Hop{{Hop: "h0", Events: 1}, {Hop: "h1", Events: 1}, {Hop: "h2", Events: 1}, {Hop: "h3", Events: 1}}
	hour, entries, bytes := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC), make([][]byte, 0, n), 0
	var head certificate.Head
	for i := range n {
		text, err := certificate.Sign(head.Next(hourContent(hour.Add(time.Duration(i)*time.Hour), hops)), key)
		if err != nil {
			b.Fatal(err)
		}
		head = certificate.Head{Number: uint64(i + 1), Hash: certificate.HashOf(text)}
		entries, bytes = append(entries, text), bytes+len(text)
	}
	begun := ownCPU(b)
	for b.Loop() {
		var at certificate.Head
		for _, text := range entries {
			_, next, refused := at.Accept("orders", text, keys)
			if refused != nil {
				b.Fatal(refused)
			}
			at = next
		}
		if at != head {
			b.Fatalf("it ends at %d", at.Number)
		}
	}
	b.ReportMetric(float64(bytes)/float64(n), "B/entry")
	b.ReportMetric((ownCPU(b)-begun).Seconds()/float64(b.N), "cpu-s/chain")
}

// BenchmarkCertify makes the digests of an hour of 7.2 billion events of 64 sources at four hops from the store, and signs them. The events are
// stored as the rolls that hops report of them, with a gap in each.
func BenchmarkCertify(b *testing.B) {
	const sources, windows, hopCount, events = 64, 60, 4, 7_200_000_000
	const each = events / sources / windows // events of a source in a window
	d, hour := openDatabase(b), time.Now().UTC().Truncate(time.Hour).Add(-3*time.Hour)
	for w := range windows {
		var reports []store.Received
		for h := range hopCount {
			reports = append(reports, hourReport(hour.Add(time.Duration(w)*time.Minute), w, h, sources, each))
		}
		if err := d.Insert(b.Context(), reports); err != nil {
			b.Fatal(err)
		}
	}
	key, keys := signingKey(b)
	m := newMeter(b)
	begun := m.cpu()
	for b.Loop() {
		hops, err := chain.Digests(b.Context(), d.Store, "orders", certificate.Hour{Time: hour})
		if err != nil {
			b.Fatal(err)
		}
		if len(hops) != hopCount || hops[0].Events != events {
			b.Fatalf("%+v", hops)
		}
		text, err := certificate.Sign(certificate.Head{}.Next(hourContent(hour, hops)), key)
		if err != nil {
			b.Fatal(err)
		}
		if _, checks := certificate.Verify(text, keys); !certificate.Good(checks) {
			b.Fatal(certificate.Faults(checks))
		}
	}
	used := m.cpu().minus(begun)
	b.ReportMetric(used.self.Seconds()/float64(b.N), "cpu-s/hour")
	b.ReportMetric(used.clickHouse.Seconds()/float64(b.N), "clickhouse-cpu-s/hour")
}

// ownCPU is the CPU time that this process has used.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// hourReport is what a hop took over of all sources in a window: each has numbers of its own, with one that was never given.
func hourReport(start time.Time, window, hop, sources, each int) store.Received {
	w := wire.Window{Start: start, Seconds: 60}
	for s := range sources {
		roll, first := roaring.New(), uint64(window*(each+1))
		roll.AddRange(first, first+uint64(each)+1)
		roll.Remove(uint32(first) + uint32(each/2))
		src := wire.Source{ID: wire.UID{1, byte(s), 6: 0x80, 8: 0x80, 11: 1}}
		src.Rolls[wire.Seen] = roll
		w.Sources = append(w.Sources, src)
	}
	return store.Received{At: start, Report: wire.Report{
		Stream: "orders", Hop: fmt.Sprint("h", hop), Emitter: wire.UID{byte(hop + 1)}, Number: uint64(window + 1), SentAt: start, State: wire.Running, Windows: []wire.Window{w},
	}}
}
