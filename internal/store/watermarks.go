package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// WatermarkMove says that the completeness watermark of a stream moved.
type WatermarkMove struct {
	Stream    string
	At        time.Time
	Watermark time.Time
	Previous  time.Time // zero for the first
	Reason    string    // first, advanced, or the cause of the verdict that made it step back
	Blocked   *Blocked  // the window it stands before; nil while there is none
}

var watermarkTypes = []string{"String", "Int64", "Int64", "Int64", "String", "String"}

const watermarkColumns = "stream, at, watermark, previous, reason, blocked"

// AddWatermarks stores how watermarks moved.
func (s *Store) AddWatermarks(ctx context.Context, moves []WatermarkMove) error {
	return s.addWatermarks(ctx, moves, nil)
}

// AddWatermarks is that of Store, of the streams held.
func (o *Owned) AddWatermarks(ctx context.Context, moves []WatermarkMove) error {
	return o.addWatermarks(ctx, moves, o.held)
}

func (s *Store) addWatermarks(ctx context.Context, moves []WatermarkMove, held []Claim) error {
	rows := make([][]any, len(moves))
	for i, m := range moves {
		blocked := ""
		if m.Blocked != nil {
			text, err := json.Marshal(m.Blocked)
			if err != nil {
				return fmt.Errorf("store: watermark of %s: %w", m.Stream, err)
			}
			blocked = string(text)
		}
		rows[i] = []any{m.Stream, ms(m.At), ms(m.Watermark), ms(m.Previous), m.Reason, blocked}
	}
	return s.insertHeld(ctx, given{table: "watermarks", columns: watermarkColumns, types: watermarkTypes, storedAt: true, rows: rows}, held)
}

// recentMoves is within what time the watermark of a stream that goes on has moved; the older ones of such a stream need not be looked at.
const recentMoves = 2 * time.Hour

const selectLastWatermarks = `
SELECT stream, max(at), argMax(watermark, at)
FROM watermarks
WHERE stream IN (SELECT stream FROM wanted) AND at >= {since:Int64}
GROUP BY stream`

// LastWatermarks returns where the watermarks of the streams last stood, and since when; of a stream that has none yet nothing.
func (s *Store) LastWatermarks(ctx context.Context, streams []string, now time.Time) (map[string]WatermarkMove, error) {
	found := map[string]WatermarkMove{}
	for _, since := range []int64{now.Add(-recentMoves).UnixMilli(), 0} {
		var rest []string
		for _, name := range streams {
			if _, known := found[name]; !known {
				rest = append(rest, name)
			}
		}
		if len(rest) == 0 {
			break
		}
		args, err := streamList(rest)
		if err != nil {
			return nil, err
		}
		err = s.query(ctx, "read watermarks", selectLastWatermarks, args.value("since", since), func(r driver.Rows) error {
			var m WatermarkMove
			var moved, mark int64
			err := r.Scan(&m.Stream, &moved, &mark)
			m.At, m.Watermark = at(moved), at(mark)
			found[m.Stream] = m
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

const selectWatermarks = `
SELECT ` + watermarkColumns + `
FROM watermarks FINAL
WHERE stream = {stream:String} AND at >= {from:Int64} AND at < {to:Int64}
ORDER BY at
LIMIT {limit:UInt64}`

// Watermarks returns up to limit moves of a stream's watermark in [from, to), the oldest first.
func (s *Store) Watermarks(ctx context.Context, stream string, from, to time.Time, limit int) ([]WatermarkMove, error) {
	var found []WatermarkMove
	args := params{}.value("stream", stream).value("from", from.UnixMilli()).value("to", to.UnixMilli()).value("limit", limit)
	err := s.query(ctx, "read how a watermark moved", selectWatermarks, args, func(r driver.Rows) error {
		m, err := scanMove(r)
		found = append(found, m)
		return err
	})
	return found, err
}

// scanMove reads a row of watermarkColumns, and what comes after them into more.
func scanMove(r driver.Rows, more ...any) (WatermarkMove, error) {
	var m WatermarkMove
	var moved, mark, previous int64
	var blocked string
	if err := r.Scan(append([]any{&m.Stream, &moved, &mark, &previous, &m.Reason, &blocked}, more...)...); err != nil {
		return m, err
	}
	m.At, m.Watermark, m.Previous = at(moved), at(mark), at(previous)
	if blocked == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(blocked), &m.Blocked); err != nil {
		return m, fmt.Errorf("watermark of %s at %s: %w", m.Stream, m.At, err)
	}
	return m, nil
}
