package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

const selectEverBad = `
SELECT` + verdictColumns + `
FROM verdicts FINAL
WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
  AND (stream, edge_from, edge_to, start) IN (
      SELECT stream, edge_from, edge_to, start FROM verdicts
      WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
        AND (state IN (4, 5) OR {marks:UInt8} = 1 AND corrupt + duplicated + invalid + invalid_at_source > 0)
  )
ORDER BY stream, edge_from, edge_to, start, revision`

// EverBad returns all revisions of the verdicts of the streams' windows in [from, to) that were unknown or incomplete at some revision, or where
// marks are asked for had invalid, corrupt or duplicated events, by stream, and of each by edge, start and revision.
func (s *Store) EverBad(ctx context.Context, streams []string, from, to time.Time, marks bool) (map[string][]Verdict, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]Verdict{}
	args = args.value("from", from).value("to", to).value("marks", bit(marks))
	err = s.selectVerdicts(ctx, selectEverBad, args, func(v Verdict) { found[v.Stream] = append(found[v.Stream], v) })
	return found, err
}

const selectLastTraffic = `
SELECT stream, max(toUnixTimestamp(start) + seconds)
FROM verdicts
WHERE stream IN (SELECT stream FROM wanted) AND produced > 0 AND start >= if({recent:UInt8} = 1, now('UTC') - toIntervalDay(2), toDateTime(0, 'UTC'))
GROUP BY stream`

