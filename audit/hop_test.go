package audit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// fact is all that a caller told of one source in one window.
type fact struct {
	rolls        [wire.Kinds]*roaring.Bitmap
	observations uint64
	bytes        uint64
}

type factKey struct {
	start  time.Time
	source UID
}

// teller calls a hop at random and remembers what it said.
type teller struct {
	hop     *Hop
	base    time.Time
	sources []UID
	facts   map[factKey]*fact
}

func newTeller(h *Hop) *teller {
	now := time.Now()
	return &teller{
		hop: h, base: now.Add(-3 * time.Minute), facts: make(map[factKey]*fact),
		sources: []UID{newID(now), newID(now), newID(now)},
	}
}

func (tl *teller) tell(t *rapid.T) {
	e := event(rapid.SampledFrom(tl.sources).Draw(t, "source"), rapid.Uint32Range(0, 300).Draw(t, "number"),
		tl.base.Add(time.Duration(rapid.IntRange(0, 150).Draw(t, "second"))*time.Second))
	f := tl.fact(e)
	n := e.UID.Sequence()
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		tl.hop.Filter(e, "rule-7")
		f.finish(wire.Filtered, n)
	case 1:
		tl.hop.Reject(e, "no room")
		f.finish(wire.Rejected, n)
	default:
		sum := rapid.SampledFrom([]uint32{7, 7, 7, 8}).Draw(t, "sum")
		mark := tl.hop.Observe(e, sum, 10, tl.base)
		f.see(t, n, sum, mark)
	}
}

func (tl *teller) fact(e Header) *fact {
	k := factKey{WindowOf(e.ProducedAt, time.Minute), e.UID.Source()}
	f := tl.facts[k]
	if f == nil {
		f = &fact{}
		for i := range f.rolls {
			f.rolls[i] = roaring.New()
		}
		tl.facts[k] = f
	}
	return f
}

func (f *fact) finish(k wire.Kind, n uint32) {
	f.rolls[k].Add(n)
	if f.rolls[wire.Seen].CheckedAdd(n) {
		f.observations++
	}
}

func (f *fact) see(t *rapid.T, n, sum uint32, mark Mark) {
	f.observations++
	if isNew := f.rolls[wire.Seen].CheckedAdd(n); isNew {
		f.bytes += 10
	} else {
		f.rolls[wire.Repeated].Add(n)
	}
	if sum != 7 {
		f.rolls[wire.Corrupt].Add(n)
	}
	var want Mark
	if f.rolls[wire.Repeated].Contains(n) {
		want |= MarkRepeated
	}
	if sum != 7 {
		want |= MarkCorrupt
	}
	if mark != want {
		t.Fatalf("observing number %d marks %b, want %b", n, mark, want)
	}
}

// TestServerKnowsEverythingWhateverHappensToReports tells random stories over a
// link that loses reports, loses acknowledgements and refuses, with reports of any
// size, and then holds the union of what arrived against what was told.
func TestServerKnowsEverythingWhateverHappensToReports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		srv := newServer()
		h := mustHop(t, HopConfig{Transport: srv, Limits: Limits{
			Sources: rapid.IntRange(1, 6).Draw(t, "sources"), Roll: rapid.SampledFrom([]int{24, 60, 1 << 20}).Draw(t, "roll"),
		}})
		fates := rapid.SliceOfN(rapid.SampledFrom([]fate{stored, lostAck, lost, refused}), 1, 12).Draw(t, "fates")
		turn := 0
		srv.fate = func(wire.Report) fate { turn++; return fates[turn%len(fates)] }
		tl := newTeller(h)
		for range rapid.IntRange(1, 12).Draw(t, "beats") {
			for range rapid.IntRange(0, 30).Draw(t, "events") {
				tl.tell(t)
			}
			_ = h.cycle(context.Background()) // fails as the link does; the next beat goes on
		}
		srv.fate = nil
		if err := h.cycle(context.Background()); err != nil {
			t.Fatal(err)
		}
		srv.check(t)
		tl.compare(t, srv)
	})
}

func (tl *teller) compare(t *rapid.T, srv *server) {
	got := srv.join()
	if len(got) != len(tl.facts) {
		t.Fatalf("the server knows %d sources and windows, %d were told", len(got), len(tl.facts))
	}
	for k, want := range tl.facts {
		j := got[joinKey{tl.hop.Emitter(), k.start, k.source}]
		if j == nil {
			t.Fatalf("the server knows nothing of source %s in %s", k.source, k.start)
		}
		for kind := range want.rolls {
			if r := j.rolls[kind]; !want.rolls[kind].IsEmpty() && (r == nil || !r.Equals(want.rolls[kind])) || want.rolls[kind].IsEmpty() && r != nil && !r.IsEmpty() {
				t.Fatalf("%s of source %s is %v, want %v", wire.Kind(kind), k.source, r, want.rolls[kind])
			}
		}
		if j.observations != want.observations || j.bytes != want.bytes {
			t.Fatalf("%d observations of %d bytes, want %d of %d", j.observations, j.bytes, want.observations, want.bytes)
		}
	}
}

