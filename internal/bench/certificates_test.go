package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
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

// BenchmarkCertify certifies an hour of 7.2 billion events of 64 sources at four hops, whose windows are judged: it rolls the hour up, makes the digests from
// the rolls, which have a gap each, and signs what is to be said of it. The entry goes to no topic.
func BenchmarkCertify(b *testing.B) {
	const sources, windows, hopCount, events = 64, 60, 4, 7_200_000_000
	const each = events / sources / windows // events of a source in a window
	d, hour := openDatabase(b), time.Now().UTC().Truncate(time.Hour).Add(-3*time.Hour)
	settings := store.DefaultSettings("orders")
	for h := 1; h < hopCount; h++ {
		settings.Edges = append(settings.Edges, store.Edge{From: fmt.Sprint("h", h-1), To: fmt.Sprint("h", h)})
	}
	if err := d.PutSettings(b.Context(), settings, hour); err != nil {
		b.Fatal(err)
	}
	for w := range windows {
		var reports []store.Received
		start := hour.Add(time.Duration(w) * time.Minute)
		for h := range hopCount {
			reports = append(reports, hourReport(start, w, h, sources, each))
		}
		if err := d.Insert(b.Context(), reports); err != nil {
			b.Fatal(err)
		}
		if err := d.AddVerdicts(b.Context(), judged(settings, start, events/windows)); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.SetProgress(b.Context(), []store.Progress{{Stream: "orders", Earliest: hour, Examined: hour.Add(time.Hour)}}, hour); err != nil {
		b.Fatal(err)
	}
	key, keys := signingKey(b)
	issuer := reconcile.NewIssuer(reconcile.IssuerDeps{Store: d.Store, Reader: reconcile.NewReader(d.Store), Ledger: pen{key, keys}, Keys: func() *certificate.Keys { return keys }})
	m := newMeter(b)
	begun := m.cpu()
	for b.Loop() {
		issue, err := issuer.Issue(b.Context(), "orders", hour, "ada")
		if err != nil || issue.Action != string(certificate.Certify) {
			b.Fatalf("%+v, %v", issue.Hour, err)
		}
		if e, err := certificate.Read(issue.Last.Envelope); err != nil || len(e.Hops) != hopCount || e.Hops[0].Events != events {
			b.Fatalf("%+v, %v", e, err)
		}
	}
	used := m.cpu().minus(begun)
	b.ReportMetric(used.self.Seconds()/float64(b.N), "cpu-s/hour")
	b.ReportMetric(used.clickHouse.Seconds()/float64(b.N), "clickhouse-cpu-s/hour")
}

// pen writes entries and keeps none.
type pen struct {
	key  *certificate.Key
	keys *certificate.Keys
}

func (p pen) Append(_ context.Context, stream string, make func(certificate.Head) ([]byte, error)) (*certificate.Entry, error) {
	text, err := make(certificate.Head{})
	if err != nil {
		return nil, err
	}
	e, _, refused := certificate.Head{}.Accept(stream, text, p.keys)
	if refused != nil {
		return nil, refused
	}
	return e, nil
}

// judged are the verdicts of a window of which nothing is missing.
func judged(s store.Settings, start time.Time, events uint64) []store.Verdict {
	var all []store.Verdict
	for _, edge := range s.Edges {
		end := start.Add(time.Minute)
		all = append(all, store.Verdict{
			Stream: s.Stream, Start: start, Seconds: 60, Edge: edge, State: store.Complete, Revision: 1, Cause: "first",
			Counts: store.Counts{Produced: events, Expected: events, Delivered: events}, K: end, FirstClosed: end, DecidedAt: end, Bound: end,
		})
	}
	return all
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