// LastTraffic returns, of those streams that have any event, the end of the last window with one. Only of streams without one in the last days all
// windows there ever were are read.
func (s *Store) LastTraffic(ctx context.Context, streams []string) (map[string]time.Time, error) {
	found := map[string]time.Time{}
	for _, recent := range []bool{true, false} {
		left := slices.DeleteFunc(slices.Clone(streams), func(stream string) bool { return !found[stream].IsZero() })
		if len(left) == 0 {
			break
		}
		args, err := streamList(left)
		if err != nil {
			return nil, err
		}
		err = s.query(ctx, "read the last traffic", selectLastTraffic, args.value("recent", bit(recent)), func(r driver.Rows) error {
			var stream string
			var end uint64
			err := r.Scan(&stream, &end)
			found[stream] = time.Unix(int64(end), 0).UTC()
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

const incidentColumns = `
    id, stream, edge_from, edge_to, cause, first, last, seconds, windows, bad, first_bad, lost, expected, opened_at, since, text, version, events, hold`

// incidentTypes are the types of incidentColumns, in their order.
var incidentTypes = []string{
	"UUID", "String", "String", "String", "String", "DateTime('UTC')", "DateTime('UTC')", "UInt32", "UInt32", "UInt32", "DateTime('UTC')",
	"UInt64", "UInt64", "Int64", "Int64", "String", "UInt64", "UInt64", "Int64",
}

// AddIncidents stores incidents; of several of the same id the one of the highest version is kept.
func (s *Store) AddIncidents(ctx context.Context, incidents []Incident) error {
	return s.addIncidents(ctx, incidents, nil)
}

func (s *Store) addIncidents(ctx context.Context, incidents []Incident, held []Claim) error {
	rows := make([][]any, len(incidents))
	for n := range incidents {
		i := &incidents[n]
		rows[n] = []any{
			id(i.ID), i.Stream, i.Edge.From, i.Edge.To, string(i.Cause), i.First, i.Last, i.Seconds, i.Windows, i.Bad, i.FirstBad,
			i.Lost, i.Expected, ms(i.OpenedAt), ms(i.Since), i.Text, i.Version, i.Events, i.Hold.Milliseconds(),
		}
	}
	return s.insertHeld(ctx, given{table: "incidents", columns: incidentColumns, types: incidentTypes, storedAt: true, rows: rows}, held)
}

// selectIncidents finds for every incident how far those before it of the same edge and cause reach, and which one reaches furthest. Where ids are asked
// for only what has an edge and a cause of theirs is read.
const selectIncidents = `
SELECT` + incidentColumns + `, reach >= first, cover
FROM (
    SELECT *, max(last) OVER earlier AS reach, argMax(id, (last, -toInt64(toUnixTimestamp(first)))) OVER earlier AS cover
    FROM incidents FINAL
    WHERE ({stream:String} = '' OR stream = {stream:String})
        AND ({byID:UInt8} = 0 OR (stream, edge_from, edge_to, cause) IN (
            SELECT stream, edge_from, edge_to, cause FROM incidents WHERE {byID:UInt8} = 1 AND id IN (SELECT id FROM wanted)
        ))
    WINDOW earlier AS (PARTITION BY stream, edge_from, edge_to, cause ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
WHERE if({byID:UInt8} = 1, id IN (SELECT id FROM wanted) OR {state:String} = 'merged' AND reach >= first AND cover IN (SELECT id FROM wanted),
    reach < first AND ({state:String} = '' OR (bad > 0) = ({state:String} = 'open')))
  AND (first, id) > (toDateTime({afterFirst:UInt32}, 'UTC'), toUUID({afterID:String}))
ORDER BY first, id
LIMIT {limit:UInt64}`

// Incidents returns the incidents asked for, by first window and id.
func (s *Store) Incidents(ctx context.Context, f IncidentFilter) ([]Incident, error) {
	args, err := idList(f.IDs)
	if err != nil {
		return nil, err
	}
	args = args.value("stream", f.Stream).value("state", f.State).value("byID", bit(len(f.IDs) > 0))
	args = args.value("afterFirst", max(0, f.AfterFirst.Unix())).value("afterID", f.AfterID.String()).value("limit", limitOf(f.Limit))
	var found []Incident
	err = s.query(ctx, "read incidents", selectIncidents, args, func(r driver.Rows) error {
		i, err := scanIncident(r)
		found = append(found, i)
		return err
	})
	return found, err
}

func limitOf(limit int) int {
	if limit == 0 {
		return 1_000_000
	}
	return limit
}

func idList(ids []wire.UID) (params, error) {
	rows := make([][]any, len(ids))
	for n, one := range ids {
		rows[n] = []any{id(one)}
	}
	return params{}.table("wanted", [][2]string{{"id", "UUID"}}, rows)
}

func scanIncident(r driver.Rows) (Incident, error) {
	var i Incident
	var own, cover uuid.UUID
	var cause string
	var opened, since, hold int64
	var covered uint8
	err := r.Scan(&own, &i.Stream, &i.Edge.From, &i.Edge.To, &cause, &i.First, &i.Last, &i.Seconds, &i.Windows, &i.Bad, &i.FirstBad,
		&i.Lost, &i.Expected, &opened, &since, &i.Text, &i.Version, &i.Events, &hold, &covered, &cover)
	i.ID, i.Cause, i.OpenedAt, i.Since, i.Hold = uid(own), Cause(cause), at(opened), at(since), time.Duration(hold)*time.Millisecond
	if covered == 1 {
		i.Into = uid(cover)
	}
	return i, err
}

const selectOpenIncidents = `
SELECT` + incidentColumns + `, 0, id
FROM incidents FINAL
WHERE stream IN (SELECT stream FROM wanted) AND cause IN splitByChar(',', {causes:String}) AND bad > 0`

// OpenIncidents returns the incidents of the streams with one of the causes that are stored as open, by stream.
func (s *Store) OpenIncidents(ctx context.Context, streams []string, causes ...Cause) (map[string][]Incident, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(causes))
	for n, cause := range causes {
		names[n] = string(cause)
	}
	found := map[string][]Incident{}
	err = s.query(ctx, "read open incidents", selectOpenIncidents, args.value("causes", strings.Join(names, ",")), func(r driver.Rows) error {
		i, err := scanIncident(r)
		found[i.Stream] = append(found[i.Stream], i)
		return err
	})
	return found, err
}

const selectLatestSettled = `
SELECT stream, edge_from, edge_to, max(start)
FROM verdicts
WHERE stream IN (SELECT stream FROM wanted) AND start >= {from:DateTime('UTC')} AND state IN (1, 4, 5) AND expected > 0
GROUP BY stream, edge_from, edge_to`

// LatestSettled returns, by stream and edge, the start of the last window from an instant on that has events and was ever settled.
func (s *Store) LatestSettled(ctx context.Context, streams []string, from time.Time) (map[string]map[Edge]time.Time, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string]map[Edge]time.Time{}
	err = s.query(ctx, "read the last settled windows", selectLatestSettled, args.value("from", from), func(r driver.Rows) error {
		var stream string
		var e Edge
		var start time.Time
		err := r.Scan(&stream, &e.From, &e.To, &start)
		if found[stream] == nil {
			found[stream] = map[Edge]time.Time{}
		}
		found[stream][e] = start
		return err
	})
	return found, err
}

// AddAck stores that somebody took notice of an incident.
func (s *Store) AddAck(ctx context.Context, a Ack) error {
	return s.insertHeld(ctx, given{
		table: "incident_acks", columns: "incident, at, who, note, version", types: []string{"UUID", "Int64", "String", "String", "UInt64"}, storedAt: true,
		rows: [][]any{{id(a.Incident), ms(a.At), a.Who, a.Note, a.Version}},
	}, nil)
}

const selectAcks = `SELECT incident, at, who, note, version FROM incident_acks WHERE incident IN (SELECT id FROM wanted) ORDER BY incident, at`

// Acks returns who took notice of the incidents, by incident, oldest first.
func (s *Store) Acks(ctx context.Context, incidents []wire.UID) (map[wire.UID][]Ack, error) {
	args, err := idList(incidents)
	if err != nil {
		return nil, err
	}
	found := map[wire.UID][]Ack{}
	err = s.query(ctx, "read acknowledgements", selectAcks, args, func(r driver.Rows) error {
		var a Ack
		var incident uuid.UUID
		var when int64
		err := r.Scan(&incident, &when, &a.Who, &a.Note, &a.Version)
		a.Incident, a.At = uid(incident), at(when)
		found[a.Incident] = append(found[a.Incident], a)
		return err
	})
	return found, err
}
