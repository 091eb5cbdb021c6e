// Package api holds the JSON shapes of the HTTP API under /api/v1, shared by the
// server and by the command line. It owns field names and nothing else: no
// handlers, no queries, no rules. Times are RFC 3339 UTC; durations are ms
// unless the name says otherwise; event counts are integers.
package api

import (
	"encoding/json"
	"time"
)

// Page is one page of a list; Next is absent on the last one.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// HopSettings are the settings of one hop.
type HopSettings struct {
	Rewrites bool `json:"rewrites,omitempty" doc:"the hop changes payloads on purpose"`
}

// Certify is a stream's policy for certificates.
type Certify struct {
	Auto  bool     `json:"auto,omitempty"`
	Allow []string `json:"allow,omitempty" doc:"kinds that do not stand in the way of a certificate"`
}

// Objectives are a stream's targets, each a share from 0 to 1 of the events of 28 days; one that is absent is not watched.
type Objectives struct {
	Completeness     float64 `json:"completeness,omitempty" doc:"share of the events produced that must not be lost"`
	LatencyP99Millis int64   `json:"latencyP99Millis,omitempty" doc:"99 % of the events must reach the last hops within it"`
	Timeliness       float64 `json:"timeliness,omitempty" doc:"share of the events whose window must be closed within timelySeconds of its end"`
	TimelySeconds    int64   `json:"timelySeconds,omitempty" doc:"default 300, at most 3600"`
	Validity         float64 `json:"validity,omitempty" doc:"share of the events checked that must not break their schema"`
}

// Settings are a stream's settings; a field that is absent in a PUT takes its default.
type Settings struct {
	WindowSeconds uint32                 `json:"windowSeconds,omitempty" doc:"one of 10, 60, 300, 600, 3600; absent: as it is, and 60 for a new stream"`
	WindowFrom    *time.Time             `json:"windowFrom,omitempty" doc:"first window of a changed length, on the hour; set by the server when absent"`
	GraceSeconds  *uint32                `json:"graceSeconds,omitempty" doc:"default 10"`
	SettleSeconds *uint32                `json:"settleSeconds,omitempty" doc:"default 120"`
	SkewMillis    *uint32                `json:"skewMillis,omitempty" doc:"default 2000"`
	Edges         []string               `json:"edges,omitempty" doc:"required edges, as app..agent"`
	ExpectTraffic bool                   `json:"expectTraffic,omitempty"`
	Owner         string                 `json:"owner,omitempty"`
	Hops          map[string]HopSettings `json:"hops,omitempty"`
	Certify       *Certify               `json:"certify,omitempty"`
	Objectives    *Objectives            `json:"objectives,omitempty"`
	AlertOn       []string               `json:"alertOn,omitempty" doc:"what opens incidents of this stream beside loss: any of invalid, corrupt, duplicated"`
}

// Hop is one node of a stream's graph.
type Hop struct {
	Hop      string   `json:"hop"`
	After    []string `json:"after,omitempty"`
	Emitters int      `json:"emitters" doc:"instances that are alive"`
	Dark     int      `json:"dark" doc:"instances not heard of for three heartbeats"`
}

// Stream is a stream with its graph, settings and latest verdicts.
type Stream struct {
	Stream     string     `json:"stream"`
	Hops       []Hop      `json:"hops"`
	Edges      []string   `json:"edges" doc:"required edges where set, else every edge discovered"`
	Settings   Settings   `json:"settings"`
	SettingsBy string     `json:"settingsBy,omitempty" doc:"who changed the settings last: the name of a token, local or configuration"`
	Watermark  *time.Time `json:"watermark,omitempty" doc:"completeness watermark; absent before the first report"`
	Last       []Window   `json:"last" doc:"the latest ended window's verdict per edge"`
}

// Reason says why a verdict is what it is.
type Reason struct {
	Code      string     `json:"code"`
	Text      string     `json:"text"`
	Hop       string     `json:"hop,omitempty"`
	Lane      string     `json:"lane,omitempty"`
	Emitter   string     `json:"emitter,omitempty"`
	Source    string     `json:"source,omitempty"`
	Host      string     `json:"host,omitempty"`
	LastHeard *time.Time `json:"lastHeard,omitempty"`
	AtRisk    uint64     `json:"atRisk,omitempty" doc:"events pending because of it"`
}

