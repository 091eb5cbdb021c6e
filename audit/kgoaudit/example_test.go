package kgoaudit_test

import (
	"context"
	"errors"
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

// A consumer that decides for itself what it observes polls, stores, observes, and commits last.
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

// A consumer is audited by its options; what it polls is observed once it is processed.
func ExampleFollowConsumer() {
	var server audit.Transport
	var store func(context.Context, kgo.Fetches) error // returns once all of it is durable
	ctx := context.Background()
	hop := audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: server}
	roll, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{Hop: hop, Topics: []string{"orders"}, Group: "sink"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(append(roll.Options(), kgo.SeedBrokers("127.0.0.1:9092"))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for ctx.Err() == nil {
		if err := roll.Round(ctx, store); errors.Is(err, kgoaudit.ErrNotProcessed) {
			break // nothing of it is committed; begin anew, as after a crash
		}
	}
	fmt.Println(roll.Close(context.Background()))
	client.Close()
}

// A transactional producer ends its transactions here; its reports are committed with its events.
func ExampleEndTransaction() {
	ctx := context.Background()
	hop := audit.HopConfig{Stream: "orders", Hop: "app"}
	roll, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop: hop, Topics: []string{"orders"}, JournalDir: "/var/lib/shop", InTransaction: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.TransactionalID("shop"), kgo.WithHooks(roll))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.BeginTransaction(); err != nil {
		fmt.Println(err)
		return
	}
	client.Produce(ctx, &kgo.Record{Topic: "orders", Value: []byte("3 books")}, nil)
	committed, err := kgoaudit.EndTransaction(ctx, client, kgo.TryCommit, roll)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(committed)

	fmt.Println(roll.Close(ctx))
	client.Close()
}

// A relay reads, passes on and commits in one transaction, and its reports are part of it.
func ExampleEndSession() {
	ctx := context.Background()
	hop := audit.HopConfig{Stream: "orders", Hop: "relay", After: []string{"app"}}
	roll, err := kgoaudit.FollowConsumer(kgoaudit.ConsumerConfig{
		Hop: hop, Topics: []string{"orders"}, Group: "relay", InTransaction: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := kgo.NewGroupTransactSession(append(roll.Options(), kgo.SeedBrokers("127.0.0.1:9092"), kgo.TransactionalID("relay"))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		if err := session.Begin(); err != nil {
			fmt.Println(err)
			return
		}
		poll, cancel := context.WithTimeout(ctx, time.Second)
		produced := kgo.AbortingFirstErrPromise(session.Client())
		session.PollFetches(poll).EachRecord(func(r *kgo.Record) {
			onward := &kgo.Record{Topic: "relayed", Key: r.Key, Value: r.Value, Headers: r.Headers}
			session.Produce(ctx, onward, produced.Promise())
		})
		cancel()
		commit := kgo.TransactionEndTry(produced.Err() == nil)
		if _, err := kgoaudit.EndSession(ctx, session, commit, roll); err != nil {
			fmt.Println(err)
			return
		}
	}
}