// TestNothingIsReportedThatACheckpointDoesNotHold tells random stories to a durable
// hop that crashes between any two steps and goes on from its last checkpoint, over a
// link that loses and repeats. At the end the server knows exactly what was told up
// to the checkpoints that survived, and each emitter that ended was closed.
func TestNothingIsReportedThatACheckpointDoesNotHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		srv := newServer()
		fates := rapid.SliceOfN(rapid.SampledFrom([]fate{stored, lostAck, lost}), 1, 9).Draw(t, "fates")
		turn := 0
		srv.fate = func(wire.Report) fate { turn++; return fates[turn%len(fates)] }
		d := &durable{srv: srv, source: newID(time.Now()), kept: roaring.New()}
		d.start(t)
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			d.step(t)
		}
		srv.fate = nil
		d.crash(t)
		d.hop.EarlierLeft()
		d.checkpoint(t, none)
		if err := d.hop.cycle(context.Background()); err != nil {
			t.Fatal(err)
		}
		srv.check(t)
		d.compare(t)
	})
}

// durable is a hop whose state is kept, the number it has got to, and what survives.
type durable struct {
	srv     *server
	hop     *Hop
	source  UID
	next    uint32 // the position: events come in order
	saved   []byte
	savedAt uint32
	kept    *roaring.Bitmap // told and in the last stored checkpoint
}

func (d *durable) start(t *rapid.T) {
	d.hop = mustHop(t, HopConfig{Transport: d.srv, Durable: true, Checkpoint: d.saved, Limits: Limits{Roll: 40}})
}

func (d *durable) step(t *rapid.T) {
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0:
		d.crash(t)
		if rapid.Bool().Draw(t, "left") {
			d.hop.EarlierLeft()
		}
	case 1, 2:
		d.checkpoint(t, rapid.SampledFrom([]death{none, none, beforeDurable, beforeTold}).Draw(t, "death"))
	case 3, 4:
		_ = d.hop.cycle(context.Background()) // fails as the link does
	default:
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			d.hop.Observe(event(d.source, d.next, time.Now()), 7, 10, time.Now())
			d.next += rapid.Uint32Range(1, 3).Draw(t, "gap")
		}
	}
}

// death is when in a checkpoint the process dies.
type death int

const (
	none death = iota
	beforeDurable
	beforeTold
)

// checkpoint stores the outbox with the position; the reporter runs at any time.
func (d *durable) checkpoint(t *rapid.T, when death) {
	cp, err := d.hop.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	_ = d.hop.cycle(context.Background())
	if when == beforeDurable {
		d.crash(t)
		return
	}
	d.saved, d.savedAt = cp.Bytes(), d.next
	d.kept = d.observed()
	if when == beforeTold {
		d.crash(t)
		return
	}
	cp.Stored()
}

// observed returns what the hop of now holds, and what was kept before.
func (d *durable) observed() *roaring.Bitmap {
	all := d.kept.Clone()
	for i := range d.hop.stripes {
		for _, p := range d.hop.stripes[i].parts {
			if e := p.entries.find(key(&d.source)); e != nil {
				for n := range d.next {
					if e.old.contains(n) || e.fresh.contains(n) {
						all.Add(n)
					}
				}
			}
		}
	}
	return all
}

func (d *durable) crash(t *rapid.T) {
	d.next = d.savedAt
	d.start(t)
}

func (d *durable) compare(t *rapid.T) {
	seen := d.srv.rolls(wire.Seen)[d.source]
	if seen == nil {
		seen = roaring.New()
	}
	if !seen.Equals(d.kept) {
		t.Fatalf("the server knows %v, kept was %v", seen, d.kept)
	}
	if repeated := d.srv.rolls(wire.Repeated)[d.source]; repeated != nil && !repeated.IsEmpty() {
		t.Fatalf("events read again were reported twice by one emitter: %v", repeated)
	}
	for id, reports := range d.srv.emitters {
		last := reports[uint64(len(reports))]
		if id != d.hop.Emitter() && last.State != wire.Closed {
			t.Fatalf("emitter %s of a dead process was not closed after %d reports", id, len(reports))
		}
	}
}

func TestCheckpointsThatAreNoneAreRefused(t *testing.T) {
	h := mustHop(t, HopConfig{Transport: newServer(), Durable: true})
	h.Observe(event(newID(time.Now()), 1, time.Now()), 7, 1, time.Now())
	cp, err := h.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	good := cp.Bytes()
	for name, bad := range map[string][]byte{
		"empty": {}, "text": []byte("hello, world"), "cut": good[:len(good)-3], "one bit": flip(good, len(good)-2),
	} {
		if _, err := NewHop(HopConfig{Stream: "s", Hop: "h", Transport: newServer(), Durable: true, Checkpoint: bad}); err == nil {
			t.Errorf("%s: taken for a checkpoint", name)
		}
	}
}

