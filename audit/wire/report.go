// Package wire is the one encoding of what the audit sends: UIDs, the event
// header, and reports as protobuf and as strict JSON. It owns the shapes, the
// limits and the words in which a fault is told; it must not know where reports
// come from, where they are stored, or what is concluded from them.
package wire

import (
	"time"

	"github.com/RoaringBitmap/roaring/v2"
)

// Batch is what one request or one Kafka record carries.
type Batch struct {
	Reports []Report
}

// State says whether an emitter goes on.
type State uint8

// The states of an emitter, as sent.
const (
	Running State = iota + 1 // RUNNING
	Closed                   // CLOSED: the emitter's own lane is finished
)

// Report is what one emitter says at one time: rolls, counters, and how far it
// has got. Rolls may be deltas; counters are cumulative per emitter and window.
type Report struct {
	Stream     string
	Hop        string
	After      []string // hops this hop comes after; empty for a first hop
	Emitter    UID
	Host       string
	Container  string // optional
	Version    string // optional
	Epoch      uint32 // replay epoch
	Idempotent bool   // this hop's writes are idempotent by UID
	Heartbeat  uint32 // seconds; 5 when not given
	Number     uint64 // 1, 2, 3 … per (stream, hop, emitter)
	SentAt     time.Time
	State      State
	LaneCount  uint32               // lanes of the whole hop; 0 where the emitter is the lane
	Lanes      map[string]time.Time // lane → watermark; "" for an emitter without partitions
	Windows    []Window
	Spool      Spool
	Ended      []Ended
}

// Window holds what changed of one window since the emitter's last accepted report.
type Window struct {
	Start    time.Time // UTC, aligned to Seconds
	Seconds  uint32
	Sources  []Source
	Foreign  []Foreign
	Latency  *Latency // nil when not measured
	Schemas  []SchemaTally
	Reasons  []ReasonTally
	Unplaced Unplaced
}

// Kind indexes the rolls of a source.
type Kind uint8

// The kinds of roll. Seen means taken over; the others are subsets of it.
const (
	Seen Kind = iota
	Repeated
	Corrupt
	Invalid
	Filtered
	Rejected
	Skewed
	Kinds // the number of kinds
)

var kindNames = [Kinds]string{"seen", "repeated", "corrupt", "invalid", "filtered", "rejected", "skewed"}

// String returns the kind's name on the wire.
func (k Kind) String() string {
	if k < Kinds {
		return kindNames[k]
	}
	return "unknown"
}

// Source holds the rolls of one source in one window. Rolls[Seen] is never nil in
// a decoded report; the other rolls are nil when empty.
type Source struct {
	ID           UID
	Rolls        [Kinds]*roaring.Bitmap
	Observations uint64 // cumulative, repeats included
	Bytes        uint64 // cumulative payload bytes of first observations
}

// Foreign counts one UID that Rollcall did not number; cumulative per emitter and window.
type Foreign struct {
	UID                                                 string
	Count, Filtered, Rejected, Corrupt, Invalid, Skewed uint64
}

// Latency is an OpenTelemetry exponential histogram of hop latency since
// produced-at in ms, cumulative. Bucket i counts values in (base^i, base^(i+1)]
// with base = 2^(2^-Scale).
type Latency struct {
	Scale    int32
	Counts   map[int32]uint64
	Zero     uint64
	Negative uint64 // clock skew: apart from the buckets
}

// SchemaTally counts events of one schema version and outcome, cumulative.
type SchemaTally struct {
	ID, Version string
	Outcome     string // OK INVALID UNKNOWN_SCHEMA UNDECODABLE DEPRECATED
	Reason      string
	Count       uint64
}

// ReasonTally counts events filtered or rejected for one reason, cumulative.
type ReasonTally struct {
	Kind   Kind // Filtered or Rejected
	Reason string
	Count  uint64
}

// Unplaced counts, cumulatively, events that could not be given a window of their own.
type Unplaced struct {
	TooOld, TooNew, Unreadable, NoUID uint64
}

// Total is the number of unplaced events.
func (u Unplaced) Total() uint64 { return u.TooOld + u.TooNew + u.Unreadable + u.NoUID }

// Spool is what the hop holds now.
type Spool struct {
	Events, Bytes uint64
}

// Ended closes a dead emitter of the same stream and hop and says what its source
// had numbered: first and last number, inclusive, by window start.
type Ended struct {
	Emitter UID
	Source  UID // zero when only the emitter is closed
	Windows map[time.Time][2]uint32
	Reason  string
}
