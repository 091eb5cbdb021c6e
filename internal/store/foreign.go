package store

import (
	"context"
	"encoding/hex"
	"iter"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const selectForeign = `
SELECT stream, start, uid, hop, epoch, emitter, count, corrupt, invalid, filtered, rejected, skewed
FROM uid_counts FINAL
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    OR (stream = {stream:String} AND start = {start:DateTime('UTC')} AND uid >= unhex({from:String}))
ORDER BY stream, start, uid, hop, epoch, emitter
LIMIT {limit:UInt64}`

// ForeignEvent is what all hops counted of one event that Rollcall did not number, in one window.
type ForeignEvent struct {
	WindowKey
	UID    string
	Counts []ForeignCount // one per emitter, and one for what was closed
}

// ForeignCount is what one emitter counted of one foreign UID.
type ForeignCount struct {
	Hop    string
	Epoch  uint32
	Closed bool               // not of an emitter: the hop had seen it at its first closed verdict
	Kinds  [wire.Kinds]uint64 // Kinds[Seen] is how often it was taken over; Repeated is unused
}

// ForeignEvents yields the foreign UIDs of the windows in the order of stream, start and UID, of the first window from the UID from on, page by
// page as SourceRolls. An error is yielded last.
func (s *Store) ForeignEvents(ctx context.Context, windows []WindowKey, from string) iter.Seq2[ForeignEvent, error] {
	return func(yield func(ForeignEvent, error) bool) {
		p := newPager(windows, from, mostRolls)
		for !p.done() {
			found, err := s.foreignPage(ctx, p)
			if err != nil {
				yield(ForeignEvent{}, err)
				return
			}
			for _, one := range found {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) foreignPage(ctx context.Context, p *pager) ([]ForeignEvent, error) {
	args, err := p.args(hex.EncodeToString([]byte(p.from)))
	if err != nil {
		return nil, err
	}
	var found []ForeignEvent
	rows := 0
	err = s.query(ctx, "read foreign UIDs", selectForeign, args, func(r driver.Rows) error {
		rows++
		return scanForeign(r, &found)
	})
	if err != nil || rows < p.limit {
		p.end()
		return found, err
	}
	found = found[:len(found)-1]
	if len(found) == 0 { // one UID fills the page
		p.limit *= 4
		return nil, nil
	}
	last := &found[len(found)-1]
	p.goOn(last.WindowKey, last.UID+"\x00")
	return found, nil
}

func scanForeign(r driver.Rows, found *[]ForeignEvent) error {
	var k ForeignEvent
	var f ForeignCount
	var emitter uuid.UUID
	n := &f.Kinds
	err := r.Scan(&k.Stream, &k.Start, &k.UID, &f.Hop, &f.Epoch, &emitter,
		&n[wire.Seen], &n[wire.Corrupt], &n[wire.Invalid], &n[wire.Filtered], &n[wire.Rejected], &n[wire.Skewed])
	if err != nil {
		return err
	}
	if f.Closed = emitter == uuid.Nil; f.Closed {
		f.Kinds = [wire.Kinds]uint64{}
	}
	i := len(*found) - 1
	if i < 0 || (*found)[i].UID != k.UID || !(*found)[i].Start.Equal(k.Start) || (*found)[i].Stream != k.Stream {
		*found = append(*found, k)
		i++
	}
	(*found)[i].Counts = append((*found)[i].Counts, f)
	return nil
}
