package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// BenchmarkGate asks how hours stand in a store of 1 000 streams × 90 days: of nine in ten there is a certificate, and of the others the hour itself is
// rolled up, as the gate does it.
func BenchmarkGate(b *testing.B) {
	streams, hours := scaled(b, 1000), 90*24
	d, from := openDatabase(b), time.Now().UTC().Truncate(time.Hour).Add(-91*24*time.Hour)
	key, _ := signingKey(b)
	for n := range streams {
		storeHours(b, d, fmt.Sprintf("stream-%04d", n), from, hours, key)
	}
	reader, now := reconcile.NewReader(d.Store), time.Now()
	var entries, rolled []time.Duration
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same hours each time
	for b.Loop() {
		n := dice.IntN(hours)
		stream, hour := fmt.Sprintf("stream-%04d", dice.IntN(streams)), from.Add(time.Duration(n)*time.Hour)
		begun := time.Now()
		_, there, err := d.LastCertificate(b.Context(), stream, hour)
		if err != nil || there == uncertified(n) {
			b.Fatalf("hour %s of %s: there is %v, %v", hour, stream, there, err)
		}
		if there {
			entries = append(entries, time.Since(begun))
			continue
		}
		if h, err := reader.Hours(b.Context(), []string{stream}, hour, hour.Add(time.Hour), now); err != nil || len(h) != 1 || h[0].State != store.Complete {
			b.Fatalf("hour %s of %s: %+v, %v", hour, stream, h, err)
		}
		rolled = append(rolled, time.Since(begun))
	}
	b.ReportMetric(millisAt(entries, 50), "certified-p50-ms")
	b.ReportMetric(millisAt(entries, 99), "certified-p99-ms")
	b.ReportMetric(millisAt(rolled, 50), "uncertified-p50-ms")
	b.ReportMetric(millisAt(rolled, 99), "uncertified-p99-ms")
}

// uncertified is one hour in ten.
func uncertified(n int) bool { return n%10 == 9 }

func millisAt(all []time.Duration, percent int) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[min(len(all)-1, len(all)*percent/100)].Microseconds()) / 1000
}

// storeHours stores the verdicts and certificates of a stream's hours, each one window.
func storeHours(b *testing.B, d database, stream string, from time.Time, hours int, key *certificate.Key) {
	b.Helper()
	settings := store.DefaultSettings(stream)
	settings.Edges, settings.Lengths = []store.Edge{{From: "h0", To: "h1"}}, []store.Length{{Seconds: 3600}}
	var verdicts []store.Verdict
	var entries []store.Certificate
	for n := range hours {
		hour := from.Add(time.Duration(n) * time.Hour)
		verdicts = append(verdicts, store.Verdict{
			Stream: stream, Start: hour, Seconds: 3600, Edge: settings.Edges[0], State: store.Complete, Revision: 1, Cause: "first",
			Counts: store.Counts{Produced: 100, Expected: 100, Delivered: 100}, K: hour.Add(time.Hour), FirstClosed: hour.Add(time.Hour), DecidedAt: hour.Add(time.Hour), Bound: hour.Add(time.Hour),
		})
		if uncertified(n) {
			continue
		}
		hops := []certificate.Hop{{Hop: "h0", Digest: sha256.Sum256([]byte(hour.String()))}, {Hop: "h1", Digest: sha256.Sum256([]byte(stream))}}
		content := hourContent(hour, hops)
		content.Stream, content.Number = stream, uint64(n+1)
		content.Previous = sha256.Sum256([]byte(stream + hour.String()))
		if n == 0 {
			content.Previous = certificate.Hash{}
		}
		text, err := certificate.Sign(content, key)
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, store.Certificate{
			Stream: stream, Number: content.Number, Hour: hour, Action: "certify", Previous: content.Previous, Hash: certificate.HashOf(text), Key: key.ID,
			IssuedAt: content.IssuedAt, IssuedBy: "rollcall", Envelope: text, Offset: int64(n),
		})
	}
	report := hourReport(from, 0, 0, 1, 10)
	report.Stream = stream
	report.Windows[0].Seconds = 3600
	for _, keep := range []func(context.Context) error{
		func(ctx context.Context) error { return d.PutSettings(ctx, settings, from) },
		func(ctx context.Context) error { return d.Insert(ctx, []store.Received{report}) },
		func(ctx context.Context) error { return d.AddVerdicts(ctx, verdicts) },
		func(ctx context.Context) error { return d.AddCertificates(ctx, entries) },
		func(ctx context.Context) error {
			return d.SetProgress(ctx, []store.Progress{{Stream: stream, Earliest: from, Examined: from.Add(time.Duration(hours) * time.Hour)}}, from)
		},
	} {
		if err := keep(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
