package demo

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// saying is one name: Rollcall said it, or ought to have.
type saying struct {
	claim
	UID string `json:"uid"`
}

// Outcome is what a round ended with.
type Outcome struct {
	From    time.Time           `json:"from"`
	To      time.Time           `json:"to"`
	Events  uint64              `json:"events"`  // produced in the round
	Killed  map[string]int      `json:"killed"`  // kill -9 by hop
	Planted map[string][]string `json:"planted"` // UIDs by kind, in order, each once
	Named   map[string][]string `json:"named"`   // the same, as Rollcall names them
	Missed  int                 `json:"missed"`  // planted and not named so, counted by edge, kind and UID
	False   int                 `json:"false"`   // named and not planted so
	// MissedNames and FalseNames say which they are; absent when there are none.
	MissedNames []saying `json:"missedNames,omitempty"`
	FalseNames  []saying `json:"falseNames,omitempty"`
	// Delayed sets the events that were held back against the latencies that Rollcall tells.
	Delayed Delayed `json:"delayed"`
	// Undecided are the windows and edges that did not close.
	Undecided []string `json:"undecided,omitempty"`
}

// Delayed is how many events were held back, and how many events Rollcall says took as long. What waits for a hop that was killed may be
// as slow.
type Delayed struct {
	Planted uint64 `json:"planted"`
	Slow    uint64 `json:"slow"` // events that took longer than 11 s to the relay
}

// missed is how many events that were held back are in no latency.
func (d Delayed) missed() uint64 { return d.Planted - min(d.Planted, d.Slow) }

// Good reports whether Rollcall decided about every window, named exactly what was planted, and shows what was held back.
func (o Outcome) Good() bool {
	return o.Missed == 0 && o.False == 0 && o.Delayed.missed() == 0 && len(o.Undecided) == 0
}

// compare sets what was planted against what was named.
func compare(planted []plant, named []saying) Outcome {
	ought, delayed := map[saying]bool{}, Delayed{}
	for _, p := range planted {
		if p.Fault == DelayByApp {
			delayed.Planted++
		}
		for _, c := range p.Fault.claims() {
			ought[saying{c, p.UID.String()}] = true
		}
	}
	said := map[saying]bool{}
	for _, n := range named {
		said[n] = true
	}
	o := Outcome{Planted: byKind(ought), Named: byKind(said), MissedNames: without(ought, said), FalseNames: without(said, ought), Delayed: delayed}
	o.Missed, o.False = len(o.MissedNames), len(o.FalseNames)
	return o
}

// byKind lists the UIDs of each kind; the kinds that are planted are always there.
func byKind(set map[saying]bool) map[string][]string {
	lists := map[string][]string{kindLost: {}, kindDuplicated: {}, kindCorrupt: {}, kindFiltered: {}, kindInvalid: {}}
	for s := range set {
		lists[s.Kind] = append(lists[s.Kind], s.UID)
	}
	for kind, uids := range lists {
		slices.Sort(uids)
		lists[kind] = slices.Compact(uids)
	}
	return lists
}

// without returns what is in a and not in b, in order.
func without(a, b map[saying]bool) []saying {
	left := slices.Collect(maps.Keys(a))
	left = slices.DeleteFunc(left, func(s saying) bool { return b[s] })
	slices.SortFunc(left, func(x, y saying) int {
		return cmp.Or(cmp.Compare(x.Edge, y.Edge), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.UID, y.UID))
	})
	return left
}