// Counts are the event counts of a verdict, or of an hour of them.
type Counts struct {
	Produced        uint64  `json:"produced"`
	Expected        uint64  `json:"expected"`
	Delivered       uint64  `json:"delivered"`
	Lost            uint64  `json:"lost"`
	Pending         uint64  `json:"pending"`
	Duplicated      uint64  `json:"duplicated"`
	Redelivered     uint64  `json:"redelivered"`
	Unexpected      uint64  `json:"unexpected"`
	Corrupt         uint64  `json:"corrupt"`
	Invalid         uint64  `json:"invalid"`
	Filtered        uint64  `json:"filtered"`
	Rejected        uint64  `json:"rejected"`
	Skewed          uint64  `json:"skewed"`
	Unplaced        uint64  `json:"unplaced"`
	Late            uint64  `json:"late"`
	InvalidAtSource uint64  `json:"invalidAtSource" doc:"events that the earlier hop, a first one, found to break their schema; of several edges that leave it the first one, of the required ones by name, tells of them"`
	InvalidBefore   uint64  `json:"invalidBefore" doc:"of invalid, the events that another edge tells of: invalid - invalidBefore + invalidAtSource counts each event on one edge"`
	Checked         uint64  `json:"checked" doc:"events that the later hop checked against their schema"`
	CheckedAtSource uint64  `json:"checkedAtSource" doc:"the same of the earlier hop, where it is a first one"`
	Replayed        uint64  `json:"replayed,omitempty" doc:"of the later hop: delivered again by a declared replay"`
	Waived          *Waived `json:"waived,omitempty" doc:"of the counts: what people waived"`
}

// Window is the verdict of one window and edge.
type Window struct {
	Stream   string    `json:"stream"`
	Start    time.Time `json:"start"`
	Seconds  uint32    `json:"seconds"`
	Edge     string    `json:"edge"`
	State    string    `json:"state" enum:"complete,open,settling,unknown,incomplete"`
	Revision uint32    `json:"revision" doc:"1 on the first verdict; 0 for an empty window derived from lanes"`
	Counts
	Good      bool       `json:"good" doc:"complete, or all that keeps it from that is waived"`
	Latency   *Latency   `json:"latency,omitempty" doc:"of the later hop since production; absent when not measured"`
	Reasons   []Reason   `json:"reasons"`
	Cause     string     `json:"cause,omitempty" doc:"why this revision was made"`
	DecidedAt *time.Time `json:"decidedAt,omitempty"`
}

// WindowDetail is one window and edge with its earlier revisions, oldest first.
type WindowDetail struct {
	Window
	Sentence  string   `json:"sentence" doc:"what arrived and what of it breaks a schema, in words and exact numbers"`
	Revisions []Window `json:"revisions"`
}

// UID is one named event.
type UID struct {
	UID      string  `json:"uid"`
	Source   string  `json:"source,omitempty" doc:"absent for a foreign UID"`
	Sequence *uint32 `json:"sequence,omitempty"`
	Host     string  `json:"host,omitempty" doc:"host of the source, where the first hop said it"`
	LastHop  string  `json:"lastHop,omitempty" doc:"the last hop that saw it"`
	Times    uint32  `json:"times" doc:"at least how often the later hop took it over"`
}

// LaneEvidence is one lane of a hop as the verdict saw it.
type LaneEvidence struct {
	Hop       string     `json:"hop"`
	Epoch     uint32     `json:"epoch"`
	Lane      string     `json:"lane" doc:"partition, or empty where the emitter is the lane"`
	Emitter   string     `json:"emitter,omitempty"`
	Host      string     `json:"host,omitempty"`
	Watermark *time.Time `json:"watermark,omitempty" doc:"best one stated; absent when none"`
	Closed    bool       `json:"closed"`
	PassedAt  *time.Time `json:"passedAt,omitempty" doc:"sentAt of the report that brought the lane to the target"`
}

// HopEvidence is one hop as the verdict saw it.
type HopEvidence struct {
	Hop    string         `json:"hop"`
	Target *time.Time     `json:"target,omitempty"`
	K      *time.Time     `json:"k,omitempty"`
	Handed *time.Time     `json:"handedOn,omitempty"`
	Seen   uint64         `json:"seen"`
	Lanes  []LaneEvidence `json:"lanes"`
}

// ReportEvidence is one stored report that mentions the window.
type ReportEvidence struct {
	Hop        string    `json:"hop"`
	Emitter    string    `json:"emitter"`
	Host       string    `json:"host,omitempty"`
	Number     uint64    `json:"number"`
	SentAt     time.Time `json:"sentAt"`
	ReceivedAt time.Time `json:"receivedAt"`
	Counted    bool      `json:"counted" doc:"every earlier report of the emitter is stored"`
}

