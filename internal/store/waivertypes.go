package store

import (
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// WaiverKind is a kind of what is bad that a person can waive.
type WaiverKind string

// What can be waived: events by name, but for unplaced ones, of which there is a number only, and what holds a window that is unknown.
const (
	WaiveLost       WaiverKind = "lost"
	WaiveCorrupt    WaiverKind = "corrupt"
	WaiveRejected   WaiverKind = "rejected"
	WaiveDuplicated WaiverKind = "duplicated"
	WaiveUnplaced   WaiverKind = "unplaced"
	WaiveUnknown    WaiverKind = "unknown"
	WaiveNoTraffic  WaiverKind = "no-traffic" // of a whole hour in which a stream that expects events had none
)

// WaiverScope says how what a waiver covers was asked for.
type WaiverScope string

// The scopes of a waiver.
const (
	WaiveUIDs    WaiverScope = "uids"
	WaiveAll     WaiverScope = "all"
	WaiveEmitter WaiverScope = "emitter"
)

// WaiverRequest asks what a waiver would cover. One of UIDs, Emitter (of the kind unknown) and neither, for all, is meant.
type WaiverRequest struct {
	Stream  string
	Hour    time.Time
	Edge    Edge
	Kind    WaiverKind
	Scope   WaiverScope
	UIDs    []string
	Emitter wire.UID
}

// Waiver is a person's word that some of what is bad in an hour on an edge stands in nobody's way.
type Waiver struct {
	ID      wire.UID
	Stream  string
	Hour    time.Time
	Edge    Edge
	Kind    WaiverKind
	Scope   WaiverScope
	Emitter wire.UID // of the scope emitter; else zero
	Reason  string
	Ticket  string
	Who     string
	MadeAt  time.Time
	Windows []WaivedWindow // ascending; what it covers
}

// Count is how much the waiver covers in all.
func (w *Waiver) Count() uint64 {
	var n uint64
	for _, one := range w.Windows {
		n += one.Count
	}
	return n
}

// WaivedWindow says how much a waiver covers in one window.
type WaivedWindow struct {
	Start time.Time
	Count uint64
}

// WaivedName is what a waiver covers, by name: numbers of a source, a UID that Rollcall did not number, or what holds a window; or a number of
// events without names.
type WaivedName struct {
	WindowKey
	Edge    Edge
	Kind    WaiverKind
	Waiver  wire.UID
	Source  wire.UID
	Numbers *roaring.Bitmap // of Source; nil where there is none
	Name    string
	Count   uint64 // of what has no name; else 0
}

// Resolution is what a waiver covers, by name, at the instant it was asked for.
type Resolution struct {
	Names    []WaivedName // by window, ascending
	Windows  []WaivedWindow
	Strange  []int      // which of the UIDs asked for are not of the kind in that hour on that edge
	Standing []wire.UID // the waivers that cover all of it already; none where something is not covered
	Settling bool       // a window of the hour on that edge has not settled
}

// Waived counts, by kind, what of a verdict is waived.
type Waived struct{ Lost, Corrupt, Rejected, Duplicated, Unplaced, Unknown uint64 }

// Add adds what of another verdict is waived.
func (w *Waived) Add(o Waived) {
	w.Lost += o.Lost
	w.Corrupt += o.Corrupt
	w.Rejected += o.Rejected
	w.Duplicated += o.Duplicated
	w.Unplaced += o.Unplaced
	w.Unknown += o.Unknown
}
