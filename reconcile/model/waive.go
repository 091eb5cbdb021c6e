package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// waivedKey is one thing that a person waived: a name of a kind, or something that holds the window.
type waivedKey struct {
	start      int64
	edge, kind string
	name       string
}

// DeclareEpoch records that windows that start in [from, to) are delivered once more under an epoch.
func (m *Model) DeclareEpoch(epoch uint32, from, to time.Time) {
	m.declared[epoch] = [2]time.Time{from, to}
}

// Waive records that a person waives what Waivable names.
func (m *Model) Waive(w Waive, now time.Time) {
	before := len(m.waived)
	for start, names := range m.Waivable(w, now) {
		for _, name := range names {
			m.waived[waivedKey{start, w.Edge, w.Kind, name}] = true
		}
	}
	if len(m.waived) > before {
		m.waivers++
	}
}

// Waivable names, by window in Unix seconds, what a waiver made at an instant covers.
func (m *Model) Waivable(w Waive, now time.Time) map[int64][]string {
	found := map[int64][]string{}
	hour := genesis.Truncate(time.Hour)
	n := 0
	for s, ok := m.earliest(); ok && s.Before(now); s = s.Add(m.length()) {
		if s.Before(hour) || !s.Before(hour.Add(time.Hour)) {
			continue
		}
		for _, v := range m.judge(s, now).verdicts() {
			if v.Edge != w.Edge {
				continue
			}
			for _, name := range v.Names[w.Kind] {
				if n++; !w.Half || n%2 == 1 {
					found[s.Unix()] = append(found[s.Unix()], name)
				}
			}
		}
	}
	return found
}

// waive counts what of the verdict is waived and says whether it is good.
func (w *window) waive(v *Verdict) {
	if v.State == Unknown {
		if holders := w.holders(v.Edge); len(holders) > 0 {
			v.Names[Unknown] = holders
		}
	}
	v.Waived = map[string]uint64{}
	for _, kind := range []string{"lost", "corrupt", "rejected", "duplicated", Unknown} {
		for _, name := range v.Names[kind] {
			if w.m.waived[waivedKey{w.s.Unix(), v.Edge, kind, name}] {
				v.Waived[kind]++
			}
		}
	}
	switch v.State {
	case Complete:
		v.Good = true
	case Incomplete:
		v.Good = v.Waived["lost"] == v.Lost
	case Unknown:
		v.Good = len(v.Names[Unknown]) > 0 && v.Waived[Unknown] == uint64(len(v.Names[Unknown]))
	}
}

// holders names what holds an edge that is not closed, of all the hops up to its later one.
func (w *window) holders(edge string) []string {
	var all []string
	for hop := range w.upTo(edge) {
		all = append(all, w.holdersOf(hop)...)
	}
	slices.Sort(all)
	return all
}

// upTo are the edge's later hop and all that it comes after, directly or not.
func (w *window) upTo(edge string) map[string]bool {
	reached := map[string]bool{}
	var walk func(hop string)
	walk = func(hop string) {
		if reached[hop] {
			return
		}
		reached[hop] = true
		for _, before := range w.hops[hop] {
			walk(before)
		}
	}
	for hop, after := range w.hops {
		if slices.ContainsFunc(after, func(before string) bool { return before+".."+hop == edge }) {
			walk(hop)
		}
	}
	return reached
}

// holdersOf names what of one hop holds the window: the sources nobody covers, of a closed hop its late entry, of an open one the lanes that
// have not passed t, or that it has none. While there is no t the hops before it are what holds.
func (w *window) holdersOf(hop string) []string {
	c := w.closing[hop]
	var all []string
	if w.first(hop) {
		for _, source := range w.uncoveredSources() {
			all = append(all, "source "+source.String())
		}
	}
	switch {
	case c.closed && c.hands, !c.hasTarget:
		return all
	case c.closed:
		return append(all, "late entry at "+hop)
	}
	lanes := 0
	for _, epoch := range w.epochs(hop, c.target) {
		n, behind := w.lanesBehind(hop, epoch, c.target)
		lanes += n
		all = append(all, behind...)
	}
	if lanes == 0 && len(all) == 0 {
		all = append(all, "silence of "+hop)
	}
	return all
}

// lanesBehind counts the lanes of a hop and epoch, and names those that have not passed t.
func (w *window) lanesBehind(hop string, epoch uint32, t time.Time) (n int, behind []string) {
	if !w.m.partitioned(hop, epoch) {
		for _, e := range w.emitterLanes(hop, epoch, t) {
			if n++; w.m.passing(e, t) == nil {
				behind = append(behind, "emitter "+e.id.String()+" of "+hop)
			}
		}
		return n, behind
	}
	b := w.newBoard(hop)
	for _, r := range w.m.countedOf(hop, epoch) {
		b.read(r, t, func(l lane) bool { return w.laneClosed(hop, l) })
	}
	for l, passed := range b.passed {
		if !passed {
			behind = append(behind, fmt.Sprintf("lane %s of %s", l.name, hop))
		}
	}
	if uint32(len(b.passed)) < b.count {
		behind = append(behind, "unheard lanes of "+hop)
	}
	return len(b.passed), behind
}

// uncoveredSources are the sources that hold the first hops of the window.
func (w *window) uncoveredSources() []wire.UID {
	w.m.uncoveredSince(w.s) // sees to it that the sources are looked at
	var found []wire.UID
	for source, start := range w.m.sources.beyond {
		if !w.m.sources.covered[source] && !start.After(w.s) && !closedBy(w.m.closedSources, source, w.s) {
			found = append(found, source)
		}
	}
	return found
}

// Hour is the worst state of the windows of the genesis' hour over the required edges, or all there are, and the worst where good windows count as
// complete. A window without an edge is unknown, and an hour that runs is open at best. Both are empty where no window was mentioned.
func (m *Model) Hour(now time.Time) (state, good string) {
	hour := genesis.Truncate(time.Hour)
	worse := func(a, b string) string { return ranked[max(slices.Index(ranked, a), slices.Index(ranked, b))] }
	for s, ok := m.earliest(); ok && s.Before(now); s = s.Add(m.length()) {
		if s.Before(hour) || !s.Before(hour.Add(time.Hour)) {
			continue
		}
		edges := 0
		for _, v := range m.judge(s, now).verdicts() {
			if len(m.settings.Edges) > 0 && !slices.Contains(m.settings.Edges, v.Edge) {
				continue
			}
			edges++
			if state, good = worse(state, v.State), worse(good, Complete); !v.Good {
				good = worse(good, v.State)
			}
		}
		if edges == 0 {
			state, good = worse(state, Unknown), worse(good, Unknown)
		}
	}
	if state != "" && now.Before(hour.Add(time.Hour)) {
		state, good = worse(state, Open), worse(good, Open)
	}
	return state, good
}

// ranked are the states from best to worst.
var ranked = []string{"", Complete, Open, Settling, Unknown, Incomplete}
