package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// AddClosing stores a person's word and has the stream's windows looked at again.
func (s *Store) AddClosing(ctx context.Context, c Closing) error {
	row := []any{c.Stream, string(c.Kind), id(c.ID), c.Hop, c.Lane, ms(c.At), c.Why, c.Who, ms(c.MadeAt)}
	if err := s.insert(ctx, "closings", [][]any{row}); err != nil {
		return err
	}
	return s.markWhole(ctx, c.Stream)
}

const selectHasSource = `
SELECT count() FROM (SELECT 1 FROM sources WHERE stream = {stream:String} AND source = toFixedString(unhex({source:String}), 16) LIMIT 1)`

// HasSource says whether any hop of the stream reported an event of the source.
func (s *Store) HasSource(ctx context.Context, stream string, source wire.UID) (bool, error) {
	var n uint64
	args := params{}.value("stream", stream).value("source", hex.EncodeToString(source[:]))
	err := s.query(ctx, "look for a source", selectHasSource, args, func(r driver.Rows) error { return r.Scan(&n) })
	return n > 0, err
}

const selectClosings = `
SELECT stream, kind, id, hop, lane, at, why, who, made_at
FROM closings WHERE stream IN (SELECT stream FROM wanted)
ORDER BY stream, made_at`

// Closings returns what people closed of a stream, oldest first.
func (s *Store) Closings(ctx context.Context, stream string) ([]Closing, error) {
	found, err := s.ClosingsOf(ctx, []string{stream})
	return found[stream], err
}

// ClosingsOf returns what people closed of the streams, by stream, oldest first.
func (s *Store) ClosingsOf(ctx context.Context, streams []string) (map[string][]Closing, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]Closing{}
	err = s.query(ctx, "read closings", selectClosings, args, func(r driver.Rows) error {
		var c Closing
		var kind string
		var what uuid.UUID
		var from, made int64
		if err := r.Scan(&c.Stream, &kind, &what, &c.Hop, &c.Lane, &from, &c.Why, &c.Who, &made); err != nil {
			return err
		}
		c.Kind, c.ID, c.At, c.MadeAt = ClosingKind(kind), uid(what), at(from), at(made)
		found[c.Stream] = append(found[c.Stream], c)
		return nil
	})
	return found, err
}

// Quarantine keeps what could not be read.
func (s *Store) Quarantine(ctx context.Context, items []Quarantined) error {
	rows := make([][]any, 0, len(items))
	for _, q := range items {
		key, err := uuid.Parse(q.ID)
		if err != nil {
			return err
		}
		rows = append(rows, []any{key, ms(q.At), q.Topic, q.Partition, q.Offset, q.Reason, string(q.Body)})
	}
	return s.insert(ctx, "quarantine", rows)
}

const selectQuarantine = `
SELECT id, at, topic, partition, offset, reason, body
FROM quarantine FINAL
WHERE {after:String} = '' OR (at, id) > (SELECT at, id FROM quarantine WHERE id = toUUIDOrZero({after:String}) LIMIT 1)
ORDER BY at, id
LIMIT {limit:UInt64}`

const countQuarantined = `SELECT count() FROM quarantine FINAL WHERE at >= {since:Int64}`

// QuarantinedSince returns how many records were put aside since an instant.
func (s *Store) QuarantinedSince(ctx context.Context, since time.Time) (uint64, error) {
	var n uint64
	err := s.query(ctx, "count what was put aside", countQuarantined, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error { return r.Scan(&n) })
	return n, err
}

// Quarantined returns up to limit items, oldest first, from after the one with id after; an empty after begins at the first.
func (s *Store) Quarantined(ctx context.Context, after string, limit int) ([]Quarantined, error) {
	var found []Quarantined
	args := params{}.value("after", after).value("limit", limit)
	err := s.query(ctx, "read quarantine", selectQuarantine, args, func(r driver.Rows) error {
		var q Quarantined
		var key uuid.UUID
		var when int64
		var body string
		if err := r.Scan(&key, &when, &q.Topic, &q.Partition, &q.Offset, &q.Reason, &body); err != nil {
			return err
		}
		q.ID, q.At, q.Body = key.String(), time.UnixMilli(when).UTC(), []byte(body)
		found = append(found, q)
		return nil
	})
	return found, err
}
