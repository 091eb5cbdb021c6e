package store

import (
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// State is what a verdict says of a window, ordered from best to worst.
type State uint8

// The five states of a window and edge.
const (
	Complete State = iota + 1 // 0 is Withdrawn
	Open
	Settling
	Unknown
	Incomplete
)

var stateNames = [...]string{"", "complete", "open", "settling", "unknown", "incomplete"}

// Withdrawn is the state of a verdict on an edge that the window no longer has; it is kept to overrule what was said before, and never shown.
const Withdrawn State = 0

// String returns the state's name in the API.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// Worse returns the worse of two states.
func (s State) Worse(o State) State { return max(s, o) }

// Edge is a pair (hop, next hop); its text form is "app..agent".
type Edge struct{ From, To string }

// String returns the edge's text form.
func (e Edge) String() string { return e.From + ".." + e.To }

// Reason says, by code and in words, why a verdict is what it is. Codes are stable; they are listed in
// docs/reference/reasons.md.
type Reason struct {
	Code    string    `json:"code"`
	Text    string    `json:"text"`
	Hop     string    `json:"hop,omitempty"`
	Lane    string    `json:"lane,omitempty"`
	Emitter string    `json:"emitter,omitempty"`
	Source  string    `json:"source,omitempty"`
	Host    string    `json:"host,omitempty"`
	Last    time.Time `json:"lastHeard,omitzero"`
	AtRisk  uint64    `json:"atRisk,omitempty"` // events pending because of it
}

// Counts are the event counts of a verdict.
type Counts struct {
	Produced, Expected, Delivered, Lost, Pending          uint64
	Duplicated, Redelivered, Unexpected, Corrupt, Invalid uint64
	Filtered, Rejected, Skewed, Unplaced, Late, Replayed  uint64

	// InvalidAtSource are the events that the edge's earlier hop, a first one, found to break their schema: no edge leads to it that could say so.
	// Of several edges that leave the hop one says it, and an event that was found before is left out.
	InvalidAtSource uint64
	// InvalidBefore are those of Invalid that are told of on another edge, so that Invalid-InvalidBefore+InvalidAtSource, summed over the edges,
	// counts each event once.
	InvalidBefore            uint64
	Checked, CheckedAtSource uint64 // events that the later hop, and a first hop before it, checked against their schema
}

// NewlyInvalid is how many events break their schema that no other edge tells of.
func (c *Counts) NewlyInvalid() uint64 {
	return c.Invalid - min(c.Invalid, c.InvalidBefore) + c.InvalidAtSource
}

// MostChecked is how many events were checked against their schema at the hop of the edge that checked most.
func (c *Counts) MostChecked() uint64 {
	checked := c.Checked
	if checked == 0 && c.Invalid > 0 { // a verdict of before this was kept
		checked = c.Delivered + c.Unexpected
	}
	return max(checked, c.CheckedAtSource)
}

// Verdict is what the reconciler says of (stream, edge, window) at one revision.
type Verdict struct {
	Stream   string
	Start    time.Time
	Seconds  uint32
	Edge     Edge
	State    State
	Revision uint32 // 1, 2, 3 …; a provisional verdict (open, settling) is overwritten at its revision
	Counts
	Reasons     []Reason
	Cause       string    // why this revision was made: "first", "late-data", "settle-limit", "closed-by-hand", "recovered", "reopened", "replay", "waiver", "settings"
	K           time.Time // of the edge's later hop; zero while it is not closed
	FirstClosed time.Time // server's clock at the first closed verdict; zero before
	DecidedAt   time.Time // server's clock
	Due         time.Time // when, without new reports, it must be looked at again; zero when never
	Bound       time.Time // a report sent before this instant can still change the verdict
	Waived      Waived
	Excused     bool   // all that keeps it from complete is waived: what is lost, or what holds it
	ByHand      uint32 // how much that would hold it a person closed
	Replays     uint32 // reports of declared replays that it rests on
}

// Closed reports whether the verdict rests on a closed window.
func (v Verdict) Closed() bool { return v.State == Complete || v.State == Incomplete }

// Settled reports whether the verdict is one people may rely on, which is never overwritten.
func (v Verdict) Settled() bool { return v.Closed() || v.State == Unknown }

// Good reports whether the verdict stands in nobody's way: it is complete, or all that keeps it from that is waived.
func (v Verdict) Good() bool { return v.State == Complete || v.Excused }

// WindowKey names a window of a stream.
type WindowKey struct {
	Stream string
	Start  time.Time
}

// SourceRolls is what all hops took over of one source in one window, the emitters joined.
type SourceRolls struct {
	WindowKey
	Source wire.UID
	Sets   []RollSet // by hop and epoch
}

// RollSet is the rolls of one (window, source, hop, epoch).
type RollSet struct {
	Hop   string
	Epoch uint32
	Rolls [wire.Kinds]*roaring.Bitmap // nil when empty
	// Cards is the sum over all reports of the cardinality of their seen rolls; where it exceeds that of
	// Rolls[Seen], emitters may overlap and the rolls by emitter must be looked at.
	Cards      uint64
	ClosedSeen *roaring.Bitmap // seen at the hop's first closed verdict; nil before
}

// Received is a report with the time of its receipt on the server's clock.
type Received struct {
	wire.Report
	At time.Time
}

// Length is a window length that holds from a window on.
type Length struct {
	From    time.Time `json:"from"`
	Seconds uint32    `json:"seconds"`
}

// Settings are a stream's settings with defaults filled in.
type Settings struct {
	Stream        string
	Lengths       []Length // ascending; the first holds from the beginning of time
	Grace         time.Duration
	Settle        time.Duration
	Skew          time.Duration
	Edges         []Edge // required edges; empty: every edge discovered
	ExpectTraffic bool
	Owner         string
	Objectives    Objectives
	AlertOn       []Cause  // causes that open incidents of this stream only because it asks for them: invalid, corrupt, duplicated
	Auto          bool     // hours are certified by themselves
	Allow         []string // kinds that do not stand in the way of a certificate
	Document      []byte   // the settings as given, JSON, for what only the API reads
	Who           string   // who changed them last; empty where nobody did, or nobody was asked
}

// Objectives are a stream's targets: shares from 0 to 1 of its events, 0 where there is none.
type Objectives struct {
	Completeness float64       // not lost
	Timeliness   float64       // of windows that are closed within Timely of their end
	Timely       time.Duration // DefaultTimely where none is given
	LatencyP99   time.Duration // within which 99 % of the events reach the last hops; 0: none
	Validity     float64       // not breaking their schema
}

// DefaultTimely is how long after a window's end its events are still in time, where the objectives do not say.
const DefaultTimely = 5 * time.Minute

// DefaultSettings are those of a stream that has none.
func DefaultSettings(stream string) Settings {
	return Settings{
		Stream: stream, Lengths: []Length{{Seconds: 60}},
		Grace: 10 * time.Second, Settle: 120 * time.Second, Skew: 2 * time.Second,
	}
}

// Seconds returns the length of the window that holds instant t.
func (s Settings) Seconds(t time.Time) uint32 {
	seconds := uint32(60)
	for i, l := range s.Lengths {
		if i == 0 || !t.Before(l.From) {
			seconds = l.Seconds
		}
	}
	return seconds
}

// Conflict is a report whose number its emitter had already used with different content.
type Conflict struct {
	Index  int // in the reports asked about
	Stream string
	Hop    string
	Number uint64
}

// Quarantined is what could not be read, kept with its bytes.
type Quarantined struct {
	ID        string // UUID
	At        time.Time
	Topic     string
	Partition int32
	Offset    int64
	Reason    string
	Body      []byte
}

// ClosingKind says what a person closed.
type ClosingKind string

// What a person can close.
const (
	CloseEmitter ClosingKind = "emitter"
	CloseSource  ClosingKind = "source"
	CloseLane    ClosingKind = "lane"
)

// Closing is a person's word that a dead emitter, source or lane no longer holds windows from At on.
type Closing struct {
	Stream string
	Kind   ClosingKind
	ID     wire.UID // emitter or source
	Hop    string   // lanes only
	Lane   string   // lanes only
	At     time.Time
	Why    string
	Who    string
	MadeAt time.Time
}

// Emitter is one running instance of a hop, as its reports tell.
type Emitter struct {
	Stream       string
	Hop          string
	ID           wire.UID
	Epoch        uint32
	Host         string
	Container    string
	Version      string
	After        []string
	Heartbeat    time.Duration
	FirstSent    time.Time
	LastSent     time.Time
	LastReceived time.Time
	ClosedAt     time.Time // sentAt of its CLOSED; zero while it has none
	EndedAt      time.Time // sentAt of a report that ended it; zero while there is none
	Highest      uint64    // highest report number stored
	Stored       uint64    // number of report numbers stored
	Counted      uint64    // 1..Counted are all stored
	SpoolEvents  uint64
	SpoolBytes   uint64
}

// Named is one event named in a list.
type Named struct {
	UID      string
	Foreign  bool
	Source   wire.UID
	Sequence uint32
	Host     string
	LastHop  string
	Times    uint32 // at least how often the later hop took it over
}

// LaneState is one lane of a hop as a verdict saw it. Zero times mean "none".
type LaneState struct {
	Hop       string
	Epoch     uint32
	Lane      string
	Emitter   wire.UID // zero for a partition
	Host      string
	Watermark time.Time
	Closed    bool
	PassedAt  time.Time
}

// HopState is one hop of a window as a verdict saw it.
type HopState struct {
	Hop    string
	Target time.Time
	K      time.Time
	Handed time.Time
	Seen   uint64
	Lanes  []LaneState
}

// ReportState is one stored report that mentions a window.
type ReportState struct {
	Hop        string
	Emitter    wire.UID
	Host       string
	Number     uint64
	SentAt     time.Time
	ReceivedAt time.Time
	Counted    bool
}

// Evidence is what a verdict rests on.
type Evidence struct {
	Hops        []HopState
	Reports     []ReportState
	SettleLimit time.Time
}

// Hour is the roll-up of one (stream, hour) over the required edges.
type Hour struct {
	Stream string
	Start  time.Time
	State  State
	Good   State // the worst of its windows but for those excused
	Counts
	Waived Waived
	Held   State     // the worst of its windows but for those that only a loss keeps from complete, and those excused
	Bars   []string  // what stands in the way of a certificate; see docs/reference/api.md
	Next   time.Time // earliest instant at which it can be complete; zero when it is, or cannot be known
}

// Blocked says which window holds a watermark back.
type Blocked struct {
	Start   time.Time
	Edge    Edge
	State   State
	Reasons []Reason
}

// TraceHop is one hop's word on a UID.
type TraceHop struct {
	Hop      string
	Kinds    []wire.Kind
	Seen     bool
	Emitters []wire.UID
	Host     string
}

// Trace is all that is known of one UID.
type Trace struct {
	Stream string
	Start  time.Time
	Hops   []TraceHop // in the order of the pipeline
	Before *uint32    // nearest numbers of the source that some hop saw
	After  *uint32
}

// StreamInfo is what is known of a stream at a glance.
type StreamInfo struct {
	Stream    string
	Settings  Settings
	Hops      []HopInfo
	Edges     []Edge // required edges where set, else every edge discovered
	Earliest  time.Time
	Watermark time.Time // zero before the first report
}

// HopInfo is one hop of a stream's graph.
type HopInfo struct {
	Hop         string
	After       []string
	Alive, Dark int
}

// Never is the due time of what only new reports can change.
var Never = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
