package store

import (
	"context"
	"encoding/hex"
	"iter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// HourRoll is a piece of what a hop saw, filtered or rejected of one source in one window.
type HourRoll struct {
	Start  time.Time
	Source wire.UID
	Hop    string
	Epoch  uint32
	Kind   wire.Kind       // Seen, Filtered or Rejected
	Roll   *roaring.Bitmap // nil when empty
}

// What a page is continued after is the whole sort key, so that a page may end anywhere.
const selectHourRolls = `
SELECT start, source, hop, epoch, CAST(kind, 'Int8'), toString(roll)
FROM window_rolls FINAL
WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND kind IN ('seen', 'filtered', 'rejected')
    AND start >= {start:DateTime('UTC')}
    AND (start, source, hop, epoch, CAST(kind, 'Int16')) >
        ({start:DateTime('UTC')}, toFixedString(unhex({source:String}), 16), {hop:String}, {epoch:UInt32}, {kind:Int16})
ORDER BY start, source, hop, epoch, kind
LIMIT {limit:UInt64}`

// HourRolls yields what hops saw, filtered and rejected in the windows of a stream that start in [from, to), by window, source, hop and epoch. They are
// read page by page, and no connection is held while one is yielded. An error is yielded last.
func (s *Store) HourRolls(ctx context.Context, stream string, from, to time.Time) iter.Seq2[HourRoll, error] {
	return func(yield func(HourRoll, error) bool) {
		last, kind, limit := HourRoll{Start: from}, int16(-1), firstRolls // before all others
		for {
			args := params{}.value("stream", stream).value("from", from).value("to", to).value("start", last.Start).value("source", hex.EncodeToString(last.Source[:]))
			args = args.value("hop", last.Hop).value("epoch", last.Epoch).value("kind", kind).value("limit", limit)
			page, bytes, err := s.hourRollsPage(ctx, args.setting("max_block_size", min(limit, 4096)))
			if err != nil {
				yield(HourRoll{}, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			if len(page) < limit {
				return
			}
			last = page[len(page)-1]
			kind = int16(last.Kind)
			limit = min(max(rollsBytes/(bytes/len(page)+1), firstRolls), mostRolls, 16*limit)
		}
	}
}

func (s *Store) hourRollsPage(ctx context.Context, args params) (page []HourRoll, bytes int, err error) {
	err = s.query(ctx, "read the rolls of an hour", selectHourRolls, args, func(r driver.Rows) error {
		var one HourRoll
		var source, state string
		var kind int8
		if err := r.Scan(&one.Start, &source, &one.Hop, &one.Epoch, &kind, &state); err != nil {
			return err
		}
		copy(one.Source[:], source)
		one.Kind = wire.Kind(kind)
		bytes += len(state)
		var err error
		one.Roll, err = decodeBitmap(state)
		page = append(page, one)
		return err
	})
	return page, bytes, err
}

// HourUID is what a hop says of an event that Rollcall did not number, in one window.
type HourUID struct {
	Start                    time.Time
	UID                      string
	Hop                      string
	Seen, Filtered, Rejected bool
}

const selectHourUIDs = `
SELECT start, uid, hop, max(count) > 0, max(filtered) > 0, max(rejected) > 0
FROM uid_counts
WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND start >= {start:DateTime('UTC')}
    AND (start, uid, hop) > ({start:DateTime('UTC')}, unhex({uid:String}), {hop:String})
GROUP BY start, uid, hop
ORDER BY start, uid, hop
LIMIT {limit:UInt64}
SETTINGS optimize_aggregation_in_order = 1`

// HourUIDs yields the foreign UIDs of the windows of a stream that start in [from, to), by window, UID and hop, page by page as HourRolls.
func (s *Store) HourUIDs(ctx context.Context, stream string, from, to time.Time) iter.Seq2[HourUID, error] {
	return func(yield func(HourUID, error) bool) {
		last := HourUID{Start: from}
		for {
			args := params{}.value("stream", stream).value("from", from).value("to", to).value("start", last.Start)
			args = args.value("uid", hex.EncodeToString([]byte(last.UID))).value("hop", last.Hop).value("limit", mostRolls)
			rows := 0
			var page []HourUID
			err := s.query(ctx, "read the foreign UIDs of an hour", selectHourUIDs, args, func(r driver.Rows) error {
				var one HourUID
				rows++
				err := r.Scan(&one.Start, &one.UID, &one.Hop, &one.Seen, &one.Filtered, &one.Rejected)
				page = append(page, one)
				return err
			})
			if err != nil {
				yield(HourUID{}, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
			if rows < mostRolls {
				return
			}
			last = page[rows-1]
		}
	}
}
