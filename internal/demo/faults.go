package demo

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Fault is what happens to one event on purpose.
type Fault string

// The faults, each done by one hop. An event suffers at most one.
const (
	Healthy        Fault = ""
	DropByApp      Fault = "dropped by the app before Kafka"
	DropByRelay    Fault = "dropped by the relay"
	DropBySink     Fault = "dropped by the sink"
	TwiceByApp     Fault = "produced twice by the app"
	TwiceByRelay   Fault = "passed on twice by the relay"
	CorruptByApp   Fault = "a byte flipped before Kafka"
	CorruptByRelay Fault = "a byte flipped by the relay"
	FilterByRelay  Fault = "filtered by the relay"
	BreakByApp     Fault = "made by the app against the schema"
	DelayByApp     Fault = "held back by the app"
)

// filterReason is the name under which the relay filters.
const filterReason = "demo-rule-7"

// oneIn is how many events there are for one of each fault.
const oneIn = 4000

// Kinds of names, as the API has them.
const (
	kindLost       = "lost"
	kindDuplicated = "duplicated"
	kindCorrupt    = "corrupt"
	kindFiltered   = "filtered"
	kindInvalid    = "invalid"
	kindDelayed    = "delayed" // no name, but a latency: see Delayed
)

func allFaults() []Fault {
	return []Fault{DropByApp, DropByRelay, DropBySink, TwiceByApp, TwiceByRelay, CorruptByApp, CorruptByRelay, FilterByRelay, BreakByApp, DelayByApp}
}

// claim is what Rollcall ought to say of an event: a kind of name on an edge.
type claim struct {
	Edge string `json:"edge"`
	Kind string `json:"kind"`
}

// claims returns what Rollcall ought to say of an event that suffers f. A copy or a flipped byte
// travels on, so what the app does is seen on both edges.
func (f Fault) claims() []claim {
	switch f {
	case DropByApp:
		return []claim{{edgeRelay, kindLost}}
	case DropByRelay, DropBySink:
		return []claim{{edgeSink, kindLost}}
	case TwiceByApp:
		return []claim{{edgeRelay, kindDuplicated}, {edgeSink, kindDuplicated}}
	case TwiceByRelay:
		return []claim{{edgeSink, kindDuplicated}}
	case CorruptByApp:
		return []claim{{edgeRelay, kindCorrupt}, {edgeSink, kindCorrupt}}
	case CorruptByRelay:
		return []claim{{edgeSink, kindCorrupt}}
	case FilterByRelay:
		return []claim{{edgeSink, kindFiltered}}
	case BreakByApp:
		return []claim{{edgeRelay, kindInvalid}}
	}
	return nil
}

// kind returns the kind of name that f ends in; empty for a healthy event.
func (f Fault) kind() string {
	if f == DelayByApp {
		return kindDelayed
	}
	if c := f.claims(); len(c) > 0 {
		return c[0].Kind
	}
	return ""
}

// Plan is the set of faults to plant.
type Plan struct {
	kinds []string
	kills bool
}

// ParsePlan reads all, none, or some of lost, duplicated, corrupt, filtered, invalid, delayed and kill with commas between.
func ParsePlan(text string) (Plan, error) {
	every := []string{kindLost, kindDuplicated, kindCorrupt, kindFiltered, kindInvalid, kindDelayed}
	switch text {
	case "all":
		return Plan{kinds: every, kills: true}, nil
	case "none", "":
		return Plan{}, nil
	}
	var p Plan
	for name := range strings.SplitSeq(text, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "kill":
			p.kills = true
		case slices.Contains(every, name):
			p.kinds = append(p.kinds, name)
		default:
			return Plan{}, fmt.Errorf("fault %q: give all, none, or some of %s,kill", name, strings.Join(every, ","))
		}
	}
	return p, nil
}

// Fate says what happens to an event. It follows from the UID alone, so a hop that is
// killed and meets the event again does to it what it did before.
func (p Plan) Fate(uid wire.UID) Fault {
	sum := fnv.New64a()
	_, _ = sum.Write(uid[:])
	faults := allFaults()
	slot := (sum.Sum64() >> 16) % oneIn
	if slot >= uint64(len(faults)) || !slices.Contains(p.kinds, faults[slot].kind()) {
		return Healthy
	}
	return faults[slot]
}
