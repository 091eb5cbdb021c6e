package ingest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Where samples are sent through Kafka, and the group that reads them; the key of a record is its stream.
const (
	SamplesTopic = "rollcall.samples"
	SamplesGroup = "rollcall.ingest.samples"
)

// SampleStore is where samples go. Its errors wrap store.ErrAway when trying again later may help.
type SampleStore interface {
	// SampleIDs returns which samples of the windows are stored and not expired at now.
	SampleIDs(ctx context.Context, windows []store.WindowKey, now time.Time) ([]store.SampleID, error)
	// SampleCounts returns how many samples of each stream were received since then and are not expired at now, and of each of the
	// streams named whether it has settings or reports.
	SampleCounts(ctx context.Context, streams []string, since, now time.Time) ([]store.SampleCount, error)
	// AddSamples returns nil only when all samples are durable. The same sample twice is one.
	AddSamples(ctx context.Context, samples []wire.Sample, at, expires time.Time) error
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
	aside   atomic.Uint64
}

// NewSamples builds, beside an intake of reports, one of samples that takes nothing until Start. They share the limits, the
// metrics of Kafka and the quarantine.
func NewSamples(in *Intake, kept SampleStore, config SamplesConfig) *Samples {
	s := &Samples{keep: config.withDefaults(), store: kept, metrics: in.metrics}
	b := in.base
	b.what, b.refused, b.waiting, b.insertT, b.lag = "samples", in.metrics.samplesRefused, in.metrics.samplesWaiting, in.metrics.samplesInsert, in.metrics.samplesLag
	b.aside, b.notKept = &s.aside, in.metrics.samplesNotKept
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

// Quarantined is the number of Kafka records of samples put aside since Start.
func (s *Samples) Quarantined() uint64 { return s.aside.Load() }

// decodeSamples turns bytes into samples that may be stored. Its error is a *Refusal, of all or of those that are not returned: one event
// of an impossible window does not cost the others their samples.
func (s *Samples) decodeSamples(_ format, body []byte, limits wire.Limits) ([]wire.Sample, int, error) {
	batch, err := wire.DecodeSamples(body, limits)
	if err != nil {
		return nil, 0, refusalOf(err, reasonUnreadable)
	}
	const sample = 512
	weight := len(body) + sample*len(batch.Samples)
	fit, err := wire.FitSamples(batch, limits, s.now())
	if err == nil {
		return fit, weight, nil
	}
	refused := refusalOf(err, reasonInvalid)
	refused.items = len(batch.Samples) - len(fit)
	return fit, weight, refused
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
	windows, streams := map[store.WindowKey]bool{}, map[string]bool{}
	for i := range samples {
		windows[store.SampleIDOf(samples[i]).WindowKey], streams[samples[i].Stream] = true, true
	}
	now := s.now().UTC()
	there, err := s.store.SampleIDs(ctx, slices.Collect(maps.Keys(windows)), now)
	if err != nil {
		return err
	}
	hour, err := s.store.SampleCounts(ctx, slices.Collect(maps.Keys(streams)), now.Truncate(time.Hour), now)
	if err != nil {
		return err
	}
	kept, left := choose(newPlaces(s.keep, there, hour), samples)
	if err := s.store.AddSamples(ctx, kept, now, now.Add(s.keep.Keep)); err != nil {
		return err
	}
	for reason, n := range left {
		s.metrics.samplesNotKept.WithLabelValues(reason).Add(float64(n))
	}
	return nil
}

// choose returns which samples are kept, and how many are not by reason. One that is there is neither.
func choose(p *places, samples []wire.Sample) (kept []wire.Sample, left map[string]int) {
	left = map[string]int{}
	for i := range samples {
		id := store.SampleIDOf(samples[i])
		if p.there[id] {
			continue
		}
		if why := p.full(id); why != "" {
			left[why]++
			continue
		}
		p.take(id)
		kept = append(kept, samples[i])
	}
	return kept, left
}
