package model

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// deliver lets the reports travel to the server: late, out of order, more than once, or never.
func (w *world) deliver(reports []*sent) History {
	h := History{Settings: w.settings, Truthful: !w.lies, Causal: w.causal, Full: true, Faults: w.faults}
	arrived := map[*simEmitter]time.Duration{} // when the last report of an emitter came
	lanes := map[*simHop]time.Duration{}       // when the last report of a partitioned hop came
	for _, s := range reports {
		if w.missing(s) {
			w.fault("missing number")
			h.Full = false
			continue
		}
		at := s.at + w.delay(s)
		if w.causal {
			at = w.inOrder(s, at, arrived, lanes)
		}
		arrived[s.by] = max(arrived[s.by], at)
		h.Steps = append(h.Steps, Step{Now: genesis.Add(at), Report: s.report})
		if w.d.percent(w.rates.resends) {
			w.fault("resend")
			again := at + w.d.between(0, 20*time.Second)
			h.Steps = append(h.Steps, Step{Now: genesis.Add(again), Report: s.report})
		}
	}
	slices.SortStableFunc(h.Steps, byNow)
	w.closeByHand(&h)
	w.letTimePass(&h)
	w.declareReplay(&h)
	w.waive(&h)
	h.Truth = w.truth(h.Steps)
	return h
}

func byNow(a, b Step) int { return a.Now.Compare(b.Now) }

// missing tells whether a report never arrives. In a causal history those that others rely on do.
func (w *world) missing(s *sent) bool {
	reliedOn := s.by.hop.parts > 0 || s.by.fate == recovers || s.report.Number == 1
	return (!w.causal || !reliedOn) && w.d.percent(w.rates.missing)
}

func (w *world) delay(s *sent) time.Duration {
	base := s.by.offset + w.settings.Skew/2 // the server's clock is the slowest of all
	if w.causal && s.report.Number == 1 {
		return base + 20*time.Millisecond
	}
	if w.d.percent(w.rates.delayed) {
		w.fault("delay")
		return base + w.d.between(time.Second, 30*time.Second)
	}
	return base + w.d.between(20*time.Millisecond, 800*time.Millisecond)
}

// inOrder holds a report back until those came that it may not overtake.
func (w *world) inOrder(s *sent, at time.Duration, arrived map[*simEmitter]time.Duration, lanes map[*simHop]time.Duration) time.Duration {
	if s.by.hop.parts > 0 {
		at = max(at, lanes[s.by.hop]+time.Millisecond)
		lanes[s.by.hop] = at
	}
	for _, dead := range s.ends {
		at = max(at, arrived[dead]+time.Millisecond)
	}
	return at
}

// closeByHand lets a person close, after a while, some of what can hold windows open for ever.
func (w *world) closeByHand(h *History) {
	if !w.d.chance("closes by hand", 40) {
		return
	}
	for _, hop := range w.hops {
		for _, e := range hop.emitters {
			if e.fate == goesDark && hop.parts == 0 {
				w.fault("emitter closed by hand")
				h.closeAt(e.dies, w.d, Close{Emitter: e.id})
			}
		}
		w.closeLanes(hop, h)
	}
	for _, ev := range w.events {
		if ev.source.hidden && ev == ev.source.events[0] {
			w.fault("source closed by hand")
			h.closeAt(ev.produced, w.d, Close{Source: ev.source.id})
		}
	}
}

// closeLanes closes the partitions that nobody owns in the end, and now and then one that somebody does.
func (w *world) closeLanes(hop *simHop, h *History) {
	for part := range hop.parts {
		if lane := (simLane{0, part}); hop.owner(lane, w.end) == nil || w.d.percent(10) {
			w.fault("lane closed by hand")
			h.closeAt(w.d.between(10*time.Second, traffic), w.d, Close{Hop: hop.name, Lane: fmt.Sprintf("%s/%d", hop.name, part)})
		}
	}
}

