package api

import "time"

// SchemaCount is how many events had one outcome for one reason.
type SchemaCount struct {
	Outcome string `json:"outcome" enum:"OK,INVALID,UNKNOWN_SCHEMA,UNDECODABLE,DEPRECATED"`
	Schema  string `json:"schema,omitempty"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Events  uint64 `json:"events"`
	Other   uint64 `json:"other,omitempty" doc:"the sum of so many that are not among the most frequent of their outcome; schema, version and reason are then absent"`
}

// HostCount is how many events that break their schema belong to one host.
type HostCount struct {
	Host   string `json:"host,omitempty" doc:"absent where nobody said it"`
	Events uint64 `json:"events"`
	Other  uint64 `json:"other,omitempty" doc:"the sum of so many hosts that are not among the most frequent"`
}

// SchemaEdge is how complete the events are that a hop checked.
type SchemaEdge struct {
	Edge      string `json:"edge"`
	State     string `json:"state" enum:"complete,open,settling,unknown,incomplete"`
	Expected  uint64 `json:"expected"`
	Delivered uint64 `json:"delivered"`
	Lost      uint64 `json:"lost"`
	Pending   uint64 `json:"pending"`
}

// Standing counts windows by whether what they say may still change.
type Standing struct {
	Windows   uint64 `json:"windows" doc:"that have begun"`
	NotClosed uint64 `json:"notClosed" doc:"of these, those that are open, settling or unknown: the figures say what is known of them by now"`
	Unknown   uint64 `json:"unknown,omitempty" doc:"of these, those that are unknown"`
}

// SchemaHop is how many windows of a hop may still change: by the edges into it, or, of a first hop, out of it.
type SchemaHop struct {
	Hop string `json:"hop"`
	Standing
}

// SchemaWindow is what one hop said of schemas in one window, or in several summed, beside how complete their events are.
type SchemaWindow struct {
	Standing
	Start         time.Time     `json:"start"`
	Seconds       uint32        `json:"seconds" doc:"of the window, or of all that are summed"`
	Hop           string        `json:"hop"`
	Sentence      string        `json:"sentence" doc:"the answer in words and exact numbers"`
	Produced      uint64        `json:"produced"`
	Edges         []SchemaEdge  `json:"edges" doc:"those into the hop; none into a first hop"`
	Checked       uint64        `json:"checked"`
	OK            uint64        `json:"ok"`
	Invalid       uint64        `json:"invalid"`
	UnknownSchema uint64        `json:"unknownSchema"`
	Undecodable   uint64        `json:"undecodable"`
	Deprecated    uint64        `json:"deprecated"`
	InvalidShare  float64       `json:"invalidShare" doc:"invalid of checked; 0 and 1 only where it is none and all"`
	Counts        []SchemaCount `json:"counts" doc:"by outcome, the most frequent first"`
	Sources       []HostCount   `json:"sources" doc:"the events named invalid by the host of their source"`
	Emitters      []HostCount   `json:"emitters" doc:"the same by the host of the emitter that found them so"`
}

// SchemaVersion is one version of a schema as a hop met it.
type SchemaVersion struct {
	Hop        string    `json:"hop"`
	Schema     string    `json:"schema,omitempty"`
	Version    string    `json:"version,omitempty"`
	First      time.Time `json:"first" doc:"start of the first window of the range in which it appeared"`
	Last       time.Time `json:"last" doc:"start of the last one"`
	Events     uint64    `json:"events"`
	OK         uint64    `json:"ok"`
	Invalid    uint64    `json:"invalid"`
	Deprecated uint64    `json:"deprecated"`
	Other      uint64    `json:"other,omitempty" doc:"the sum of so many that are not among the most frequent"`
}

// Schemas is a page of windows, or of windows summed, in which schemas were checked, ascending by start and hop.
type Schemas struct {
	Items    []SchemaWindow  `json:"items"`
	Next     string          `json:"next,omitempty"`
	Versions []SchemaVersion `json:"versions" doc:"of the whole range, by hop and first window; on the first page only"`
	Hops     []SchemaHop     `json:"hops,omitempty" doc:"of the whole range, all hops that are asked for, whether or not they check schemas; on the first page only"`
}

// Sample is one event that broke its schema, masked by the hop that checked it.
type Sample struct {
	Stream  string    `json:"stream"`
	Hop     string    `json:"hop"`
	Emitter string    `json:"emitter"`
	Host    string    `json:"host,omitempty"`
	Window  time.Time `json:"window"`
	Seconds uint32    `json:"seconds"`
	At      time.Time `json:"at" doc:"when it was checked"`
	UID     string    `json:"uid"`
	Schema  string    `json:"schema"`
	Version string    `json:"version,omitempty"`
	Outcome string    `json:"outcome" enum:"INVALID,UNKNOWN_SCHEMA,UNDECODABLE,DEPRECATED"`
	Reason  string    `json:"reason,omitempty"`
	Path    string    `json:"path,omitempty" doc:"JSON pointer of the first fault"`
	Payload string    `json:"payload" doc:"values replaced by their shape, but for fields that the hop was told to show"`
	Cut     bool      `json:"cut,omitempty" doc:"the payload was longer"`
}