// Evidence is what a verdict rests on.
type Evidence struct {
	Stream      string           `json:"stream"`
	Start       time.Time        `json:"start"`
	Edge        string           `json:"edge,omitempty"`
	Hops        []HopEvidence    `json:"hops"`
	Reports     []ReportEvidence `json:"reports"`
	SettleLimit *time.Time       `json:"settleLimit,omitempty"`
}

// Emitter is one running instance of a hop.
type Emitter struct {
	Emitter     string    `json:"emitter"`
	Hop         string    `json:"hop"`
	Epoch       uint32    `json:"epoch"`
	Host        string    `json:"host"`
	Container   string    `json:"container,omitempty"`
	Version     string    `json:"version,omitempty"`
	State       string    `json:"state" enum:"alive,dark,closed"`
	Reports     uint64    `json:"reports" doc:"highest report number"`
	Missing     uint64    `json:"missing" doc:"report numbers below it that never arrived"`
	FirstSent   time.Time `json:"firstSent"`
	LastSent    time.Time `json:"lastSent"`
	LastReport  time.Time `json:"lastReport" doc:"when the last report was received"`
	SkewMillis  int64     `json:"skewMillis" doc:"how far its clock is ahead of the server's, behind where negative: the greatest sentAt minus time of receipt among its host's reports of the last 10 minutes; where there is none or the host has no name, that of its own last report. The truth is this and the way of the quickest report"`
	SkewError   *int64    `json:"skewErrorMillis,omitempty" doc:"the median of how much longer than the quickest a report of the host took: skewMillis is too low by about as much, if the quickest way is no longer than that; absent where skewMillis rests on one report"`
	ClosedBy    string    `json:"closedBy,omitempty" doc:"who closed it by hand"`
	SpoolEvents uint64    `json:"spoolEvents"`
	SpoolBytes  uint64    `json:"spoolBytes"`
}

// CloseRequest closes an emitter, a source or a lane by hand.
type CloseRequest struct {
	At   time.Time `json:"at" doc:"windows from this instant on are not held"`
	Why  string    `json:"why" minLength:"1"`
	Hop  string    `json:"hop,omitempty" doc:"lanes only"`
	Lane string    `json:"lane,omitempty" doc:"lanes only"`
}

// Closing answers a close call: what was closed, from when on, by whom and why.
type Closing struct {
	Stream string    `json:"stream"`
	Kind   string    `json:"kind" enum:"emitter,source,lane"`
	ID     string    `json:"id,omitempty" doc:"emitter or source"`
	Hop    string    `json:"hop,omitempty" doc:"lanes only"`
	Lane   string    `json:"lane,omitempty" doc:"lanes only"`
	At     time.Time `json:"at"`
	Why    string    `json:"why"`
	Who    string    `json:"who"`
	MadeAt time.Time `json:"madeAt"`
}

// TraceHop is one hop's word on a UID.
type TraceHop struct {
	Hop      string   `json:"hop"`
	Seen     bool     `json:"seen"`
	Kinds    []string `json:"kinds"`
	Emitters []string `json:"emitters"`
	Host     string   `json:"host,omitempty"`
}

