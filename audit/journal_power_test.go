package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// journalStory is a producer with a journal that dies and is started again, and what a server knows of its numbers.
// It keeps account in sets of numbers, and looks at the journal at every point as the next process would.
type journalStory struct {
	rng    *rand.Rand
	dir    string
	srv    *server
	now    time.Time
	given  map[UID]*roaring.Bitmap // numbers that Next returned, by source
	known  map[UID]*roaring.Bitmap // numbers that the server knows
	closed map[UID]bool            // emitters that the server knows to be closed; false: heard of
	older  []wire.Ended            // what the dead before this process left, until the server has it

	j      *Journal
	h      *Hop
	src    *Source
	held   []Header // numbered and not taken over
	points int
	stale  []byte // the journal as it was at some point before
	behind bool   // a planted bug: the journal is read as it was one number before
	last   []byte
}

func (s *journalStory) Send(ctx context.Context, b wire.Batch) error {
	if err := s.look(); err != nil {
		return err
	}
	before := len(s.srv.order)
	err := s.srv.Send(ctx, b)
	for _, r := range s.srv.order[before:] {
		s.hear(&r)
	}
	if broken := s.look(); broken != nil {
		return broken
	}
	return err
}

// hear keeps account of a report that the server stored.
func (s *journalStory) hear(r *wire.Report) {
	s.closed[r.Emitter] = r.State == wire.Closed
	for _, w := range r.Windows {
		for _, source := range w.Sources {
			add(s.known, source.ID).Or(source.Rolls[wire.Seen])
		}
	}
	for _, e := range r.Ended {
		s.closed[e.Emitter] = true
		addSpans(s.known, e)
	}
	if len(r.Ended) > 0 {
		s.older = nil
	}
}

func add(to map[UID]*roaring.Bitmap, id UID) *roaring.Bitmap {
	if to[id] == nil {
		to[id] = roaring.New()
	}
	return to[id]
}

func addSpans(to map[UID]*roaring.Bitmap, e wire.Ended) {
	for _, span := range e.Windows {
		add(to, e.Source).AddRange(uint64(span[0]), uint64(span[1])+1)
	}
}

// broken is the error of a promise that was not kept.
type broken struct{ text string }

func (b broken) Error() string { return b.text }

// look kills the process at this point in thought: what is in the journal then, and what the server knows, must be
// all numbers that were given and no others, and name every emitter that the server heard of and does not know closed.
func (s *journalStory) look() error {
	s.points++
	data := s.j.data
	if s.behind && s.last != nil {
		data, s.last = s.last, slices.Clone(data)
	}
	ended, err := readJournal(data, bootID(), time.Now())
	if err != nil {
		return broken{fmt.Sprintf("the journal of a killed process is refused: %v", err)}
	}
	if s.points%8 == 0 {
		if err := s.loseHost(); err != nil {
			return err
		}
	}
	if len(s.j.left) > 0 { // else their journals are removed
		ended = append(ended, s.older...)
	}
	return s.hold(ended)
}

func (s *journalStory) hold(ended []wire.Ended) error {
	told, names := map[UID]*roaring.Bitmap{}, map[UID]bool{}
	for _, e := range ended {
		addSpans(told, e)
		names[e.Emitter] = true
	}
	for id, numbers := range told {
		given := add(s.given, id)
		if more := roaring.AndNot(numbers, given); more.GetCardinality() > 1 || !more.IsEmpty() && more.Maximum() != uint32(given.GetCardinality()) {
			return broken{fmt.Sprintf("numbers %v are told of and were never given", more)}
		}
	}
	for id, given := range s.given {
		if gone := roaring.AndNot(roaring.AndNot(given, add(s.known, id)), add(told, id)); !gone.IsEmpty() {
			return broken{fmt.Sprintf("numbers %v were given, and nobody would know", gone)}
		}
	}
	for emitter, closed := range s.closed {
		if !closed && !names[emitter] {
			return broken{fmt.Sprintf("emitter %s would stay open", emitter)}
		}
	}
	return nil
}

// loseHost is the death of the host: pages are as they were at some point or another, or the file is cut. Nobody is closed.
func (s *journalStory) loseHost() error {
	torn := slices.Clone(s.j.data)
	for at := 0; at < len(torn) && s.stale != nil; at += 512 {
		if s.rng.IntN(3) == 0 {
			copy(torn[at:at+512], s.stale[at:])
		}
	}
	s.stale = slices.Clone(s.j.data)
	if s.rng.IntN(8) == 0 {
		torn = torn[:s.rng.IntN(len(torn))]
	}
	if ended, err := readJournal(torn, "the boot after it", time.Now()); err == nil || ended != nil {
		return broken{fmt.Sprintf("after the death of the host %+v is told (%v)", ended, err)}
	}
	return nil
}

