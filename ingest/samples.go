package ingest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Where samples are sent through Kafka, and the group that reads them; the key of a record is its stream.
const (
	SamplesTopic = "rollcall.samples"
	SamplesGroup = "rollcall.ingest.samples"
)

// Reasons for which a sample is not kept: the values of the label reason.
const (
	fullOfReason = "reason_full"
	fullOfWindow = "window_full"
)

// SampleStore is where samples go. Its errors wrap store.ErrAway when trying again later may help.
type SampleStore interface {
	// SampleIDs returns which samples of the windows are stored and not expired at now.
	SampleIDs(ctx context.Context, windows []store.WindowKey, now time.Time) ([]store.SampleID, error)
	// AddSamples returns nil only when all samples are durable. The same sample twice is one.
	AddSamples(ctx context.Context, samples []wire.Sample, at, expires time.Time) error
}

// SamplesConfig says how many samples are kept and for how long; zero values take the defaults.
type SamplesConfig struct {
	Keep      time.Duration // default 7 days
	PerReason int           // of one window, hop, schema, version, outcome and reason; default 5
	PerWindow int           // of one stream's window; default 200
}

func (c SamplesConfig) withDefaults() SamplesConfig {
	setDefault(&c.Keep, 7*24*time.Hour)
	setDefault(&c.PerReason, 5)
	setDefault(&c.PerWindow, 200)
	return c
}

// The samples line is small: samples may be lost, and must not stand in the way of reports.
const (
	samplesQueue = 128
	samplesBytes = 16 << 20
	samplesBatch = 2000
)

// Samples checks samples and stores some of each kind. A flood of them fills its own queue and not that of reports, and
// what is stored of it is bounded: the processes of one service together may exceed the numbers of SamplesConfig by a
// batch each.
type Samples struct {
	line[wire.Sample]
	keep    SamplesConfig
	store   SampleStore
	metrics *metrics
}

// NewSamples builds, beside an intake of reports, one of samples that takes nothing until Start. They share the limits, the
// metrics of Kafka and the quarantine.
func NewSamples(in *Intake, kept SampleStore, config SamplesConfig) *Samples {
	s := &Samples{keep: config.withDefaults(), store: kept, metrics: in.metrics}
	b := in.base
	b.what, b.refused, b.waiting, b.insertT, b.lag = "samples", in.metrics.samplesRefused, in.metrics.samplesWaiting, in.metrics.samplesInsert, in.metrics.samplesLag
	b.bare = true // a record that cannot be read may hold values that nobody masked, and what is in quarantine stays
	b.config.Limits.Request = wire.MaxSampleBatch
	b.config.QueueRequests, b.config.QueueBytes, b.config.BatchReports = samplesQueue, samplesBytes, samplesBatch
	s.line = line[wire.Sample]{
		base: b, forms: sampleForms, limitsOf: s.limits, decode: s.decodeSamples, keyed: samplesOfOneStream,
		stamp: func([]wire.Sample, time.Time) {}, insert: s.insertSamples, took: s.count,
	}
	s.open()
	return s
}

func (s *Samples) limits(query map[string][]string) (wire.Limits, error) {
	for name := range query {
		return wire.Limits{}, told(http.StatusBadRequest, reasonInvalid, "query.%s: unknown parameter; this call has none", name)
	}
	return s.config.Limits, nil
}

// decodeSamples turns bytes into samples that may be stored. Its error is a *Refusal.
func (s *Samples) decodeSamples(_ format, body []byte, limits wire.Limits) ([]wire.Sample, int, error) {
	batch, err := wire.DecodeSamples(body, limits)
	if err != nil {
		return nil, 0, refusalOf(err, reasonUnreadable)
	}
	if err := wire.ValidateSamples(batch, limits, s.now()); err != nil {
		return nil, 0, refusalOf(err, reasonInvalid)
	}
	const sample = 512
	return batch.Samples, len(body) + sample*len(batch.Samples), nil
}

func samplesOfOneStream(samples []wire.Sample, key string) error {
	wrong := &Refusal{reason: reasonMixed}
	for i := range samples {
		if stream := samples[i].Stream; stream != key {
			wrong.add(fmt.Sprintf("samples[%d].stream", i), "%s is not the record's key %q: a Kafka record holds one stream's samples", stream, clip([]byte(key)))
		}
	}
	return wrong.orNil()
}

func (s *Samples) count(r *request[wire.Sample]) {
	s.metrics.samples.WithLabelValues(r.via).Add(float64(len(r.items)))
}

// insertSamples stores those for which there is a place, and counts the others once the rest is durable.
func (s *Samples) insertSamples(ctx context.Context, samples []wire.Sample) error {
	windows := map[store.WindowKey]bool{}
	for i := range samples {
		windows[store.SampleIDOf(samples[i]).WindowKey] = true
	}
	now := s.now().UTC()
	there, err := s.store.SampleIDs(ctx, slices.Collect(maps.Keys(windows)), now)
	if err != nil {
		return err
	}
	kept, left := s.choose(there, samples)
	if err := s.store.AddSamples(ctx, kept, now, now.Add(s.keep.Keep)); err != nil {
		return err
	}
	for reason, n := range left {
		s.metrics.samplesNotKept.WithLabelValues(reason).Add(float64(n))
	}
	return nil
}

// choose returns which samples are kept beside those that are there, and how many are not by reason. One that is there is neither.
func (s *Samples) choose(there []store.SampleID, samples []wire.Sample) (kept []wire.Sample, left map[string]int) {
	known, ofReason, ofWindow := map[store.SampleID]bool{}, map[store.SampleKey]int{}, map[store.WindowKey]int{}
	place := func(id store.SampleID) {
		known[id] = true
		ofReason[id.SampleKey]++
		ofWindow[id.WindowKey]++
	}
	for _, id := range there {
		place(id)
	}
	left = map[string]int{}
	for i := range samples {
		switch id := store.SampleIDOf(samples[i]); {
		case known[id]:
		case ofReason[id.SampleKey] >= s.keep.PerReason:
			left[fullOfReason]++
		case ofWindow[id.WindowKey] >= s.keep.PerWindow:
			left[fullOfWindow]++
		default:
			place(id)
			kept = append(kept, samples[i])
		}
	}
	return kept, left
}
