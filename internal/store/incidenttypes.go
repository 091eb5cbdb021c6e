package store

import (
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Cause is what is wrong with the windows of an incident.
type Cause string

// The causes of incidents.
const (
	CauseLoss    Cause = "loss"    // windows that are incomplete
	CauseUnknown Cause = "unknown" // windows that cannot be judged
	CauseStopped Cause = "stopped" // no event of the stream at all, where traffic is expected

	CauseDelayed    Cause = "delayed"    // windows past the settle limit of which all that is awaited is alive and behind: a backlog, no loss
	CauseInvalid    Cause = "invalid"    // events that break their schema, where the stream's settings ask for it
	CauseCorrupt    Cause = "corrupt"    // events whose payload changed on the way, where they ask for it
	CauseDuplicated Cause = "duplicated" // events taken over twice, where they ask for it
	CauseRevoked    Cause = "revoked"    // the certificate of an hour, which does not hold any more
	CauseBurn       Cause = "burn"       // an objective whose error budget is used up too fast
)

// Incident is a run of bad windows of one edge with one cause.
type Incident struct {
	ID       wire.UID // made of stream, edge, cause and first window
	Stream   string
	Edge     Edge // zero: the stream as a whole
	Cause    Cause
	First    time.Time // start of the first window; of a stopped stream the end of the last window with an event
	Last     time.Time // start of the last window
	Seconds  uint32    // length of the last window; 0 for a stopped stream
	Windows  uint32
	Bad      uint32    // windows that are still bad; 0: resolved
	FirstBad time.Time // the first window that is still bad; First when none is
	Lost     uint64    // events named lost in the windows that are still bad
	Expected uint64    // events expected in the windows of the run
	Events   uint64    // events it is about in the windows that are still bad: lost, pending, invalid …
	OpenedAt time.Time
	Since    time.Time     // since when it is as it is, open or resolved
	Text     string        // one line for a person
	Version  uint64        // grows with every verdict it rests on
	Hold     time.Duration // how long it must stand before anybody is called, beside what the notifier waits anyway
	Into     wire.UID      // the incident that this one has become part of; zero: it stands for itself
}

// The states of an incident.
const (
	IncidentOpen     = "open"
	IncidentResolved = "resolved"
	IncidentMerged   = "merged" // the window before its first turned bad too: it is part of an earlier one

	IncidentEscalated = "escalated" // of what is told: it is open and got worse
)

// State says how the incident stands.
func (i *Incident) State() string {
	switch {
	case i.Into != wire.UID{}:
		return IncidentMerged
	case i.Bad == 0:
		return IncidentResolved
	}
	return IncidentOpen
}

// IncidentFilter says which incidents are asked for, in the order of their first windows. Zero fields ask for all.
type IncidentFilter struct {
	Stream     string
	State      string     // IncidentOpen, IncidentResolved, or empty for both; merged ones are found by IDs only
	IDs        []wire.UID // these, merged or not, and with the state IncidentMerged also what has become part of them
	AfterFirst time.Time  // those after (AfterFirst, AfterID)
	AfterID    wire.UID
	Limit      int // 0: no limit
}

// Ack is somebody's word that an incident is being looked at.
type Ack struct {
	Incident wire.UID
	Version  uint64 // of the incident that was looked at: a word is of what was then, whatever the clocks say
	At       time.Time
	Who      string
	Note     string
}

// Silence mutes notifications from Starts until Ends. It hides nothing.
type Silence struct {
	ID      wire.UID
	Stream  string // empty: every stream
	Edge    Edge   // zero: every edge
	Starts  time.Time
	Ends    time.Time
	Author  string
	Reason  string
	MadeAt  time.Time
	EndedBy string // who ended it early
}

// Mutes says whether nobody is to be called of the incident at now.
func (s *Silence) Mutes(i *Incident, now time.Time) bool {
	return (s.Stream == "" || s.Stream == i.Stream) && (s.Edge == Edge{} || s.Edge == i.Edge) && !now.Before(s.Starts) && now.Before(s.Ends)
}