func (s *journalStory) start() error {
	j, err := OpenJournal(JournalConfig{Dir: s.dir, Stream: "orders", Hop: "app"})
	if err != nil {
		return err
	}
	if len(j.refused) > 0 {
		return broken{fmt.Sprintf("journals are refused: %v", j.refused)}
	}
	s.j, s.older, s.stale, s.last, s.held = j, j.Ended(), nil, slices.Clone(j.data), nil
	if s.src, err = NewSource(SourceConfig{Journal: j}); err != nil {
		return err
	}
	s.h, err = NewHop(HopConfig{Stream: "orders", Hop: "app", Transport: s, Source: s.src, Journal: j, Limits: Limits{Roll: 30, Sources: 1}, Keep: time.Nanosecond})
	return err
}

// number gives out some numbers; the clock goes on, and at times the source begins anew.
func (s *journalStory) number() error {
	if s.rng.IntN(20) == 0 {
		s.src.Renew()
	}
	for range s.rng.IntN(4) {
		s.now = s.now.Add(time.Duration(s.rng.IntN(30_000)) * time.Millisecond)
		uid, at := s.src.Next(s.now)
		add(s.given, uid.Source()).Add(uid.Sequence())
		s.held = append(s.held, event(uid.Source(), uid.Sequence(), at))
		if err := s.look(); err != nil {
			return err
		}
	}
	return nil
}

// takeOver observes some of what is held, not always the oldest first.
func (s *journalStory) takeOver(n int) {
	for ; n > 0 && len(s.held) > 0; n-- {
		i := s.rng.IntN(len(s.held))
		s.h.Observe(s.held[i], 7, 1, s.held[i].ProducedAt)
		s.src.Left(s.held[i].ProducedAt)
		s.held = slices.Delete(s.held, i, i+1)
	}
}

// live is one process, until it is killed or closes.
func (s *journalStory) live(last bool) error {
	if err := s.start(); err != nil {
		return err
	}
	s.srv.fate = func(wire.Report) fate { return []fate{stored, stored, stored, lostAck, lost, refused}[s.rng.IntN(6)] }
	for range 4 + s.rng.IntN(12) {
		if err := s.number(); err != nil {
			return err
		}
		s.takeOver(s.rng.IntN(5))
		if s.rng.IntN(2) == 0 {
			if err := s.cycle(); err != nil {
				return err
			}
		}
		if s.rng.IntN(4) == 0 {
			s.h.sweep(time.Now())
		}
		if err := s.look(); err != nil {
			return err
		}
	}
	if !last {
		return s.j.release() // as the kernel does for the dead
	}
	return s.close()
}

// cycle lets the reporter work; that the link is down is no news.
func (s *journalStory) cycle() error {
	var b broken
	err := s.h.cycle(context.Background())
	if errors.As(err, &b) {
		return b
	}
	return nil
}

func (s *journalStory) close() error {
	s.srv.fate = nil
	s.takeOver(len(s.held))
	s.h.Finish()
	if err := s.h.cycle(context.Background()); err != nil {
		return err
	}
	if err := s.h.closeJournal(true); err != nil {
		return err
	}
	return s.hold(nil) // the journals are gone: the server must know all
}

func newJournalStory(seed uint64, dir string) *journalStory {
	return &journalStory{
		rng: rand.New(rand.NewPCG(seed, 1)), dir: dir, srv: newServer(), now: time.Now().Add(-6 * time.Hour),
		given: map[UID]*roaring.Bitmap{}, known: map[UID]*roaring.Bitmap{}, closed: map[UID]bool{},
	}
}

// TestKilledProducerIsSpokenForWhereverItDied kills producers, in thought, after every number they give and before and
// after every report, and in truth at the end of each life.
func TestKilledProducerIsSpokenForWhereverItDied(t *testing.T) {
	least := 100_000
	if testing.Short() {
		least = 1_000
	}
	points, lives, stories := 0, 0, uint64(0)
	for ; points < least; stories++ {
		s := newJournalStory(stories, t.TempDir())
		for left := s.rng.IntN(4); left >= 0; left-- {
			lives++
			if err := s.live(left == 0); err != nil {
				t.Fatalf("story %d: %v", stories, err)
			}
		}
		s.srv.check(t)
		points += s.points
	}
	t.Logf("%d points at which a producer may die, in %d lives of %d stories", points, lives, stories)
}

// TestJournalThatIsOneNumberBehindIsCaught holds the test above, and shows why a journal of another boot, whose pages may
// be older, is not believed.
func TestJournalThatIsOneNumberBehindIsCaught(t *testing.T) {
	var b broken
	for seed := range uint64(20) {
		s := newJournalStory(seed, t.TempDir())
		s.behind = true
		if err := s.live(true); errors.As(err, &b) {
			t.Log(err)
			_ = s.j.release()
			return
		}
	}
	t.Error("nothing was seen of it")
}