// Neighbours are the nearest numbers of the same source that some hop saw.
type Neighbours struct {
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Trace is all that is known of one UID.
type Trace struct {
	UID        string     `json:"uid"`
	Source     string     `json:"source,omitempty"`
	Sequence   *uint32    `json:"sequence,omitempty"`
	Stream     string     `json:"stream"`
	Window     time.Time  `json:"window"`
	Hops       []TraceHop `json:"hops"`
	LastHop    string     `json:"lastHop"`
	Neighbours Neighbours `json:"neighbours"`
	Also       []Trace    `json:"also,omitempty" doc:"the same UID in other streams or windows"`
}

// Health answers /healthz and /readyz.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Hour is the roll-up of one (stream, hour) over the required edges; the worst state wins.
type Hour struct {
	Stream string `json:"stream"`
	Hour   string `json:"hour" doc:"2026-11-22T05"`
	State  string `json:"state" enum:"complete,open,settling,unknown,incomplete"`
	Counts
	Good              bool       `json:"good" doc:"complete, or all that keeps it from that is waived"`
	Certified         bool       `json:"certified" doc:"a certificate stands for the hour"`
	Certificate       *HourEntry `json:"certificate,omitempty" doc:"the last entry of the hour in the stream's chain; absent where nobody certified it"`
	Certifiable       bool       `json:"certifiable" doc:"nothing stands in the way of a certificate"`
	Bars              []string   `json:"bars,omitempty" doc:"what stands in the way of a certificate: edges-not-set, running, settling, unknown, lost, corrupt, rejected, duplicated, unplaced, no-traffic"`
	NextCertifiableAt *time.Time `json:"nextCertifiableAt,omitempty" doc:"the earliest instant at which the hour can be complete, or good with what is waived"`
}

// HourDetail is an hour with its windows that are not complete.
type HourDetail struct {
	Hour
	Windows []Window `json:"windows"`
}

// Blocked says what holds a watermark back.
type Blocked struct {
	Window  time.Time `json:"window"`
	Edge    string    `json:"edge"`
	State   string    `json:"state"`
	Reasons []Reason  `json:"reasons"`
}

// Watermark is a stream's completeness watermark.
type Watermark struct {
	Watermark *time.Time `json:"watermark,omitempty"`
	BlockedBy *Blocked   `json:"blockedBy,omitempty"`
}

// WatermarkMove says that the completeness watermark of a stream moved.
type WatermarkMove struct {
	At        time.Time  `json:"at"`
	Watermark time.Time  `json:"watermark"`
	Previous  *time.Time `json:"previous,omitempty" doc:"absent for the first"`
	Back      bool       `json:"back,omitempty" doc:"it stepped back"`
	Reason    string     `json:"reason" doc:"first, advanced, backfill, or the cause of the verdict that made it step back"`
	BlockedBy *Blocked   `json:"blockedBy,omitempty" doc:"what it stood before"`
}

// WatermarkEvent is the data of the event "watermark": the watermark of a stream stepped back, so that windows from Watermark on are good no more.
type WatermarkEvent struct {
	Stream string `json:"stream"`
	WatermarkMove
}

// Status is the health of the auditor itself.
type Status struct {
	Version            string     `json:"version"`
	Role               string     `json:"role,omitempty" enum:"all,ingest,reconcile,inspector" doc:"what this process does; reports and quarantined are counted where the role is all or ingest, and are 0 elsewhere"`
	Store              string     `json:"store" enum:"ok,away"`
	Kafka              string     `json:"kafka" enum:"ok,away,off"`
	IngestLag          int64      `json:"ingestLag" doc:"records of rollcall.reports not yet stored"`
	Reports            uint64     `json:"reports" doc:"reports accepted since start"`
	Quarantined        uint64     `json:"quarantined"`
	LastPass           *time.Time `json:"lastPass,omitempty" doc:"the last pass over those streams that were looked at the longest time ago, whichever process makes it; absent while there are streams that nobody looked at yet"`
	LastPassMillis     int64      `json:"lastPassMillis"`
	ReconcileAgeMillis int64      `json:"reconcileAgeMillis"`
	Dirty              int        `json:"dirty" doc:"marks waiting for a pass"`
	Demo               bool       `json:"demo,omitempty" doc:"the data shown was made by rollcall demo"`
}

// Quarantined is a report that could not be read.
type Quarantined struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Topic     string    `json:"topic,omitempty"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Reason    string    `json:"reason"`
	Bytes     int       `json:"bytes"`
	Body      []byte    `json:"body" doc:"the record as received, base64"`
}

// Accepted answers POST /reports.
type Accepted struct {
	Accepted int `json:"accepted"`
}

// AcceptedSamples answers POST /samples.
type AcceptedSamples struct {
	Accepted int     `json:"accepted" doc:"those that are kept, and those that are not since enough of their kind are"`
	Errors   []Fault `json:"errors,omitempty" doc:"what is wrong with the others, 20 faults at most"`
}

// Fault is one fault of a request, at its path.
type Fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string  `json:"type,omitempty"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Errors []Fault `json:"errors,omitempty"`
}

// Snapshot is the data of the event "snapshot".
type Snapshot struct {
	Streams []Stream `json:"streams"`
}

// Event is one message of GET /stream. On the wire its SSE "event:" is Type, its "id:" is
// ID, and its "data:" is Data. Types: "snapshot" (Data: {"streams":[Stream…]}), "verdicts" (Data: {"items":[Window…]}),
// "incident" (Data: an Incident), "certificate" (Data: a CertificateEvent), "watermark" (Data: a WatermarkEvent), "heartbeat" (Data: {"at":time}).
type Event struct {
	Type string
	ID   string
	Data json.RawMessage
}
