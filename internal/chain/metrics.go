package chain

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// What becomes of a record, beside the reasons of certificates.
const (
	counted   = "counted"
	misplaced = "partition" // it stands in a partition that is not its stream's
)

// What becomes of an attempt to append.
const (
	issued    = "issued"
	overtaken = "overtaken" // another entry was faster; it is tried again
	failed    = "failed"
	uncertain = "uncertain" // the answer to the write was lost; it is looked for
)

type metrics struct {
	entries *prometheus.CounterVec
	appends *prometheus.CounterVec
	waiting prometheus.Gauge
}

func (m *metrics) register(r *prometheus.Registry) error {
	if r == nil {
		return errors.New("chain: no registry given for metrics")
	}
	m.entries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_certificates_entries_total",
		Help: "Records of the topic of certificates that this process read, by what became of them: counted, or passed over as unreadable, stream, number, previous, key, signature or partition. One may be read again after a restart.",
	}, []string{"result"})
	m.appends = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_certificates_appends_total",
		Help: "Attempts of this process to append a certificate, by result: issued, overtaken by another entry and tried again, uncertain since the answer of Kafka was lost, failed.",
	}, []string{"result"})
	m.waiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_certificates_waiting_partitions",
		Help: "Partitions of the topic of certificates that are not read on: the store or Kafka is away, an entry is signed by a key that is not known here, or the topic lacks what was copied from it.",
	})
	for _, result := range []string{counted, misplaced} {
		m.entries.WithLabelValues(result)
	}
	for _, reason := range certificate.Reasons() {
		if reason != certificate.UnknownKey {
			m.entries.WithLabelValues(string(reason))
		}
	}
	for _, c := range []prometheus.Collector{m.entries, m.appends, m.waiting} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("chain: register metrics: %w", err)
		}
	}
	return nil
}
