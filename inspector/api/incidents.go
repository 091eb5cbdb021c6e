package api

import "time"

// Incident is a run of bad windows of one edge with one cause.
type Incident struct {
	ID       string     `json:"id"`
	Stream   string     `json:"stream"`
	Edge     string     `json:"edge,omitempty" doc:"absent: the stream as a whole"`
	Cause    string     `json:"cause" enum:"loss,unknown,delayed,stopped,invalid,corrupt,duplicated,burn-completeness,burn-timeliness,burn-latency,burn-validity,burn-slow-completeness,burn-slow-timeliness,burn-slow-latency,burn-slow-validity"`
	State    string     `json:"state" enum:"open,resolved,merged" doc:"merged: it is part of an earlier one, whose next window it began with"`
	Into     string     `json:"into,omitempty" doc:"the incident that a merged one is part of"`
	First    time.Time  `json:"first" doc:"start of the first window; of a stopped stream the end of the last window with an event"`
	Last     time.Time  `json:"last" doc:"start of the last window"`
	Windows  uint32     `json:"windows"`
	Bad      uint32     `json:"bad" doc:"windows that are still bad"`
	FirstBad time.Time  `json:"firstBad" doc:"the first window that is still bad"`
	Lost     uint64     `json:"lost" doc:"events lost in the windows that are still bad"`
	Expected uint64     `json:"expected" doc:"events expected in all its windows"`
	Events   uint64     `json:"events" doc:"events it is about in the windows that are still bad: lost, pending, invalid …"`
	OpenedAt time.Time  `json:"openedAt"`
	Since    time.Time  `json:"since" doc:"since when it is open, or resolved"`
	Text     string     `json:"text" doc:"one line for a person"`
	AckedBy  string     `json:"ackedBy,omitempty" doc:"who took notice last"`
	AckedAt  *time.Time `json:"ackedAt,omitempty"`
	Muted    bool       `json:"muted,omitempty" doc:"a silence keeps its notifications back"`
	Quiet    bool       `json:"quiet,omitempty" doc:"it has not stood long enough for anybody to be called: a backlog is called of when it lasts"`
}

// Hint is something that the events of an incident have in common.
type Hint struct {
	Kind     string  `json:"kind" enum:"host,emitter,lane,schema,since"`
	Name     string  `json:"name"`
	Short    string  `json:"short" doc:"as web-17 only"`
	Evidence string  `json:"evidence" doc:"a sentence with the numbers"`
	Events   uint64  `json:"events" doc:"how many of the incident's events, or of the reasons why its windows are open, it accounts for"`
	Of       uint64  `json:"of" doc:"out of so many that were looked at"`
	Share    float64 `json:"share" doc:"of all events, those of the same host, emitter …: what chance alone would give"`
}

// IncidentStep is something that happened to an incident.
type IncidentStep struct {
	At       time.Time `json:"at"`
	What     string    `json:"what" enum:"opened,notified,escalated,joined,gave_up,acked,muted,resolved,merged"`
	Who      string    `json:"who,omitempty" doc:"who acknowledged or muted it, or the receiver that was told"`
	Text     string    `json:"text,omitempty"`
	Attempts uint32    `json:"attempts,omitempty"`
}

// IncidentDetail is an incident with its windows and what happened, oldest first.
type IncidentDetail struct {
	Incident
	Verdicts []Window       `json:"verdicts" doc:"the verdicts of its windows as they are now, the last 1000"`
	Timeline []IncidentStep `json:"timeline"`
	Hints    []Hint         `json:"hints,omitzero" required:"false" doc:"ranked: what accounts for most first; empty once it is over; absent where hintsReason says why"`
	// HintsReason is there where hints are not.
	HintsReason string   `json:"hintsReason,omitempty" doc:"evidence is slow: it took too long to find out; the incident is told without"`
	Hours       []string `json:"hours" doc:"the hours it touches, as 2026-11-22T05, the first 1000"`
	Hops        []string `json:"hops" doc:"later hops that its events did not reach either, or not yet"`
}

// AckRequest says that somebody looks after an incident.
type AckRequest struct {
	Note string `json:"note,omitempty" maxLength:"1000"`
}

// SilenceRequest mutes notifications.
type SilenceRequest struct {
	Stream string     `json:"stream,omitempty" doc:"absent: every stream"`
	Edge   string     `json:"edge,omitempty" doc:"absent: every edge"`
	Start  *time.Time `json:"start,omitempty" doc:"absent: now"`
	End    *time.Time `json:"end,omitempty" doc:"required: a silence ends"`
	Reason string     `json:"reason,omitempty" doc:"required: for those who wonder why nobody was called" maxLength:"1000"`
}

// Silence mutes notifications until it ends; it hides nothing.
type Silence struct {
	ID      string    `json:"id"`
	Stream  string    `json:"stream,omitempty" doc:"absent: every stream"`
	Edge    string    `json:"edge,omitempty" doc:"absent: every edge"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Author  string    `json:"author" doc:"who made it"`
	Reason  string    `json:"reason"`
	MadeAt  time.Time `json:"madeAt"`
	EndedBy string    `json:"endedBy,omitempty" doc:"who ended it early"`
}
