package store

import (
	"cmp"
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// ToldAcknowledged is the state of an open incident of which a receiver was told that somebody looks at it.
const ToldAcknowledged = "acknowledged"

// Told is what a receiver was told of an incident.
type Told struct {
	Receiver   string
	Incident   wire.UID
	State      string    // IncidentOpen, IncidentEscalated, ToldAcknowledged or IncidentResolved
	Opening    uint32    // the how-manieth time the receiver was told that it is open, from 1
	Escalation uint32    // how often it was told in this opening that it got worse
	Since      time.Time // Since of the incident then
	Version    uint64    // of the incident then
	Outcome    string    // "sent", "gave_up", or "joined": nothing was sent, since it goes on what Detail, an incident's id, names
	Attempts   uint32
	Detail     string
	At         time.Time
	Events     uint64    // that each bad window of the incident had then, on average
	StoredAt   time.Time // by the server's clock; zero before it is stored
}

// stages are the states in the order in which they are told within one escalation; an end is after all escalations.
var stages = map[string]int{IncidentOpen: 0, IncidentEscalated: 1, ToldAcknowledged: 2, IncidentResolved: 3}

// Compare orders what a receiver was told of one incident, by what it says and no clock: clocks of several processes differ.
func (t *Told) Compare(o *Told) int {
	ends := func(t *Told) int { return stages[t.State] / stages[IncidentResolved] }
	return cmp.Or(cmp.Compare(t.Opening, o.Opening), ends(t)-ends(o), cmp.Compare(t.Escalation, o.Escalation), stages[t.State]-stages[o.State])
}

const toldColumns = `receiver, incident, told, since, outcome, attempts, detail, at, events, opening, escalation, version`

// toldTypes are the types of toldColumns, in their order.
var toldTypes = []string{"String", "UUID", "String", "Int64", "String", "UInt32", "String", "Int64", "UInt64", "UInt32", "UInt32", "UInt64"}

// AddTold stores what receivers were told, all of it or nothing. What is stored twice is there once.
func (s *Store) AddTold(ctx context.Context, told ...Told) error {
	rows := make([][]any, len(told))
	for n := range told {
		t := &told[n]
		rows[n] = []any{
			t.Receiver, id(t.Incident), t.State, ms(t.Since), t.Outcome, t.Attempts, t.Detail, ms(t.At), t.Events, t.Opening, t.Escalation, t.Version,
		}
	}
	return s.insertHeld(ctx, given{table: "notifications", columns: toldColumns, types: toldTypes, storedAt: true, rows: rows}, nil)
}

// selectToldOpen orders as Told.Compare does.
const selectToldOpen = `
SELECT ` + toldColumns + `, stored_at
FROM notifications FINAL
WHERE receiver = {receiver:String} AND (incident IN (SELECT id FROM wanted) OR incident IN (
    SELECT incident FROM notifications
    WHERE receiver = {receiver:String}
    GROUP BY incident
    HAVING argMax(told, (opening, told = 'resolved', escalation)) != 'resolved'))`

// selectToldSince may give a row twice; it is in two parts so that either has an index.
const selectToldSince = `
SELECT ` + toldColumns + `, stored_at FROM notifications WHERE stored_at >= {since:Int64} AND receiver = {receiver:String}
UNION ALL
SELECT ` + toldColumns + `, stored_at FROM notifications WHERE receiver = {receiver:String} AND incident IN (SELECT id FROM wanted)`

const selectToldOf = `
SELECT ` + toldColumns + `, stored_at
FROM notifications FINAL
WHERE incident IN (SELECT id FROM wanted)
ORDER BY at, receiver`

// ToldOpen returns all that a receiver was told of the incidents of which it was last told anything but their end, and of those given.
func (s *Store) ToldOpen(ctx context.Context, receiver string, also []wire.UID) ([]Told, error) {
	args, err := idList(also)
	if err != nil {
		return nil, err
	}
	return s.selectTold(ctx, selectToldOpen, args.value("receiver", receiver))
}

// ToldSince returns, in no order and some of it twice, what was stored of what a receiver was told from an instant of the server's clock on, and all that it was told of the incidents
// given. A row becomes visible a moment after its instant, so that who follows them must look back further than the last one seen.
func (s *Store) ToldSince(ctx context.Context, receiver string, since time.Time, also []wire.UID) ([]Told, error) {
	args, err := idList(also)
	if err != nil {
		return nil, err
	}
	return s.selectTold(ctx, selectToldSince, args.value("receiver", receiver).value("since", since.UnixMilli()))
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
		var since, when, stored int64
		err := r.Scan(&t.Receiver, &incident, &t.State, &since, &t.Outcome, &t.Attempts, &t.Detail, &when, &t.Events, &t.Opening, &t.Escalation, &t.Version, &stored)
		t.Incident, t.Since, t.At, t.StoredAt = uid(incident), at(since), at(when), at(stored)
		found = append(found, t)
		return err
	})
	return found, err
}
