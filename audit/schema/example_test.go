package schema_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/schema"
)

// Events are checked against the files of a directory.
func ExampleLoadFiles() {
	dir, _ := os.MkdirTemp("", "schemas")
	defer os.RemoveAll(dir)
	_ = os.Mkdir(filepath.Join(dir, "orders"), 0o755)
	_ = os.WriteFile(filepath.Join(dir, "orders", "1.json"), []byte(`{"properties":{"amount":{"type":"number"}}}`), 0o644)

	files, err := schema.LoadFiles(schema.FilesConfig{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := schema.New(schema.Config{Source: files})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checker.Examine(schema.Event{Stream: "orders", Payload: []byte(`{"amount":12}`)}).Outcome)
	r := checker.Examine(schema.Event{Stream: "orders", Payload: []byte(`{"amount":"twelve"}`)})
	fmt.Println(r.Outcome, r.Path, r.Reason)
	// Output:
	// OK
	// INVALID /amount expected number, got string
}

// A hop of your own takes an event over and checks it.
func ExampleChecker_Take() {
	var checker *schema.Checker
	var hop *audit.Hop
	take := func(header audit.Header, payload []byte) {
		checker.Take(hop, header, payload, nil, time.Now())
	}
	_ = take
}

// A page of health says how the registry is.
func ExampleChecker_State() {
	var checker *schema.Checker
	http.HandleFunc("/schemas", func(w http.ResponseWriter, _ *http.Request) {
		if s := checker.State(); s.Registry != nil {
			fmt.Fprintln(w, s.Registry)
		}
	})
}

// A Kafka client checks what it produces; schemas come from a registry, and samples go to the server.
func ExampleNewRegistry() {
	server, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: "http://127.0.0.1:8080"})
	if err != nil {
		fmt.Println(err)
		return
	}
	registry, err := schema.NewRegistry(schema.RegistryConfig{URLs: []string{"http://127.0.0.1:8081"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := schema.NewSampler(schema.SamplerConfig{Sender: server, Show: []string{"/customer/country"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	samples.Start()
	checker, err := schema.New(schema.Config{Source: registry, Deprecated: []string{"orders-value@1"}, Samples: samples})
	if err != nil {
		fmt.Println(err)
		return
	}
	roll, err := kgoaudit.NewProducer(kgoaudit.ProducerConfig{
		Hop:    audit.HopConfig{Stream: "orders", Hop: "app", Transport: server},
		Topics: []string{"orders"}, Schemas: checker,
		HelloWait: -1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.WithHooks(roll))
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Produce(context.Background(), &kgo.Record{Topic: "orders", Value: []byte(`{"amount":12}`)}, nil)

	fmt.Println(client.Flush(context.Background()))
	fmt.Println(roll.Close(context.Background()))
	fmt.Println(samples.Close(context.Background()))
}
