package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// AddWaiver stores a waiver with the names it covers and has its windows judged again. The names come first: they count once the waiver is
// there, so that it covers all of them or nothing.
func (s *Store) AddWaiver(ctx context.Context, w Waiver, names []WaivedName) error {
	rows := make([][]any, len(names))
	for i := range names {
		row, err := waivedRow(w.ID, &names[i])
		if err != nil {
			return err
		}
		rows[i] = row
	}
	if err := s.insert(ctx, "waived", rows); err != nil {
		return err
	}
	if err := s.insert(ctx, "waivers", [][]any{waiverRow(&w)}); err != nil {
		return err
	}
	return s.MarkWaived(ctx, w)
}

// MarkWaived has the windows of a waiver judged again.
func (s *Store) MarkWaived(ctx context.Context, w Waiver) error {
	marks := make([]Mark, len(w.Windows))
	for i, one := range w.Windows {
		marks[i] = Mark{WindowKey: WindowKey{w.Stream, one.Start}}
	}
	return s.ReplaceMarks(ctx, nil, marks)
}

func waivedRow(waiver wire.UID, n *WaivedName) ([]any, error) {
	numbers, _, err := encodeBitmap(n.Numbers)
	return []any{id(waiver), n.Stream, n.Start, n.Edge.From, n.Edge.To, string(n.Kind), string(n.Source[:]), numbers, n.Name, n.Count}, err
}

func waiverRow(w *Waiver) []any {
	starts, counts := make([]time.Time, len(w.Windows)), make([]uint64, len(w.Windows))
	for i, one := range w.Windows {
		starts[i], counts[i] = one.Start, one.Count
	}
	return []any{
		id(w.ID), w.Stream, w.Hour, w.Edge.From, w.Edge.To, string(w.Kind), string(w.Scope), id(w.Emitter), w.Reason, w.Ticket, w.Who, ms(w.MadeAt),
		starts, counts,
	}
}

const selectWaivers = `
SELECT id, stream, hour, edge_from, edge_to, kind, scope, emitter, reason, ticket, who, made_at, windows, counts
FROM waivers
WHERE stream = {stream:String} AND hour >= toDateTime({from:UInt32}, 'UTC') AND hour < toDateTime({to:UInt32}, 'UTC')
ORDER BY hour, made_at, id`

// Waivers returns the waivers of a stream's hours in [from, to), both of which lie between 1970 and 2105, by hour and then the oldest first.
func (s *Store) Waivers(ctx context.Context, stream string, from, to time.Time) ([]Waiver, error) {
	var found []Waiver
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	err := s.query(ctx, "read waivers", selectWaivers, args, func(r driver.Rows) error {
		w, err := scanWaiver(r)
		found = append(found, w)
		return err
	})
	return found, err
}

func scanWaiver(r driver.Rows) (Waiver, error) {
	var w Waiver
	var key, emitter uuid.UUID
	var kind, scope string
	var made int64
	var starts []time.Time
	var counts []uint64
	err := r.Scan(&key, &w.Stream, &w.Hour, &w.Edge.From, &w.Edge.To, &kind, &scope, &emitter, &w.Reason, &w.Ticket, &w.Who, &made, &starts, &counts)
	w.ID, w.Emitter, w.Kind, w.Scope, w.MadeAt = uid(key), uid(emitter), WaiverKind(kind), WaiverScope(scope), at(made)
	for i := range starts {
		w.Windows = append(w.Windows, WaivedWindow{starts[i], counts[i]})
	}
	return w, err
}

const selectWaived = `
SELECT waiver, stream, start, edge_from, edge_to, kind, source, numbers, name, count
FROM waived
WHERE (stream, start) IN (SELECT stream, start FROM wanted)
    AND waiver IN (SELECT id FROM waivers WHERE stream IN (SELECT stream FROM wanted))`

// WaivedOf returns what is waived of the windows, by window.
func (s *Store) WaivedOf(ctx context.Context, windows []WindowKey) (map[WindowKey][]WaivedName, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey][]WaivedName{}
	err = s.query(ctx, "read what is waived", selectWaived, args, func(r driver.Rows) error {
		n, err := scanWaived(r)
		found[n.WindowKey] = append(found[n.WindowKey], n)
		return err
	})
	return found, err
}

func scanWaived(r driver.Rows) (WaivedName, error) {
	var n WaivedName
	var waiver uuid.UUID
	var kind, source, numbers string
	if err := r.Scan(&waiver, &n.Stream, &n.Start, &n.Edge.From, &n.Edge.To, &kind, &source, &numbers, &n.Name, &n.Count); err != nil {
		return n, err
	}
	n.Waiver, n.Kind = uid(waiver), WaiverKind(kind)
	copy(n.Source[:], source)
	var err error
	n.Numbers, err = decodeBitmap(numbers)
	return n, err
}
