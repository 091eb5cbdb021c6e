package model

import (
	"slices"
	"time"
)

// window is one window [s, e) of the stream, judged at one instant.
type window struct {
	m       *Model
	s, e    time.Time
	now     time.Time
	hops    map[string][]string // hop → the hops it comes after
	order   []string            // hops from first to last; those on or after a cycle are missing
	closing map[string]closing
}

// length is the window length of the stream.
func (m *Model) length() time.Duration { return time.Duration(m.settings.WindowSeconds) * time.Second }

func (m *Model) judge(s, now time.Time) *window {
	w := &window{m: m, s: s, e: s.Add(m.length()), now: now, hops: map[string][]string{}, closing: map[string]closing{}}
	w.readGraph()
	w.sortHops()
	for _, hop := range w.order {
		w.closing[hop] = w.closeHop(hop)
	}
	return w
}

// grace is the instant before which a report belongs to the window without mentioning it.
func (w *window) grace() time.Time { return w.e.Add(w.m.settings.Grace) }

func (w *window) mentionedBy(r *record) bool { return r.mentions[w.s.Unix()] }

func (w *window) readGraph() {
	for _, r := range w.m.records {
		if !w.mentionedBy(r) && !r.sentAt.Before(w.grace()) {
			continue
		}
		w.addHop(r.hop)
		for _, before := range r.after {
			w.addEdge(before, r.hop)
		}
	}
	for _, edge := range w.m.required {
		w.addEdge(edge[0], edge[1])
	}
}

func (w *window) addHop(hop string) {
	if _, known := w.hops[hop]; !known {
		w.hops[hop] = nil
	}
}

func (w *window) addEdge(from, to string) {
	w.addHop(from)
	if !slices.Contains(w.hops[to], from) {
		w.hops[to] = append(w.hops[to], from)
	}
}

// first tells whether no edge of the window leads to the hop.
func (w *window) first(hop string) bool { return len(w.hops[hop]) == 0 }

// sortHops puts a hop into the order once all it comes after are there, so that
// hops on a cycle, or after one, never get in.
func (w *window) sortHops() {
	for grown := true; grown; {
		grown = false
		for hop, after := range w.hops {
			if !slices.Contains(w.order, hop) && w.allOrdered(after) {
				w.order = append(w.order, hop)
				grown = true
			}
		}
	}
}

func (w *window) allOrdered(hops []string) bool {
	for _, hop := range hops {
		if !slices.Contains(w.order, hop) {
			return false
		}
	}
	return true
}

// covers tells whether what the emitter says of the window covers its sources: a report of it without an `after` mentions
// the window, no required edge leads to the hop, and no report of the hop with an `after` was sent before the end of grace.
func (w *window) covers(e emitterKey) bool {
	for _, r := range w.m.records {
		if r.emitterKey == e && len(r.after) == 0 && w.mentionedBy(r) {
			return w.wasFirst(e.hop)
		}
	}
	return false
}

func (w *window) wasFirst(hop string) bool {
	for _, edge := range w.m.required {
		if edge[1] == hop {
			return false
		}
	}
	for _, r := range w.m.records {
		if r.hop == hop && len(r.after) > 0 && r.sentAt.Before(w.grace()) {
			return false
		}
	}
	return true
}

// uncoveredSince returns the start of the earliest window in which a source was seen beyond the first hops while
// no first hop ever reported it, over the sources that no person closed from s or earlier on.
func (m *Model) uncoveredSince(s time.Time) (time.Time, bool) {
	if m.sources == nil {
		m.sources = m.sight()
	}
	var since time.Time
	found := false
	for source, start := range m.sources.beyond {
		if m.sources.covered[source] || closedBy(m.closedSources, source, s) {
			continue
		}
		if !found || start.Before(since) {
			since, found = start, true
		}
	}
	return since, found
}
