package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

const (
	storyOffsets  = 9                // of each partition; every fifth is a control record
	storyApart    = 3 * time.Second  // between the events of a partition
	storyAge      = 60 * time.Second // of the oldest event
	outDir        = root + "/out"
	partitionByte = 11 // of the id of a source: the partition that its events are in
)

// story is a sink told to take in the records of some partitions, whatever happens to it on the way, and what a
// server heard of it. It runs in a synctest bubble.
type story struct {
	turn   sync.Mutex // of the sink and its reporter, of whom one at a time tells the story
	rng    *rand.Rand
	disk   *crashDisk
	ledger ledger
	base   time.Time // when the first event was produced
	calm   bool      // nothing goes wrong any more
	brief  bool      // the next process dies as soon as it has sent what it found

	calls, failAt int // the call of the disk that fails
	failAs        fault
	failed        bool

	points []point // each instant at which the sink could have died
}

// point is one instant of a story.
type point struct {
	disk   *crashDisk
	ledger ledger
}

func newStory(seed uint64) *story {
	s := &story{
		rng: rand.New(rand.NewPCG(seed, 0)), disk: newCrashDisk(),
		base: time.Now().Add(-storyAge).Truncate(time.Second).UTC(),
	}
	s.plug(s.disk)
	return s
}

// plug has the story hear of every call of a disk.
func (s *story) plug(disk *crashDisk) {
	s.disk = disk
	disk.before = func(string, string) fault {
		s.note()
		if s.calls++; s.calls == s.failAt {
			s.failed = true
			return s.failAs
		}
		return healthy
	}
}

func (s *story) note() {
	if !s.calm {
		s.points = append(s.points, point{s.disk.clone(), s.ledger})
	}
}

// chance is true once in n times, and never once nothing goes wrong any more.
func (s *story) chance(n int) bool { return !s.calm && s.rng.IntN(n) == 0 }

func (s *story) fate() fate {
	if s.chance(3) {
		return fate(s.rng.IntN(int(fates)))
	}
	return arrives
}

// tell lets sinks live one after another until one has taken in all and left. It returns how many lived.
func (s *story) tell() (lives int, err error) {
	for {
		lives++
		done, err := s.live()
		switch {
		case err != nil && !s.planted(err):
			return lives, fmt.Errorf("life %d: %w", lives, err)
		case done:
			return lives, nil
		}
		s.failed = false
		if s.chance(2) {
			s.plug(s.disk.afterPowerLoss(s.rng, s.rng.IntN(3)))
		}
	}
}

// planted reports whether an error is that of the call that had to fail.
func (s *story) planted(err error) bool {
	return s.failed && (errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC))
}

