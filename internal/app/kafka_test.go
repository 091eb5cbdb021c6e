package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

const testLimit = time.Minute

// The sink says in a transaction that it took all over, which is aborted, and in the next that it lacks number 41, which is
// committed. Between the two lies a record that nobody can read.
func TestOverKafkaCommittedReportsCountAbortedOnesDoNotAndAnUnreadableOneStopsNothing(t *testing.T) {
	testenv.EachKafka(t, committedReportsCount)
}

func committedReportsCount(t *testing.T, brokers []string) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	a, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: t.TempDir(), KafkaBrokers: brokers, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	start := time.Now().UTC().Truncate(time.Minute).Add(-2 * time.Minute)
	source := wire.UID{1, 2, 3, 4, 5, 6, 0x80, 7, 0x80}
	all := reportOf("app", "", start, source)
	lacking := reportOf("sink", "app", start, source, 41)

	plain := kafkaClient(t, brokers)
	produce(ctx, t, plain, all)
	hop := kafkaClient(t, brokers, kgo.TransactionalID("sink"))
	transact(ctx, t, hop, kgo.TryAbort, reportOf("sink", "app", start, source))
	if err := plain.ProduceSync(ctx, &kgo.Record{Key: []byte("orders"), Value: []byte("nonsense")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	transact(ctx, t, hop, kgo.TryCommit, lacking)

	path := "/api/v1/streams/orders/windows/" + start.Format(time.RFC3339) + "/uids?" + url.Values{"edge": {"app..sink"}, "kind": {"lost"}}.Encode()
	var lost api.Page[api.UID]
	await(ctx, t, a, path, &lost, func() bool { return len(lost.Items) > 0 })
	if d := cmp.Diff([]string{source.WithSequence(41).String()}, uids(lost)); d != "" {
		t.Error(d)
	}
	var status api.Status
	await(ctx, t, a, "/api/v1/status", &status, func() bool { return status.IngestLag == 0 })
	if status.Kafka != "ok" || status.Reports != 2 || status.Quarantined != 1 {
		t.Errorf("%+v; want two reports, and one record in quarantine", status)
	}
}

// reportOf is all that an emitter of a hop took over of one window: a hundred events of the source but those it lacks.
func reportOf(hop, after string, start time.Time, source wire.UID, lacks ...uint32) wire.Report {
	seen := roaring.New()
	seen.AddRange(0, 100)
	for _, n := range lacks {
		seen.Remove(n)
	}
	src := wire.Source{ID: source, Observations: seen.GetCardinality(), Bytes: 100}
	src.Rolls[wire.Seen] = seen
	r := wire.Report{
		Stream: "orders", Hop: hop, Emitter: wire.UID{0: byte(len(hop)), 6: 0x80, 8: 0x80}, Host: "host", Heartbeat: 5, Number: 1,
		SentAt: time.Now().UTC().Truncate(time.Millisecond), State: wire.Closed,
		Windows: []wire.Window{{Start: start, Seconds: 60, Sources: []wire.Source{src}}},
	}
	if after != "" {
		r.After = []string{after}
	}
	return r
}

func kafkaClient(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(ingest.Topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func produce(ctx context.Context, t *testing.T, c *kgo.Client, r wire.Report) {
	t.Helper()
	body, err := wire.EncodeProto(wire.Batch{Reports: []wire.Report{r}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(ctx, &kgo.Record{Key: []byte(r.Stream), Value: body}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func transact(ctx context.Context, t *testing.T, c *kgo.Client, end kgo.TransactionEndTry, r wire.Report) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(ctx, t, c, r)
	if err := c.EndTransaction(ctx, end); err != nil {
		t.Fatal(err)
	}
}

// await asks until the answer is as it should be.
func await(ctx context.Context, t *testing.T, a *App, path string, into any, good func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode == http.StatusOK {
			err = json.NewDecoder(answer.Body).Decode(into)
		}
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode == http.StatusOK && good() {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s answers %d with %+v", path, answer.StatusCode, into)
		}
	}
}

func uids(page api.Page[api.UID]) []string {
	var all []string
	for _, u := range page.Items {
		all = append(all, u.UID)
	}
	return all
}
