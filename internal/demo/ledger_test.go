package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// ledger is all reports that a server stored, in the order in which they came, repeats too.
type ledger []wire.Report

// link carries the reports of one process to the ledger. Before and after each is stored it asks what comes of it.
type link struct {
	turn *sync.Mutex
	to   *ledger
	dead bool
	fate func() fate
	said func()
}

// fate is what comes of one attempt to send.
type fate int

const (
	arrives        fate = iota
	arrivesUnheard      // stored, but the sender is not told
	vanishes
	isRefused
	fates
)

var errLink = errors.New("the link is down")

func (l *link) Send(_ context.Context, batch wire.Batch) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	f := vanishes
	if !l.dead {
		f = l.fate()
	}
	switch f {
	case vanishes:
		return errLink
	case isRefused:
		return &audit.SendError{Permanent: true, Err: errors.New("unwelcome")}
	}
	body, err := wire.EncodeProto(batch)
	if err != nil {
		return err
	}
	batch, err = wire.DecodeProto(body, wire.DefaultLimits())
	if err == nil {
		err = wire.Validate(batch, wire.DefaultLimits(), time.Now())
	}
	if err != nil {
		return &audit.SendError{Permanent: true, Err: err}
	}
	*l.to = append(slices.Clip(*l.to), batch.Reports...)
	l.said()
	if f == arrivesUnheard {
		return errLink
	}
	return nil
}

// number is what a report stands under.
type number struct {
	emitter audit.UID
	n       uint64
}

// check holds the ledger against the protocol: a number stands for one report, numbers have no gaps, and nothing
// comes after CLOSED. It returns the emitters that are not closed.
func (l ledger) check() (open int, err error) {
	digests, last := map[number]uint64{}, map[audit.UID]wire.Report{}
	for i := range l {
		r, at := &l[i], number{l[i].Emitter, l[i].Number}
		known, twice := digests[at]
		switch before := last[r.Emitter]; {
		case twice && known != wire.Digest(*r):
			return 0, fmt.Errorf("number %d of emitter %s stands for two reports", r.Number, r.Emitter)
		case twice:
			continue
		case r.Number != before.Number+1:
			return 0, fmt.Errorf("report %d of emitter %s came after report %d", r.Number, r.Emitter, before.Number)
		case before.State == wire.Closed:
			return 0, fmt.Errorf("report %d of emitter %s came after its CLOSED", r.Number, r.Emitter)
		}
		digests[at], last[r.Emitter] = wire.Digest(*r), *r
	}
	for _, r := range last {
		if r.State != wire.Closed {
			open++
		}
	}
	return open, nil
}

// seen returns, by partition, the offsets reported as taken over. It is an error when two emitters took over the same.
func (l ledger) seen() (map[int32]*roaring.Bitmap, error) {
	byEmitter := map[number]*roaring.Bitmap{}
	for i := range l {
		for _, w := range l[i].Windows {
			for _, source := range w.Sources {
				at := number{l[i].Emitter, uint64(source.ID[partitionByte])}
				if byEmitter[at] == nil {
					byEmitter[at] = roaring.New()
				}
				byEmitter[at].Or(source.Rolls[wire.Seen])
			}
		}
	}
	seen := map[int32]*roaring.Bitmap{}
	for partition := range int32(partitions) {
		seen[partition] = roaring.New()
	}
	for at, roll := range byEmitter {
		if seen[int32(at.n)].Intersects(roll) {
			return nil, fmt.Errorf("offsets %v of partition %d are reported by two emitters", roll, at.n)
		}
		seen[int32(at.n)].Or(roll)
	}
	return seen, nil
}