// live is one process: it goes on where the one before ended, and may be killed.
func (s *story) live() (done bool, err error) {
	out, err := openOutput(s.disk, outDir)
	if err != nil {
		return false, err
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	link := &link{turn: &s.turn, to: &s.ledger, fate: s.fate, said: s.note}
	k := &sink{cfg: HopConfig{Hop: hopSnk, Logger: slog.New(slog.DiscardHandler)}, out: out}
	if err := k.audit(link); err != nil {
		return false, err
	}
	defer func() { // as a kill does: nothing is sent any more
		link.dead = true
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.pass(func() { _ = k.hop.Close(ctx) })
	}()
	s.settle(k)
	if s.brief {
		s.brief = false
		return false, nil
	}
	for s.left(out) > 0 {
		if s.chance(12) {
			return false, nil
		}
		if err := s.take(k); err != nil {
			return false, err
		}
		if err := k.commit(); err != nil {
			return false, err
		}
		s.settle(k)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	s.pass(func() { err = k.leave(ctx) })
	return err == nil, err
}

// pass gives the turn to the reporter until wait returns.
func (s *story) pass(wait func()) {
	s.turn.Unlock()
	defer s.turn.Lock()
	wait()
}

// settle states how far the durable output goes and lets the reporter, and at times the clock, go on.
func (s *story) settle(k *sink) {
	for partition := range int32(partitions) {
		k.hop.SetLane(kgoaudit.Lane(topicRelayed, partition), s.produced(k.out.part(partition).Next))
	}
	s.pass(synctest.Wait)
	if s.chance(4) {
		later := time.After(time.Duration(s.rng.IntN(8)) * time.Second)
		s.pass(func() { <-later; synctest.Wait() })
	}
}

func (s *story) produced(offset int64) time.Time {
	return s.base.Add(time.Duration(offset) * storyApart)
}

func (s *story) left(out *output) (n int64) {
	for partition := range int32(partitions) {
		n += storyOffsets - out.part(partition).Next
	}
	return n
}

// take hands some of the next records to the sink; all of them once nothing goes wrong any more.
func (s *story) take(k *sink) error {
	for partition := range int32(partitions) {
		next := k.out.part(partition).Next
		n := storyOffsets - next
		if !s.calm {
			n = min(n, s.rng.Int64N(4))
		}
		for ; n > 0; n, next = n-1, next+1 {
			if err := k.take(s.recordAt(partition, next)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *story) recordAt(partition int32, offset int64) *kgo.Record {
	r := &kgo.Record{Topic: topicRelayed, Partition: partition, Offset: offset, Value: []byte(line(partition, offset))}
	if isControl(offset) {
		r.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})
		return r
	}
	kgoaudit.SetHeader(r, audit.Header{
		Flags: wire.FlagNumbered, UID: s.source(partition).WithSequence(uint32(offset)),
		ProducedAt: s.produced(offset), Checksum: wire.Checksum(r.Value),
	})
	return r
}

func (s *story) source(partition int32) (id audit.UID) {
	ms := s.base.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8], id[partitionByte] = 0x80, 0x80, byte(partition)
	return id
}

func isControl(offset int64) bool { return offset%5 == 3 }

func line(partition int32, offset int64) string { return fmt.Sprintf("%d-%d", partition, offset) }

// stored returns the offsets that the output holds. Each is there once, and nothing else is.
func (s *story) stored() (map[int32]*roaring.Bitmap, error) {
	stored := map[int32]*roaring.Bitmap{}
	for partition := range int32(partitions) {
		stored[partition] = roaring.New()
	}
	for path := range s.disk.names {
		if !strings.Contains(path, ".jsonl") {
			continue
		}
		text, err := s.disk.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for got := range strings.Lines(string(text)) {
			var partition int32
			var offset int64
			if _, err := fmt.Sscanf(got, "%d-%d\n", &partition, &offset); err != nil || got != line(partition, offset)+"\n" {
				return nil, fmt.Errorf("%s holds the line %q", path, got)
			}
			if !stored[partition].CheckedAdd(uint32(offset)) {
				return nil, fmt.Errorf("the output holds offset %d of partition %d twice", offset, partition)
			}
		}
	}
	return stored, nil
}

// held holds what the server heard against the output as a restart finds it: nothing is reported that is not stored,
// no watermark is past what is stored, and the output is what lies below its position.
func (s *story) held(out *output) error {
	stored, err := s.stored()
	if err != nil {
		return err
	}
	seen, err := s.ledger.seen()
	if err != nil {
		return err
	}
	for partition := range int32(partitions) {
		next := out.part(partition).Next
		if want := below(next); !stored[partition].Equals(want) {
			return fmt.Errorf("partition %d holds offsets %v, and its position is %d", partition, stored[partition], next)
		}
		if lost := roaring.AndNot(seen[partition], stored[partition]); !lost.IsEmpty() {
			return fmt.Errorf("offsets %v of partition %d are reported and not stored", lost, partition)
		}
		for i := range s.ledger {
			if at := s.ledger[i].Lanes[kgoaudit.Lane(topicRelayed, partition)]; at.After(s.produced(next)) {
				return fmt.Errorf("the watermark of partition %d is %v past what is stored", partition, at.Sub(s.produced(next)))
			}
		}
	}
	return nil
}

// below returns the offsets of events below next.
func below(next int64) *roaring.Bitmap {
	out := roaring.New()
	for offset := range next {
		if !isControl(offset) {
			out.Add(uint32(offset))
		}
	}
	return out
}

// whole holds the end of a story: all is stored, all that is stored is reported, and every emitter is closed.
func (s *story) whole() error {
	out, err := openOutput(s.disk, outDir)
	if err != nil {
		return err
	}
	if err := s.held(out); err != nil {
		return err
	}
	seen, err := s.ledger.seen()
	if err != nil {
		return err
	}
	for partition := range int32(partitions) {
		if !seen[partition].Equals(below(storyOffsets)) {
			return fmt.Errorf("of partition %d offsets %v are reported in the end", partition, seen[partition])
		}
	}
	open, err := s.ledger.check()
	if err == nil && open > 0 {
		err = fmt.Errorf("%d emitters are not closed in the end", open)
	}
	return err
}

// after is the story as it is once the host lost its power at the i-th point, or in one case of eight the process
// alone was killed: nothing goes wrong any more.
func (s *story) after(i int, rng *rand.Rand, outlives int) *story {
	p := s.points[i]
	after := &story{rng: rng, ledger: p.ledger, base: s.base, calm: true, disk: p.disk.clone()}
	if outlives == nothing || rng.IntN(8) > 0 {
		after.disk = p.disk.afterPowerLoss(rng, outlives)
	}
	return after
}

// found holds what a restart finds against what was reported.
func (s *story) found() error {
	disk := s.disk.clone() // a look leaves the disk as it is
	out, err := openOutput(disk, outDir)
	if err != nil {
		return err
	}
	return (&story{disk: disk, ledger: s.ledger, base: s.base}).held(out)
}

// goOn brings the story to its end. Every second time the next process dies early, and then the power is lost.
func (s *story) goOn() error {
	if s.rng.IntN(2) == 0 {
		s.brief = true
		if _, err := s.live(); err != nil {
			return err
		}
		s.disk = s.disk.afterPowerLoss(s.rng, s.rng.IntN(3))
		if err := s.found(); err != nil {
			return err
		}
	}
	if _, err := s.tell(); err != nil {
		return err
	}
	s.disk = s.disk.afterPowerLoss(s.rng, s.rng.IntN(3)) // what was closed in order outlives one too
	return s.whole()
}
