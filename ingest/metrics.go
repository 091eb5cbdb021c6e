package ingest

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons for which a request or record is not taken: the values of the label reason.
const (
	reasonEncoding    = "encoding"
	reasonMediaType   = "media_type"
	reasonTooLarge    = "too_large"
	reasonUnreadable  = "unreadable"
	reasonInvalid     = "invalid"
	reasonLength      = "window_length"
	reasonConflict    = "number_used"
	reasonFull        = "full"
	reasonAway        = "store_away"
	reasonStoreSlow   = "store_slow"
	reasonStopping    = "stopping"
	reasonSlow        = "slow_body"
	reasonGone        = "sender_gone"
	reasonMixed       = "not_one_stream"
	reasonDecompress  = "batch_too_large"
	reasonStoreRefuse = "store_refused"
)

// kafkaMetrics are those of reading Kafka, of all topics.
type kafkaMetrics struct {
	quarantined *prometheus.CounterVec // what, reason
	retries     prometheus.Counter
	fetchErrors prometheus.Counter
	commitFails prometheus.Counter
}

type metrics struct {
	kafkaMetrics
	accepted   *prometheus.CounterVec // via
	requests   *prometheus.CounterVec // via
	refused    *prometheus.CounterVec // via, reason
	inserts    prometheus.Counter
	insertTime prometheus.Histogram
	waiting    prometheus.Gauge
	lag        prometheus.Gauge

	samples        *prometheus.CounterVec // via
	samplesRefused *prometheus.CounterVec // via, reason
	samplesNotKept *prometheus.CounterVec // reason
	samplesInsert  prometheus.Histogram
	samplesWaiting prometheus.Gauge
	samplesLag     prometheus.Gauge
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_ingest_" + name, Help: help}, labels)
}

func newMetrics() *metrics {
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_ingest_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_ingest_" + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_ingest_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.002, 3, 9),
		})
	}
	return &metrics{
		kafkaMetrics: kafkaMetrics{
			quarantined: counter("quarantined_total", "Kafka records put aside, of what: reports or samples.", "what", "reason"),
			retries:     one("retries_total", "Attempts to store Kafka records that failed and were made again."),
			fetchErrors: one("fetch_errors_total", "Errors of reading from Kafka."),
			commitFails: one("offset_commit_errors_total", "Failed commits of Kafka offsets; the records come again."),
		},
		accepted:   counter("reports_total", "Reports stored.", "via"),
		requests:   counter("requests_total", "Requests or Kafka records taken whole.", "via"),
		refused:    counter("refused_total", "Requests not taken.", "via", "reason"),
		inserts:    one("inserts_total", "Inserts into the store."),
		insertTime: seconds("insert_seconds", "Time of one insert with its checks."),
		waiting:    gauge("waiting_requests", "Requests that wait to be stored."),
		lag:        gauge("kafka_lag_records", "Kafka records not yet stored, when last asked."),

		samples:        counter("samples_total", "Samples taken in.", "via"),
		samplesRefused: counter("samples_refused_total", "Requests with samples not taken.", "via", "reason"),
		samplesNotKept: counter("samples_not_kept_total", "Samples that came and are not kept ("+sampleBounds+").", "reason"),
		samplesInsert:  seconds("samples_insert_seconds", "Time of one insert of samples."),
		samplesWaiting: gauge("samples_waiting_requests", "Requests with samples that wait to be stored."),
		samplesLag:     gauge("samples_kafka_lag_records", "Kafka records with samples not yet stored, when last asked."),
	}
}

func (m *metrics) register(r *prometheus.Registry) error {
	if r == nil {
		return errors.New("ingest: no registry given for metrics")
	}
	all := []prometheus.Collector{
		m.accepted, m.requests, m.refused, m.quarantined, m.retries, m.fetchErrors, m.commitFails, m.inserts, m.insertTime, m.waiting, m.lag,
		m.samples, m.samplesRefused, m.samplesNotKept, m.samplesInsert, m.samplesWaiting, m.samplesLag,
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("ingest: register metrics: %w", err)
		}
	}
	return nil
}
