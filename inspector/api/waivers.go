package api

import "time"

// WaiverRequest says what of an hour and edge is to stand in nobody's way, and why. One of UIDs, All and Emitter is given.
type WaiverRequest struct {
	Edge    string   `json:"edge" doc:"as app..agent"`
	Kind    string   `json:"kind" enum:"lost,corrupt,rejected,duplicated,unplaced,unknown,no-traffic" doc:"unknown: what holds the windows that are unknown"`
	UIDs    []string `json:"uids,omitempty" doc:"the events, at most 10000; not of unplaced and unknown"`
	All     bool     `json:"all,omitempty" doc:"all that is of the kind now; what is found later is not covered"`
	Emitter string   `json:"emitter,omitempty" doc:"of unknown: the emitter that holds the windows"`
	Reason  string   `json:"reason" doc:"why, for those who ask later; at most 1000 characters"`
	Ticket  string   `json:"ticket,omitempty" doc:"where more is written; at most 200 characters"`
}

// WaivedWindow says how much a waiver covers in one window.
type WaivedWindow struct {
	Start time.Time `json:"start"`
	Count uint64    `json:"count"`
}

// Waiver is a person's word that some of what is bad in an hour on an edge stands in nobody's way.
type Waiver struct {
	ID      string         `json:"id"`
	Stream  string         `json:"stream"`
	Hour    string         `json:"hour" doc:"2026-11-22T05"`
	Edge    string         `json:"edge"`
	Kind    string         `json:"kind" enum:"lost,corrupt,rejected,duplicated,unplaced,unknown,no-traffic"`
	Scope   string         `json:"scope" enum:"uids,all,emitter" doc:"how what it covers was asked for"`
	Emitter string         `json:"emitter,omitempty"`
	Reason  string         `json:"reason"`
	Ticket  string         `json:"ticket,omitempty"`
	Who     string         `json:"who"`
	MadeAt  time.Time      `json:"madeAt"`
	Count   uint64         `json:"count" doc:"how much it covers: events, or of unknown what holds the windows"`
	Windows []WaivedWindow `json:"windows" doc:"by window"`
}

// Waived counts, by kind, what is waived; a kind of which nothing is, is absent.
type Waived struct {
	Lost       uint64 `json:"lost,omitempty"`
	Corrupt    uint64 `json:"corrupt,omitempty"`
	Rejected   uint64 `json:"rejected,omitempty"`
	Duplicated uint64 `json:"duplicated,omitempty"`
	Unplaced   uint64 `json:"unplaced,omitempty"`
	Unknown    uint64 `json:"unknown,omitempty" doc:"of what holds a window"`
}

// EpochRequest declares a replay.
type EpochRequest struct {
	From time.Time `json:"from" doc:"first window that is delivered again"`
	To   time.Time `json:"to" doc:"exclusive"`
	Why  string    `json:"why" doc:"for those who ask later; at most 1000 characters"`
}

// Epoch is a declared replay.
type Epoch struct {
	Epoch  uint32    `json:"epoch" doc:"what its emitters report under"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Why    string    `json:"why"`
	Who    string    `json:"who"`
	MadeAt time.Time `json:"madeAt"`
}
