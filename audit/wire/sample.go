package wire

import "time"

// Sample is one event that broke its schema, as the hop that checked it shows it to people: each value of the payload
// is replaced by its shape, but for the fields that the hop was told to show. Samples are evidence and no account:
// they may be lost, and no verdict rests on them.
//
// They are sent as a SampleBatch in JSON, by HTTP (POST /api/v1/samples) or as a record of the Kafka topic
// rollcall.samples with the stream as its key.
type Sample struct {
	Stream  string    `json:"stream"`
	Hop     string    `json:"hop"`
	Emitter UID       `json:"emitter"`
	Host    string    `json:"host,omitempty"`
	Window  time.Time `json:"window"` // start of the event's window, UTC
	Seconds uint32    `json:"seconds"`
	At      time.Time `json:"at"`  // when it was checked, UTC
	UID     string    `json:"uid"` // text form of a numbered UID, or a foreign one
	Schema  string    `json:"schema"`
	Version string    `json:"version,omitempty"`
	Outcome string    `json:"outcome"` // of the schema outcomes of a report, without OK
	Reason  string    `json:"reason,omitempty"`
	Path    string    `json:"path,omitempty"` // JSON pointer of the first fault; empty for the whole
	Payload string    `json:"payload"`        // masked, JSON or text
	Cut     bool      `json:"cut,omitempty"`  // the payload was longer
}

// SampleBatch is what is sent at once.
type SampleBatch struct {
	Samples []Sample `json:"samples"`
}

// The limits of samples.
const (
	MaxSamples       = 100       // a batch
	MaxSampleBatch   = 512 << 10 // bytes a batch, after decompression
	MaxSamplePayload = 4096      // bytes of one payload
)
