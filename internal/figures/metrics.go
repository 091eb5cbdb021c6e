package figures

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/store"
)

// metrics are the figures as Prometheus is told them.
type metrics struct {
	events, windows, complete, certified, open *gauges
	window                                     *gauges
	schemas, p99, delivered, left              *gauges
	oldest, at                                 prometheus.Gauge
	failures                                   prometheus.Counter
}

func newMetrics() metrics {
	one := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return metrics{
		events:    newGauges("rollcall_events", "Events of the windows that ended within the last hour, or run, by kind: expected, delivered, lost and duplicated of those that closed, pending of those that did not.", "stream", "edge", "kind"),
		windows:   newGauges("rollcall_windows", "Windows that ended within the last hour, or run, by state (complete, open, settling, unknown, incomplete).", "stream", "edge", "state"),
		complete:  newGauges("rollcall_complete_until_timestamp_seconds", "The completeness watermark: every window before it is complete. Of the streams summed as other the earliest one.", "stream"),
		certified: newGauges("rollcall_certified_until_timestamp_seconds", "The end of the last hour that is certified together with all hours before it, from the first of the last 31 days on that was. Of the streams summed as other the earliest one.", "stream"),
		window:    newGauges("rollcall_window_seconds", "Length of the windows of the stream that run now: so long ago it is complete up to at best. Of the streams summed as other the greatest.", "stream"),
		open:      newGauges("rollcall_incidents_open", "Incidents that are open, by cause.", "cause"),
		schemas:   newGauges("rollcall_schema_events", "Events that hops checked against their schema in the windows that ended within the last hour, or run, by outcome (OK, INVALID, UNKNOWN_SCHEMA, UNDECODABLE, DEPRECATED).", "stream", "hop", "outcome"),
		p99:       newGauges("rollcall_latency_seconds", "Within how many seconds of their production the share quantile (0.99) of the events of the windows that ended within the last hour, or run, reached the later hop of the edge; +Inf where too many are lost for that. Of those summed as other the greatest.", "stream", "edge", "quantile"),
		delivered: newGauges("rollcall_delivered_until_timestamp_seconds", "End of the newest window of which an event was delivered over the edge; absent after a day without. Of those summed as other the earliest.", "stream", "edge"),
		left:      newGauges("rollcall_budget_left_ratio", "Error budget of 28 days that is left of an objective: 1 while nothing is used up, negative once it is overdrawn. Read every five minutes. Of the streams summed as other the least.", "stream", "objective"),
		oldest:    one("rollcall_reconcile_oldest_pass_timestamp_seconds", "End of the last pass over those streams that were looked at the longest time ago, whichever process makes it."),
		at:        one("rollcall_figures_timestamp_seconds", "When the figures that are read from the store were last read."),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_figures_failures_total", Help: "Times that the figures could not be read from the store and stayed as they were."}),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.events.vec, m.windows.vec, m.complete.vec, m.certified.vec, m.window.vec, m.open.vec, m.schemas.vec, m.p99.vec, m.delivered.vec, m.left.vec, m.oldest, m.at, m.failures,
	}
}

func (m *metrics) setEdges(edges []store.EdgeFigures, named namer) {
	events, windows, bounded := values{}, values{}, named.bound()
	for i := range edges {
		e := &edges[i]
		stream, edge := bounded(e.Stream, e.Edge.String())
		for kind, n := range map[string]uint64{
			"expected": e.Expected, "delivered": e.Delivered, "lost": e.Lost, "duplicated": e.Duplicated, "pending": e.Pending,
		} {
			events[labels{stream, edge, kind}] += float64(n)
		}
		for state := store.Complete; state <= store.Incomplete; state++ {
			windows[labels{stream, edge, state.String()}] += float64(e.Windows[state])
		}
	}
	m.events.set(events)
	m.windows.set(windows)
}

func (m *metrics) setStreams(streams []store.StreamInfo, until map[string]time.Time, named namer, now time.Time) {
	complete, certified, window := values{}, values{}, values{}
	for i := range streams {
		name := streams[i].Stream
		window.greatest(labels{named.of(name)}, float64(streams[i].Settings.Seconds(now)))
		if !streams[i].Watermark.IsZero() {
			complete.least(labels{named.of(name)}, seconds(streams[i].Watermark))
		}
		if at := until[name]; !at.IsZero() {
			certified.least(labels{named.of(name)}, seconds(at))
		}
	}
	m.complete.set(complete)
	m.certified.set(certified)
	m.window.set(window)
}

// setIncidents says 0 of the causes that have none open, so that who asks for them is answered.
func (m *metrics) setIncidents(open []store.Incident) {
	counts := values{}
	for _, cause := range []store.Cause{store.CauseLoss, store.CauseUnknown, store.CauseStopped, store.CauseRevoked} {
		counts[labels{string(cause)}] = 0
	}
	for i := range open {
		counts[labels{string(open[i].Cause)}]++
	}
	m.open.set(counts)
}

// labels are the values of the labels of a series, the rest empty.
type labels [3]string

type values map[labels]float64

// gauges are series that come and go with what is stored. A scrape meanwhile sees each as it was or as it is, and none missing.
type gauges struct {
	vec   *prometheus.GaugeVec
	names int
	mu    sync.Mutex
	shown values
}

func newGauges(name, help string, names ...string) *gauges {
	return &gauges{vec: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, names), names: len(names)}
}

func (g *gauges) set(next values) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, value := range next {
		g.vec.WithLabelValues(slices.Clone(key[:g.names])...).Set(value)
	}
	for key := range g.shown {
		if _, stays := next[key]; !stays {
			g.vec.DeleteLabelValues(key[:g.names]...)
		}
	}
	g.shown = next
}
