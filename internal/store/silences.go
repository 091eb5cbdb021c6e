package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// PutSilence stores a silence; of several of the same id the one stored at the latest instant is kept.
func (s *Store) PutSilence(ctx context.Context, v Silence, now time.Time) error {
	row := []any{id(v.ID), v.Stream, v.Edge.From, v.Edge.To, ms(v.Starts), ms(v.Ends), v.Author, v.Reason, ms(v.MadeAt), v.EndedBy, ms(now)}
	return s.insert(ctx, "silences", [][]any{row})
}

const selectSilences = `
SELECT id, stream, edge_from, edge_to, starts, ends, author, reason, made_at, ended_by
FROM silences FINAL
WHERE ends > {now:Int64}
ORDER BY starts, id`

// Silences returns the silences that have not ended at now, by start and id.
func (s *Store) Silences(ctx context.Context, now time.Time) ([]Silence, error) {
	var found []Silence
	err := s.query(ctx, "read silences", selectSilences, params{}.value("now", now.UnixMilli()), func(r driver.Rows) error {
		var v Silence
		var own uuid.UUID
		var starts, ends, made int64
		err := r.Scan(&own, &v.Stream, &v.Edge.From, &v.Edge.To, &starts, &ends, &v.Author, &v.Reason, &made, &v.EndedBy)
		v.ID, v.Starts, v.Ends, v.MadeAt = uid(own), at(starts), at(ends), at(made)
		found = append(found, v)
		return err
	})
	return found, err
}
