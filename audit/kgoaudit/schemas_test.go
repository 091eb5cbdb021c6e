package kgoaudit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/schema"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// checker checks against a schema in which events have an id, and an older version.
func checker(t *testing.T, samples *schema.Sampler) *schema.Checker {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "orders"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1.json", "2.json"} {
		if err := os.WriteFile(filepath.Join(dir, "orders", name), []byte(`{"required":["id"]}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := schema.LoadFiles(schema.FilesConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.New(schema.Config{Source: files, Deprecated: []string{"orders@1"}, Samples: samples})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tallies are the schema outcomes; the highest told of each.
func (b *books) tallies() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]uint64)
	for _, r := range b.reports {
		for _, w := range r.Windows {
			for _, s := range w.Schemas {
				key := s.ID + "@" + s.Version + " " + s.Outcome + " " + s.Reason
				out[key] = max(out[key], s.Count)
			}
		}
	}
	return out
}

// mixed is ten events: 4 and 7 break the schema, 9 is of an old version.
func mixed() (out []*kgo.Record) {
	for i := range 10 {
		r := &kgo.Record{Topic: "orders", Value: []byte(`{"id":1}`)}
		switch i {
		case 4, 7:
			r.Value = []byte(`{}`)
		case 9:
			r.Headers = []kgo.RecordHeader{{Key: schema.SchemaIDHeader, Value: []byte("1")}}
		}
		out = append(out, r)
	}
	return out
}

var mixedTallies = map[string]uint64{
	"orders@2 OK ": 7, "orders@2 INVALID missing property id": 2, "orders@1 DEPRECATED ": 1,
}

func TestProducerChecksWhatItNumbers(t *testing.T) {
	c := cluster(t, 1)
	b := &books{}
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app", Transport: b, Window: time.Hour}, Topics: []string{"orders"}, Schemas: checker(t, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, c, kgo.WithHooks(p))
	if err := cl.ProduceSync(t.Context(), mixed()...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mixedTallies, b.tallies()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint32{4, 7}, b.roll(wire.Invalid).ToArray()); diff != "" {
		t.Error("the invalid events:", diff)
	}
}

func TestConsumerCountsSchemaOutcomesOnceWhatItPolledIsProcessed(t *testing.T) {
	c := cluster(t, 1)
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app", Transport: &books{}, Window: time.Hour}, Topics: []string{"orders"},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := client(t, c, kgo.WithHooks(p))
	if err := out.ProduceSync(t.Context(), mixed()...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &books{}
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: b, Window: time.Hour},
		Topics: []string{"orders"}, Group: "sink", Schemas: checker(t, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &follower{Consumer: f, client: client(t, c, f.Options()...), books: b}
	t.Cleanup(in.end)
	in.poll(t, 10)
	if got := in.flush(t).tallies(); len(got) > 0 {
		t.Errorf("counted before they are processed: %v", got)
	}
	in.commit(t)
	if diff := cmp.Diff(mixedTallies, in.flush(t).tallies()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]uint32{4, 7}, b.roll(wire.Invalid).ToArray()); diff != "" {
		t.Error("the invalid events:", diff)
	}
}

func TestRecordsWithoutAnAuditHeaderAreNotCheckedAndCounted(t *testing.T) {
	c := cluster(t, 1)
	out := client(t, c)
	wrong := kgo.RecordHeader{Key: kgoaudit.HeaderKey, Value: []byte("of a later version")}
	foreign := []kgo.RecordHeader{{Key: "ce_id", Value: []byte("order-7")}, {Key: "ce_time", Value: []byte(time.Now().Format(time.RFC3339))}}
	for _, r := range []*kgo.Record{{Value: []byte(`{}`)}, {Value: []byte(`{"id":1}`)}, {Headers: []kgo.RecordHeader{wrong}}, {Headers: foreign}} {
		r.Topic = "orders"
		if err := out.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b := &books{}
	f, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "sink", Transport: b, Window: time.Hour},
		Topics: []string{"orders"}, Group: "sink", Schemas: checker(t, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &follower{Consumer: f, client: client(t, c, f.Options()...), books: b}
	t.Cleanup(in.end)
	in.poll(t, 4)
	in.commit(t)
	in.flush(t)
	var unplaced wire.Unplaced
	for _, r := range b.reports {
		for _, w := range r.Windows {
			unplaced = w.Unplaced
		}
	}
	if s := f.Stats(); s.Unchecked != 4 || len(b.tallies()) != 0 || unplaced != (wire.Unplaced{NoUID: 2, Unreadable: 1}) {
		t.Errorf("%d not checked, tallies %v, unplaced %+v", s.Unchecked, b.tallies(), unplaced)
	}
}

func TestReporterSendsSamplesByStream(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders", kgoaudit.SamplesTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl := client(t, c, kgo.ConsumeTopics(kgoaudit.SamplesTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	reporter, err := kgoaudit.NewReporter(cl, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.NewSampler(schema.SamplerConfig{Sender: reporter, OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{}
	p, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: audit.HopConfig{Stream: "orders", Hop: "app", Transport: b}, Topics: []string{"orders"}, Schemas: checker(t, s),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client(t, c, kgo.WithHooks(p)).ProduceSync(t.Context(), mixed()...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	records := cl.PollFetches(ctx).Records()
	if len(records) != 1 || string(records[0].Key) != "orders" {
		t.Fatalf("%d records", len(records))
	}
	for _, want := range []string{`"stream":"orders"`, `"outcome":"INVALID"`, `"outcome":"DEPRECATED"`, `"payload":"{\"id\":\"number\"}"`} {
		if !bytes.Contains(records[0].Value, []byte(want)) {
			t.Errorf("no %s in %s", want, records[0].Value)
		}
	}
}
