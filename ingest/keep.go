package ingest

import (
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// Reasons for which a sample is not kept: the values of the label reason.
const (
	fullOfReason  = "reason_full"
	fullOfWindow  = "window_full"
	fullOfStream  = "stream_full"
	fullOfUnknown = "unknown_full"
	fullOfAll     = "all_full"
)

// sampleBounds are the reasons in words, for the metric.
const sampleBounds = "reason_full: of their reason, window_full: of their window, stream_full: of their stream in this hour, " +
	"unknown_full: of streams without settings and reports in this hour, all_full: of all streams in this hour; invalid: what is wrong with them was answered or put aside"

// SamplesConfig says how many samples are kept and for how long; zero values take the defaults.
type SamplesConfig struct {
	Keep      time.Duration // default 7 days
	PerReason int           // of one window, hop, schema, version, outcome and reason; default 5
	PerWindow int           // of one stream's window; default 200

	// Of what is received in one hour, so that a flood ends and the next hour has room:
	PerStream int // of one stream; default 1000
	Unknown   int // of all streams together that have neither settings nor reports: anybody can make up names; default 100
	PerHour   int // of all streams together; default 10 000
}

func (c SamplesConfig) withDefaults() SamplesConfig {
	setDefault(&c.Keep, 7*24*time.Hour)
	setDefault(&c.PerReason, 5)
	setDefault(&c.PerWindow, 200)
	setDefault(&c.PerStream, 1000)
	setDefault(&c.Unknown, 100)
	setDefault(&c.PerHour, 10_000)
	return c
}

// places is where samples are kept, and how many are there already.
type places struct {
	bounds   SamplesConfig
	there    map[store.SampleID]bool
	ofReason map[store.SampleKey]int
	ofWindow map[store.WindowKey]int
	ofStream map[string]int
	known    map[string]bool // streams that have settings or a report
	unknown  int
	all      int
}

// newPlaces notes the samples that are there, and how many came in this hour.
func newPlaces(bounds SamplesConfig, there []store.SampleID, hour []store.SampleCount) *places {
	p := &places{
		bounds: bounds, there: map[store.SampleID]bool{}, ofReason: map[store.SampleKey]int{}, ofWindow: map[store.WindowKey]int{},
		ofStream: map[string]int{}, known: map[string]bool{},
	}
	for _, id := range there {
		p.there[id] = true
		p.ofReason[id.SampleKey]++
		p.ofWindow[id.WindowKey]++
	}
	for _, c := range hour {
		p.known[c.Stream] = c.Known
		p.ofStream[c.Stream] = int(c.Samples)
		p.all += int(c.Samples)
		if !c.Known {
			p.unknown += int(c.Samples)
		}
	}
	return p
}

// full says why there is no place for a sample; empty where there is.
func (p *places) full(id store.SampleID) string {
	switch {
	case p.ofReason[id.SampleKey] >= p.bounds.PerReason:
		return fullOfReason
	case p.ofWindow[id.WindowKey] >= p.bounds.PerWindow:
		return fullOfWindow
	case p.ofStream[id.Stream] >= p.bounds.PerStream:
		return fullOfStream
	case !p.known[id.Stream] && p.unknown >= p.bounds.Unknown:
		return fullOfUnknown
	case p.all >= p.bounds.PerHour:
		return fullOfAll
	}
	return ""
}

// take gives a sample its place.
func (p *places) take(id store.SampleID) {
	p.there[id] = true
	p.ofReason[id.SampleKey]++
	p.ofWindow[id.WindowKey]++
	p.ofStream[id.Stream]++
	p.all++
	if !p.known[id.Stream] {
		p.unknown++
	}
}
