package store

import "context"

const insertClosedSeen = `
INSERT INTO window_rolls (stream, start, source, hop, epoch, kind, roll, cards)
SELECT stream, start, source, hop, epoch, 'closed', roll, 0
FROM window_rolls FINAL
WHERE (stream, start, hop) IN (SELECT stream, start, hop FROM wanted) AND kind = 'seen'` // its condition goes on with that of the shares held

// What foreign UIDs were seen is kept as the row of an emitter that cannot be: the one of zeros.
const insertClosedForeign = `
INSERT INTO uid_counts (stream, start, hop, epoch, uid, emitter, count)
SELECT DISTINCT stream, start, hop, epoch, uid, toUUID('00000000-0000-0000-0000-000000000000'), 1
FROM uid_counts FINAL
WHERE (stream, start, hop) IN (SELECT stream, start, hop FROM wanted)
    AND emitter != toUUID('00000000-0000-0000-0000-000000000000') AND count + corrupt + invalid + filtered + rejected + skewed > 0`

// HopWindow names a hop in a window.
type HopWindow struct {
	WindowKey
	Hop string
}

// KeepClosedSeen keeps what the hops have seen of the windows, so that what they see later can be called late.
func (s *Store) KeepClosedSeen(ctx context.Context, hops []HopWindow) error {
	return s.keepClosedSeen(ctx, hops, nil)
}

func (s *Store) keepClosedSeen(ctx context.Context, hops []HopWindow, held []Claim) error {
	if len(hops) == 0 || held != nil && len(held) == 0 {
		return nil
	}
	rows := make([][]any, len(hops))
	for i, h := range hops {
		rows[i] = []any{h.Stream, h.Start, h.Hop}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"start", "DateTime('UTC')"}, {"hop", "String"}}, rows)
	if err != nil {
		return err
	}
	where := ""
	if held != nil {
		where = " AND " + shareOf + " IN (" + heldShares + ")"
		if args, err = args.held(held); err != nil {
			return err
		}
	}
	args = args.setting("min_insert_block_size_rows", 65_536) // states weigh nothing to the server, which would gather a million
	for _, sql := range []string{insertClosedSeen, insertClosedForeign} {
		if err := s.conn.Exec(args.context(heldContext(ctx)), sql+where); err != nil {
			return wrap("keep what closed hops saw", err)
		}
	}
	return nil
}
