package model

import (
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Stream is the stream that every generated report belongs to.
const Stream = "orders"

// genesis is the instant that simulated time counts from; a window begins there. What is produced is of the hour that ends with it, so that histories
// go on past the end of their hour.
var genesis = time.Date(2026, 11, 22, 5, 59, 20, 0, time.UTC)

// Step is one thing that happens at the server: a report is received, a person closes something, or only time passes.
type Step struct {
	Now    time.Time // server's clock; never falls from step to step
	Report *wire.Report
	Close  *Close

	Declare *Declare
	Waive   *Waive
}

// Declare is a person's word that a window range is delivered once more under the next epoch.
type Declare struct{ From, To time.Time }

// Waive is one call of a person: all of a kind on an edge in the hour of the genesis, or every other name of it, sorted.
type Waive struct {
	Edge, Kind string
	Half       bool
}

// Close is one call of a person; exactly one of Emitter, Source and Lane is meant: Source when set, else Emitter when
// set, else the lane of the hop.
type Close struct {
	Emitter, Source wire.UID
	Hop, Lane       string
	At              time.Time
}

// History is what one simulated pipeline sent, as the server received it, with what truly happened.
type History struct {
	Settings Settings
	Steps    []Step
	Truth    Truth
	// Truthful: no watermark claims more than was so.
	Truthful bool
	// Causal: reports were received in an order that the library's rules allow: the hello before anything is taken
	// over, those of a partitioned hop in the order sent, and a dead emitter's before the one that ends it.
	Causal bool
	// Full: every report sent was received in the end.
	Full bool
	// Faults counts what was done to the pipeline, by class.
	Faults map[string]int
}

// Apply lets the model go through one step.
func (m *Model) Apply(s Step) {
	if s.Report != nil {
		m.Receive(*s.Report, s.Now)
	}
	switch c := s.Close; {
	case c == nil:
	case !c.Source.IsZero():
		m.CloseSource(c.Source, c.At)
	case !c.Emitter.IsZero():
		m.CloseEmitter(c.Emitter, c.At)
	default:
		m.CloseLane(c.Hop, c.Lane, c.At)
	}
	if d := s.Declare; d != nil {
		m.DeclareEpoch(uint32(len(m.declared)+1), d.From, d.To)
	}
	if s.Waive != nil {
		m.Waive(*s.Waive, s.Now)
	}
}

// Replay returns a model that went through all steps of the history.
func (h History) Replay() *Model {
	m := New(h.Settings)
	for _, step := range h.Steps {
		m.Apply(step)
	}
	return m
}

// WithoutWaivers is the history as if nobody had waived anything. What a waiver covers depends on the instant at which it is made, so that the order
// of steps matters where there is one.
func (h History) WithoutWaivers() History {
	h.Steps = slices.DeleteFunc(slices.Clone(h.Steps), func(s Step) bool { return s.Waive != nil })
	return h
}

// End is the server's clock at the last step.
func (h History) End() time.Time {
	if len(h.Steps) == 0 {
		return genesis
	}
	return h.Steps[len(h.Steps)-1].Now
}

// Histories generates histories; see GenerateHistory.
func Histories() *rapid.Generator[History] { return rapid.Custom(GenerateHistory) }

// GenerateHistory draws a small pipeline, lets it run for about a minute of its own time and returns what the server
// received. The shape and the fault rates are drawn from t, so that a failing history shrinks to few hops and faults;
// single events are diced from a seed.
func GenerateHistory(t *rapid.T) History {
	d := &dice{t: t}
	d.rng = rand.New(rand.NewPCG(rapid.Uint64Range(0, 1<<20).Draw(t, "seed"), 1))
	w := newWorld(d)
	w.build()
	w.run()
	return w.deliver(w.emit())
}

// dice draws structure from rapid and single events from a seeded generator.
type dice struct {
	t   *rapid.T
	rng *rand.Rand
}

// int draws a structural number from lo to hi; it shrinks to lo.
func (d *dice) int(label string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(d.t, label) }

// chance draws a structural yes in so many of 100 cases; it shrinks to no.
func (d *dice) chance(label string, percent int) bool {
	return percent > 0 && rapid.IntRange(0, 99).Draw(d.t, label) >= 100-percent
}

// pick draws one of the values; it shrinks to the first.
func pick[T any](d *dice, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(d.t, label)
}

// percent throws for one event.
func (d *dice) percent(p int) bool { return p > 0 && d.rng.IntN(100) < p }

// between throws an instant or a span of whole milliseconds in [lo, hi].
func (d *dice) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(d.rng.Int64N(int64((hi-lo)/time.Millisecond)+1))*time.Millisecond
}

// emitterID throws the UUID of a process incarnation.
func (d *dice) emitterID() wire.UID {
	var id wire.UID
	for i := range id {
		id[i] = byte(d.rng.UintN(256))
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// sourceID throws the id of a source that started at the given instant.
func (d *dice) sourceID(start time.Time) wire.UID {
	id := d.emitterID()
	ms := uint64(start.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x80
	return id.Source()
}

// rates are the fault rates of one history, in percent of events.
type rates struct {
	loss, repeat, twice, hidden, late, slow       int
	corrupt, invalid, filtered, rejected, skewed  int
	foreign, uncovered, delayed, missing, resends int
	turmoil                                       int // of emitters that do not simply run on
}

func drawRates(d *dice) rates {
	rate := func(label string, some ...int) int { return pick(d, label, append([]int{0, 0, 0}, some...)...) }
	return rates{
		loss: pick(d, "loss", 0, 0, 4, 10, 15), repeat: rate("repeat", 10), twice: rate("twice", 10), hidden: rate("hidden", 6),
		late: rate("late", 10), slow: rate("slow", 10),
		corrupt: rate("corrupt", 10), invalid: rate("invalid", 10), filtered: rate("filtered", 12),
		rejected: rate("rejected", 12), skewed: rate("skewed", 10),
		foreign: rate("foreign", 25), uncovered: pick(d, "uncovered", 0, 0, 0, 0, 0, 8),
		delayed: rate("delayed", 15, 40), missing: pick(d, "missing", 0, 0, 0, 0, 3), resends: rate("resends", 20),
		turmoil: rate("turmoil", 20, 50),
	}
}