// closeAt inserts a call that closes from the given instant on, made some time later.
func (h *History) closeAt(from time.Duration, d *dice, c Close) {
	c.At = genesis.Add(from)
	now := genesis.Add(d.between(from, from+50*time.Second))
	if now.After(h.End()) {
		now = h.End()
	}
	h.insert(Step{Now: now, Close: &c})
}

// letTimePass adds steps in which nothing is received: two on the way, and after the end past grace and settle limit.
func (w *world) letTimePass(h *History) {
	for _, at := range []time.Duration{w.d.between(15*time.Second, 30*time.Second), w.d.between(30*time.Second, 50*time.Second)} {
		h.Steps = append(h.Steps, Step{Now: genesis.Add(at)})
	}
	slices.SortStableFunc(h.Steps, byNow)
	h.Steps = append(h.Steps, Step{Now: h.End().Add(w.settings.Grace)})
	h.Steps = append(h.Steps, Step{Now: h.End().Add(w.settings.Settle + time.Second)})
}

// declareReplay lets a person declare the replay, before it comes or after, and now and then of another range than it delivers.
func (w *world) declareReplay(h *History) {
	if !w.replays || !w.d.chance("declared", 65) {
		return
	}
	d := Declare{From: genesis.Add(-windowLength), To: genesis.Add(traffic + windowLength)}
	if w.d.chance("declared in part", 30) {
		d.From = genesis.Add(windowLength * time.Duration(w.d.int("declared from", 0, 4)))
	}
	w.fault("replay declared")
	h.insert(Step{Now: genesis.Add(w.d.between(30*time.Second, h.End().Sub(genesis))), Declare: &d})
}

// waive lets a person waive some of what is bad: while it is still going on, and after it is over.
func (w *world) waive(h *History) {
	if !w.d.chance("waivers", 45) {
		return
	}
	for range w.d.int("how many waivers", 1, 4) {
		hop := w.hops[1+w.d.rng.IntN(len(w.hops)-1)]
		for _, before := range hop.after {
			waive := Waive{
				Edge: before.name + ".." + hop.name, Half: w.d.percent(30),
				Kind: []string{"lost", "lost", "lost", Unknown, Unknown, "duplicated", "corrupt", "rejected"}[w.d.rng.IntN(8)],
			}
			at := h.End()
			if w.d.percent(60) {
				at = genesis.Add(w.d.between(25*time.Second, at.Sub(genesis)))
			}
			if waive.Kind == Unknown {
				waive.Half = false // by all that holds the window, since no name is asked for
			}
			w.fault("waiver of " + waive.Kind)
			h.insert(Step{Now: at, Waive: &waive})
		}
	}
}

// insert puts a step behind those of its instant and before.
func (h *History) insert(step Step) {
	i := slices.IndexFunc(h.Steps, func(s Step) bool { return s.Now.After(step.Now) })
	if i < 0 {
		i = len(h.Steps)
	}
	h.Steps = slices.Insert(h.Steps, i, step)
}

// Permute returns a history of the same reports and calls, received in another order, some more than once and many at
// the same instant, all after the last step of h. Its last step is so late that nothing is left to settle in either
// history of the windows that had ended at h.End.
func Permute(t *rapid.T, h History) History {
	steps := slices.DeleteFunc(slices.Clone(h.Steps), func(s Step) bool { return s.Report == nil && s.Close == nil && s.Declare == nil })
	if len(steps) > 0 {
		steps = append(steps, rapid.SliceOfN(rapid.SampledFrom(steps), 0, 6).Draw(t, "repeated")...)
	}
	seed := rapid.Permutation(steps).Draw(t, "order")
	now := h.End()
	for i := range seed {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 400}).Draw(t, "pause")) * time.Millisecond)
		seed[i].Now = now
	}
	permuted := h
	permuted.Steps = append(seed, Step{Now: now.Add(h.Settings.Grace + h.Settings.Settle + time.Second)})
	return permuted
}
