package access

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell of the files that are kept. The label file is tokens, certificate or keys.
type Metrics struct {
	files   *prometheus.CounterVec
	stale   *prometheus.GaugeVec
	expires *prometheus.GaugeVec
}

// NewMetrics registers the metrics. The error tells of metrics registered twice.
func NewMetrics(r *prometheus.Registry) (*Metrics, error) {
	if r == nil {
		return nil, errors.New("access: no registry given for metrics")
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rollcall_access_" + name, Help: help}, []string{"file"})
	}
	m := &Metrics{
		files: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_access_files_total", Help: "Changes of the files of tokens, certificate and signing keys, by result (taken, refused).",
		}, []string{"file", "result"}),
		stale:   gauge("file_stale", "1 while the file as it is now is refused and an older one is in force."),
		expires: gauge("expires_timestamp_seconds", "When the first token that is not revoked, or the certificate, expires."),
	}
	for _, c := range []prometheus.Collector{m.files, m.stale, m.expires} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("access: register metrics: %w", err)
		}
	}
	return m, nil
}
