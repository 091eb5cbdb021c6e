package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// ToldAcknowledged is the state of an open incident of which a receiver was told that somebody looks at it.
const ToldAcknowledged = "acknowledged"

// AddTold stores what a receiver was told.
func (s *Store) AddTold(ctx context.Context, t Told) error {
	row := []any{t.Receiver, id(t.Incident), t.State, ms(t.Since), t.Outcome, t.Attempts, t.Detail, ms(t.At), t.Events}
	return s.insert(ctx, "notifications (receiver, incident, told, since, outcome, attempts, detail, at, events)", [][]any{row})
}

const selectToldOpen = `
SELECT receiver, incident, argMax(told, at) AS last, argMax(since, at), argMax(outcome, at), argMax(attempts, at), argMax(detail, at), max(at), argMax(events, at), min(at)
FROM notifications
WHERE receiver = {receiver:String}
GROUP BY receiver, incident
HAVING last != 'resolved'`

const selectToldOf = `
SELECT receiver, incident, told, since, outcome, attempts, detail, at, events, at
FROM notifications FINAL
WHERE incident IN (SELECT id FROM wanted)
ORDER BY at, receiver`

// ToldOpen returns the incidents of which the receiver was last told that they are open, or that somebody looks at them.
func (s *Store) ToldOpen(ctx context.Context, receiver string) ([]Told, error) {
	return s.selectTold(ctx, selectToldOpen, params{}.value("receiver", receiver))
}

// ToldOf returns what receivers were told of an incident, oldest first.
func (s *Store) ToldOf(ctx context.Context, incident wire.UID) ([]Told, error) {
	args, err := idList([]wire.UID{incident})
	if err != nil {
		return nil, err
	}
	return s.selectTold(ctx, selectToldOf, args)
}

func (s *Store) selectTold(ctx context.Context, sql string, args params) ([]Told, error) {
	var found []Told
	err := s.query(ctx, "read notifications", sql, args, func(r driver.Rows) error {
		var t Told
		var incident uuid.UUID
		var since, when, first int64
		err := r.Scan(&t.Receiver, &incident, &t.State, &since, &t.Outcome, &t.Attempts, &t.Detail, &when, &t.Events, &first)
		t.Incident, t.Since, t.At, t.First = uid(incident), at(since), at(when), at(first)
		found = append(found, t)
		return err
	})
	return found, err
}

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
