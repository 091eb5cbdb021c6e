package reference_test

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/chain"
	"github.com/rollcallhq/rollcall/internal/figures"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/share"
	"github.com/rollcallhq/rollcall/reconcile"
)

// metricsPage lists what the parts of a server register, without starting any.
func metricsPage(t *testing.T) string {
	registry := prometheus.NewRegistry()
	if _, err := ingest.New(ingest.Deps{Registry: registry, Log: slog.New(slog.DiscardHandler)}, ingest.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := reconcile.New(nil, reconcile.Config{}, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := share.New(nil, share.Config{Brokers: []string{"127.0.0.1:9092"}}, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := notify.New(notify.Deps{Registry: registry}, notify.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := figures.New(figures.Deps{Registry: registry}, figures.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := inspector.New(inspector.Deps{Registry: registry, Log: slog.New(slog.DiscardHandler)}, inspector.Config{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.New(nil, nil, chain.Config{Brokers: []string{"127.0.0.1:9092"}}, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	issuer := reconcile.NewIssuer(reconcile.IssuerDeps{})
	if _, err := reconcile.NewCertifier(nil, issuer, nil, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := access.NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	rows := metricRows(t, registry)
	return "# Metrics\n\n" +
		"`GET /metrics` answers in the Prometheus text format. Beside these there are `go_…` and `process_…`, those of the Prometheus client.\n" +
		"A series with labels appears when it first counts something.\n\n" +
		"Processes that judge (role all or reconcile) show what is stored, every one the same: `rollcall_events`, `rollcall_windows`, `rollcall_complete_until_timestamp_seconds`,\n" +
		"`rollcall_certified_until_timestamp_seconds`, `rollcall_window_seconds`, `rollcall_incidents_open`, `rollcall_schema_events`, `rollcall_latency_seconds`, `rollcall_delivered_until_timestamp_seconds` and `rollcall_budget_left_ratio`, read every 30 seconds, the last\n" +
		"every five minutes. Take the `max` over instances, not the `sum`. `--metrics-streams` says how many streams, in the order of their names, and 20 edges and 20 hops of each\n" +
		"have series of their own; what is more is summed as `other`.\n\n" +
		"| name | type | labels | meaning |\n|---|---|---|---|\n" + strings.Join(rows, "")
}

// desc takes the words of a prometheus.Desc, which shows them no other way.
var desc = regexp.MustCompile(`fqName: "([^"]*)", help: "([^"]*)",.* variableLabels: \{([^}]*)\}`)

func metricRows(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	found := make(chan *prometheus.Desc, 1000) // room for all: the registry is locked until the last is taken
	registry.Describe(found)
	close(found)
	var rows []string
	for d := range found {
		words := desc.FindStringSubmatch(d.String())
		if words == nil {
			t.Fatalf("cannot read %s", d)
		}
		labels := "-"
		if words[3] != "" {
			labels = "`" + strings.ReplaceAll(words[3], ",", "` `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", words[1], typeOf(t, registry, d), labels, words[2]))
	}
	slices.Sort(rows)
	return rows
}

// only is a collector of one description.
type only struct{ desc *prometheus.Desc }

func (o only) Describe(to chan<- *prometheus.Desc) { to <- o.desc }

func (only) Collect(chan<- prometheus.Metric) {}

// typeOf asks the registry for the collector that holds d, by offering another of the same description.
func typeOf(t *testing.T, registry *prometheus.Registry, d *prometheus.Desc) string {
	t.Helper()
	var there prometheus.AlreadyRegisteredError
	if err := registry.Register(only{d}); !errors.As(err, &there) {
		t.Fatalf("the registry does not know %s: %v", d, err)
	}
	switch there.ExistingCollector.(type) {
	case prometheus.Gauge, *prometheus.GaugeVec:
		return "gauge"
	case prometheus.Counter, *prometheus.CounterVec:
		return "counter"
	case prometheus.Histogram, *prometheus.HistogramVec:
		return "histogram"
	}
	t.Fatalf("%s is a %T", d, there.ExistingCollector)
	return ""
}
