package kgoaudit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
)

// A producer is audited by a hook; nothing else of it changes.
func ExampleNewProducer() {
	server, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: "http://127.0.0.1:8080"})
	if err != nil {
		fmt.Println(err)
		return
	}
	hop := audit.HopConfig{Stream: "orders", Hop: "app", Transport: server}
	roll, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{Hop: hop, Topics: []string{"orders"}, JournalDir: "/var/lib/shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.WithHooks(roll))
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Produce(context.Background(), &kgo.Record{Topic: "orders", Value: []byte("3 books")}, nil)

	fmt.Println(client.Flush(context.Background())) // at the end: what is in the buffer has not left
	fmt.Println(roll.Close(context.Background()))
}

// A consumer polls, stores, observes, and commits last.
func ExampleConsumer() {
	var server audit.Transport
	var store func(*kgo.Record)
	hop, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: server})
	if err != nil {
		fmt.Println(err)
		return
	}
	hop.Start()
	client, err := kgo.NewClient(kgo.ConsumerGroup("sink"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		fmt.Println(err)
		return
	}
	lanes := kgoaudit.NewConsumer(client, hop, "orders")
	for ctx := context.Background(); ctx.Err() == nil; client.AllowRebalance() {
		poll, cancel := context.WithTimeout(ctx, time.Second)
		client.PollFetches(poll).EachRecord(func(r *kgo.Record) {
			store(r)
			kgoaudit.Observe(hop, r, time.Now())
		})
		cancel()
		if err := lanes.Commit(ctx); err != nil {
			fmt.Println(err)
		}
	}
}

// Records of a producer that cannot be instrumented are known by an identity of its own making.
func ExampleConsumer_UseFields() {
	var client *kgo.Client
	var hop *audit.Hop
	r := &kgo.Record{Value: []byte(`{"order":{"id":77413,"placedAt":"2026-11-22T05:10:07.120Z"}}`)}

	lanes := kgoaudit.NewConsumer(client, hop, "orders")
	err := lanes.UseFields(kgoaudit.Fields{UID: "/order/id", ProducedAt: "/order/placedAt"})
	lanes.Observe(r, time.Now()) // in place of kgoaudit.Observe

	fmt.Println(err)
}