func flip(b []byte, at int) []byte {
	out := append([]byte(nil), b...)
	out[at] ^= 4
	return out
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	good := HopConfig{Stream: "orders", Hop: "sink", Transport: newServer()}
	for name, spoil := range map[string]func(*HopConfig){
		"no stream":                  func(c *HopConfig) { c.Stream = "" },
		"a stream with a slash":      func(c *HopConfig) { c.Stream = "a/b" },
		"no transport":               func(c *HopConfig) { c.Transport = nil },
		"a window of 7 s":            func(c *HopConfig) { c.Window = 7 * time.Second },
		"after itself twice":         func(c *HopConfig) { c.After = []string{"app", "app"} },
		"a checkpoint, not durable":  func(c *HopConfig) { c.Checkpoint = []byte("RCC1") },
		"a source of longer windows": func(c *HopConfig) { c.Source = mustSource(t, SourceConfig{Window: time.Hour}) },
	} {
		c := good
		spoil(&c)
		if _, err := NewHop(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestReasonsAfterTheHundredthAreOther(t *testing.T) {
	srv := newServer()
	h := mustHop(t, HopConfig{Transport: srv})
	id, now := newID(time.Now()), time.Now()
	for i := range uint32(150) {
		h.Filter(event(id, i, now), fmt.Sprintf("rule-%d", i))
	}
	h.Filter(event(id, 200, now), "rule-3")
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	counts := make(map[string]uint64)
	for _, r := range srv.reports()[0].Windows[0].Reasons {
		counts[r.Reason] = r.Count
	}
	if len(counts) != 101 || counts["other"] != 50 || counts["rule-3"] != 2 || h.Stats().Others != 50 {
		t.Fatalf("%d reasons, other %d, rule-3 %d, stats %+v", len(counts), counts["other"], counts["rule-3"], h.Stats())
	}
}

func TestEventsWithoutAWindowAreCountedInTheCurrentOne(t *testing.T) {
	srv := newServer()
	h := mustHop(t, HopConfig{Transport: srv})
	id, now := newID(time.Now()), time.Now()
	for _, at := range []time.Time{now.AddDate(0, 0, -8), now.AddDate(200, 0, 0), time.UnixMilli(-1)} {
		if m := h.Observe(event(id, 1, at), 7, 1, now); m != MarkUnplaced {
			t.Errorf("an event of %v is marked %b", at, m)
		}
		h.Filter(event(id, 1, at), "rule-7") // what is said of it does not count it again
		h.Schema(event(id, 1, at), SchemaTally{ID: "orders", Outcome: "OK"})
		h.Schema(event(id, 1, at), SchemaTally{ID: "orders", Outcome: "INVALID"})
	}
	h.Unreadable(now)
	h.NoUID(now)
	h.ObserveForeign("a\nb", now, now)
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	w := srv.reports()[0].Windows[0]
	want := wire.Unplaced{TooOld: 2, TooNew: 1, Unreadable: 1, NoUID: 2}
	if w.Unplaced != want || !w.Start.Equal(WindowOf(now, time.Minute)) || h.Stats().Unplaced != want.Total() {
		t.Fatalf("window %v: %+v, stats %d; want %+v", w.Start, w.Unplaced, h.Stats().Unplaced, want)
	}
}

func TestForeignUIDsAreCountedByName(t *testing.T) {
	srv := newServer()
	h := mustHop(t, HopConfig{Transport: srv})
	now := time.Now()
	h.ObserveForeign("order-77413", now, now)
	if m := h.ObserveForeign("order-77413", now, now); m != MarkRepeated {
		t.Errorf("the second sight is marked %b", m)
	}
	h.FinishForeign(wire.Filtered, "order-77413", now)
	uuid := Header{UID: newID(now), ProducedAt: now, Checksum: 1}
	if m := h.Observe(uuid, 2, 10, now); m != MarkCorrupt {
		t.Errorf("a damaged event of a foreign UUID is marked %b", m)
	}
	h.Reject(uuid, "late")
	if err := h.cycle(context.Background()); err != nil {
		t.Fatal(err)
	}
	srv.check(t)
	got := make(map[string]wire.Foreign)
	for _, f := range srv.reports()[0].Windows[0].Foreign {
		got[f.UID] = f
	}
	if f := got["order-77413"]; f.Count != 2 || f.Filtered != 1 {
		t.Errorf("order-77413: %+v", f)
	}
	if f := got[uuid.UID.String()]; f.Count != 1 || f.Rejected != 1 || f.Corrupt != 1 {
		t.Errorf("the UUID: %+v", f)
	}
}
