package app

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/chain"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
	"github.com/rollcallhq/rollcall/migrations"
	"github.com/rollcallhq/rollcall/reconcile"
)

// holding is who holds all shares, as two servers may for a moment when one takes over from the other.
type holding []store.Claim

func (h holding) Held() []store.Claim { return h }

// issuing is one stream, whose hour of long ago two servers issue on.
type issuing struct {
	t       *testing.T
	store   *store.Store
	hour    time.Time
	now     time.Time
	number  uint64
	issuers []*reconcile.Issuer
}

func newIssuing(t *testing.T) *issuing {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	s, err := store.Connect(t.Context(), store.Config{Addrs: []string{addr}, Database: database, User: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), migrations.Files); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	settings := store.DefaultSettings("orders")
	settings.Edges, settings.Document = []store.Edge{{From: "app", To: "sink"}}, []byte(`{"certify":{"auto":true}}`)
	if err := s.PutSettings(t.Context(), settings, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	hour := now.Add(-3 * time.Hour).Truncate(time.Hour)
	return &issuing{t: t, store: s, hour: hour, now: hour.Add(-time.Minute)}
}

// server is a chain of its own with all that issues on it.
func (i *issuing) server(brokers []string, keys *certificate.Keys) {
	i.t.Helper()
	registry, quiet := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	ours := func() *certificate.Keys { return keys }
	c, err := chain.New(i.store, ours, chain.Config{Brokers: brokers}, registry, quiet)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		i.t.Fatal(err)
	}
	issuer := reconcile.NewIssuer(reconcile.IssuerDeps{Store: i.store, Reader: reconcile.NewReader(i.store), Ledger: c, Keys: ours})
	var all holding
	for n := range uint32(store.Shares) {
		all = append(all, store.Claim{Share: n, Token: 1})
	}
	follows, err := reconcile.NewCertifier(i.store, issuer, all, registry, quiet)
	if err != nil {
		i.t.Fatal(err)
	}
	follows.Start()
	i.issuers = append(i.issuers, issuer)
	i.t.Cleanup(func() {
		ctx := context.WithoutCancel(i.t.Context())
		for _, stop := range []func(context.Context) error{follows.Stop, c.Stop} {
			if err := stop(ctx); err != nil {
				i.t.Error(err)
			}
		}
	})
}

// say stores what the app and the sink saw of the hour's first minute, up to which number. First they must do so when the hour begins, so
// that they were there, and then after its end.
func (i *issuing) say(app, sink uint64) {
	i.t.Helper()
	i.number++
	i.now = i.now.Add(time.Minute)
	report := func(hop string, n byte, to uint64, after ...string) store.Received {
		at := i.now.Add(time.Duration(n) * 5 * time.Second) // the sink's watermark is past the app's word
		seen := roaring.New()
		seen.AddRange(0, to+1)
		source := wire.Source{ID: wire.UID{0x01, 0x99, 0xf0, 0x9c, 0x1d, 0x2e, 0x8a, 0xbc, 0x9d, 0xef, 1, 100}}
		source.Rolls[wire.Seen] = seen
		return store.Received{At: at, Report: wire.Report{
			Stream: "orders", Hop: hop, After: after, Emitter: wire.UID{1, 2, 3, 4, 5, 6, 0x40, 7, 0x80, n}, Host: hop, Heartbeat: 5, Number: i.number, SentAt: at,
			State: wire.Running, Lanes: map[string]time.Time{"": at},
			Windows: []wire.Window{{Start: i.hour, Seconds: 60, Sources: []wire.Source{source}}},
		}}
	}
	if err := i.store.Insert(i.t.Context(), []store.Received{report("app", 1, app), report("sink", 2, sink, "app")}); err != nil {
		i.t.Fatal(err)
	}
}

// settle has what was said judged, and has somebody ask both servers at once, again and again, until the last entry of the hour is of an action.
func (i *issuing) settle(action certificate.Action) {
	i.t.Helper()
	until(i.t, fmt.Sprintf("the hour stands as %s", action), func() bool {
		if _, err := reconcile.Pass(i.t.Context(), i.store, time.Now()); err != nil {
			i.t.Fatal(err)
		}
		var asking sync.WaitGroup
		for n, issuer := range i.issuers {
			asking.Go(func() {
				if _, err := issuer.Issue(i.t.Context(), "orders", i.hour, fmt.Sprint("server-", n)); err != nil {
					i.t.Error(err)
				}
			})
		}
		asking.Wait()
		last, _, err := i.store.LastCertificate(i.t.Context(), "orders", i.hour)
		return err == nil && last.Action == string(action)
	})
}

// Two servers follow one stream and are asked at once, while events come late, are lost and are filled. All is in one chain, and nothing twice.
func TestTwoServersThatIssueOnOneStreamMakeOneChainWithoutRepeats(t *testing.T) {
	const rounds = 4
	i := newIssuing(t)
	brokers := testenv.Kafka(t)
	if err := chain.EnsureTopic(t.Context(), brokers, chain.Topic); err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, err := certificate.NewKey(private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	key.Private = private
	keys := &certificate.Keys{All: []certificate.Key{key}}
	i.say(0, 0)
	i.now = i.hour.Add(2 * time.Hour)
	i.say(9, 9)
	for range 2 {
		i.server(brokers, keys)
	}
	i.settle(certificate.Certify)
	for n := range uint64(rounds) {
		i.say(10+n, 9+n)
		i.settle(certificate.Revoke)
		i.say(10+n, 10+n)
		i.settle(certificate.Supersede)
	}
	all, err := i.store.CertificateChain(t.Context(), "orders", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b store.Certificate) int { return int(a.Number) - int(b.Number) })
	var head certificate.Head
	var before *certificate.Entry // of the hour
	revoked := 0
	for _, one := range all {
		e, next, refused := head.Accept("orders", one.Envelope, keys)
		if refused != nil {
			t.Fatalf("entry %d: %v", one.Number, refused)
		}
		if head = next; !e.Hour.Equal(i.hour) {
			continue // the hours after it are certified too
		}
		if what := repeats(before, e); what != "" {
			t.Errorf("entry %d: %s by %s (%s): %s", e.Number, e.Action, e.IssuedBy, e.Reason, what)
		}
		if before = e; e.Action == certificate.Revoke {
			revoked++
		}
	}
	if revoked != rounds || before.Hops[1].Events != 10+rounds {
		t.Errorf("%d were revoked, want %d; the last entry is %+v", revoked, rounds, before.Content)
	}
}

// repeats says how an entry says of an hour what the one before it says.
func repeats(before, e *certificate.Entry) string {
	switch {
	case (before == nil) != (e.Action == certificate.Certify):
		return "an hour is certified once, and first"
	case before == nil:
		return ""
	case before.Action == certificate.Revoke && e.Action == certificate.Revoke:
		return "it is revoked already"
	case before.Action != certificate.Revoke && e.Action != certificate.Revoke && slices.Equal(before.Hops, e.Hops) && slices.EqualFunc(before.Edges, e.Edges, sameCounts):
		return "that stands already"
	}
	return ""
}

func sameCounts(a, b certificate.Edge) bool { return cmp.Equal(a, b) }
