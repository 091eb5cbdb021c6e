package bench

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// judges is the judge of every stream.
type judges struct{ *store.Store }

func (j judges) Hold() (reconcile.Store, func(reconcile.Health)) {
	return j.Store, func(reconcile.Health) {}
}

// onCall runs a reconciler and a notifier as a server does, but that incidents need not stand before they are told. Each call is sent to the channel.
func (h *herd) onCall(b *testing.B) <-chan time.Time {
	b.Helper()
	told := make(chan time.Time, 2*h.streams)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- time.Now() }))
	b.Cleanup(hook.Close)
	log := slog.New(slog.DiscardHandler)
	r, err := reconcile.New(judges{h.Store}, reconcile.Config{}, prometheus.NewRegistry(), log)
	if err != nil {
		b.Fatal(err)
	}
	reader := reconcile.NewReader(h.Store)
	n, err := notify.New(notify.Deps{Store: h.Store, Shares: everyShare{}, Names: reader, Hints: reader, Registry: prometheus.NewRegistry(), Log: log},
		notify.Config{Hold: -1, Receivers: []notify.Receiver{{Name: "oncall", Type: notify.Webhook, URL: hook.URL, AllowPrivate: true}}})
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	n.Start(context.Background())
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			b.Error(err)
		}
		if err := n.Stop(ctx); err != nil {
			b.Error(err)
		}
	})
	return told
}

// loses inserts heartbeats of all streams, in which those of [from, to) take over an event in a minute after the herd's that never came to the second
// hop, and returns when that was stored.
func (h *herd) loses(b *testing.B, from, to, minute int) time.Time {
	b.Helper()
	h.now = time.Now().UTC()
	var all []store.Received
	for i := range h.streams {
		both := h.reports(i, nil)
		if i >= from && i < to {
			sent := h.now.Add(-5 * time.Second) // past this the second hop must be for the loss to be known
			both[0].SentAt, both[0].Lanes = sent, map[string]time.Time{"": sent}
			both[0].Windows, both[1].Windows = h.minute(i, minute, 20), h.minute(i, minute, 19)
		}
		all = append(all, both...)
	}
	if err := h.insert(b.Context(), all); err != nil {
		b.Fatal(err)
	}
	return time.Now()
}

func (h *herd) minute(i, minute, events int) []wire.Window {
	src := wire.Source{ID: emitterID(i, 7), Observations: uint64(events), Bytes: 2000}
	src.Rolls[wire.Seen] = roaring.New()
	src.Rolls[wire.Seen].AddRange(uint64(20*minute), uint64(20*minute+events))
	return []wire.Window{{Start: h.start.Add(time.Duration(minute) * time.Minute), Seconds: 60, Sources: []wire.Source{src}}}
}

// BenchmarkCall is how long it takes from the report that closes a window with a loss, stored among the heartbeats of 1 000 streams, to the call that
// the receiver gets: of one stream, and of all of them at once, until the last one.
func BenchmarkCall(b *testing.B) {
	h := newHerd(b, scaled(b, 1000))
	told := h.onCall(b)
	wait := func(b *testing.B, calls int, since time.Time) (first, last time.Duration) {
		b.Helper()
		ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
		defer cancel()
		for n := range calls {
			select {
			case at := <-told:
				if last = at.Sub(since); n == 0 {
					first = last
				}
			case <-ctx.Done():
				b.Fatal("a call did not come in two minutes")
			}
		}
		return first, last
	}
	next := 0
	b.Run("one-stream", func(b *testing.B) {
		var sum, slowest time.Duration
		for b.Loop() {
			_, d := wait(b, 1, h.loses(b, next%h.streams, next%h.streams+1, 1))
			sum, slowest, next = sum+d, max(slowest, d), next+1
		}
		b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "ms-to-call")
		b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms-to-call")
	})
	b.Run("all-streams", func(b *testing.B) {
		var sum, firsts, slowest time.Duration
		minute := 3
		for b.Loop() {
			if minute > 7 {
				b.Fatal("the herd has windows for three losses of all streams: run with -benchtime 3x at most")
			}
			first, last := wait(b, h.streams, h.loses(b, 0, h.streams, minute))
			sum, firsts, slowest = sum+last, firsts+first, max(slowest, last)
			minute += 2 // apart, or it would be the same incident
		}
		b.ReportMetric(float64(firsts.Milliseconds())/float64(b.N), "ms-to-first-call")
		b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "ms-to-last-call")
		b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms-to-last-call")
	})
}

// everyShare is held by the one process that there is.
type everyShare struct{}

func (everyShare) Held() []store.Claim {
	all := make([]store.Claim, store.Shares)
	for share := range all {
		all[share].Share = uint32(share)
	}
	return all
}

func (everyShare) Keep(_ context.Context, claims []store.Claim) ([]store.Claim, func(), error) {
	return claims, func() {}, nil
}
