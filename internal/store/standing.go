package store

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Issue is what came of looking whether there is something to be issued of an hour.
type Issue struct {
	Hour   Hour         // as it stands; its state is 0 where nothing is known of it
	Action string       // of the entry that was issued; empty where none was
	Last   *Certificate // the last entry of the hour, that which was issued included; nil where there is none
}

// Stands says whether the hour has a certificate that holds.
func (i *Issue) Stands() bool { return i.Last != nil && i.Last.Action != "revoke" }

// What stands in the way of a certificate of an hour and says nothing bad of it.
const (
	BarEdges    = "edges-not-set" // an edge nobody ever reported cannot be discovered
	BarRunning  = "running"
	BarSettling = "settling"
)

// EventBars are the kinds of events that stand in the way of a certificate.
func EventBars() []string { return []string{"lost", "corrupt", "rejected", "duplicated", "unplaced"} }

// Bad is how many events of the hour are of a kind that stands in the way of a certificate, and how many of these are waived; of other bars none are.
func (h *Hour) Bad(bar string) (events, waived uint64) {
	switch bar {
	case "lost":
		return h.Lost, h.Waived.Lost
	case "corrupt":
		return h.Corrupt, h.Waived.Corrupt
	case "rejected":
		return h.Rejected, h.Waived.Rejected
	case "duplicated":
		return h.Duplicated, h.Waived.Duplicated
	case "unplaced":
		return h.Unplaced, h.Waived.Unplaced
	}
	return 0, 0
}

// SettledBars are what stands in the way of a certificate, but for what time alone may take away and what says nothing of the hour.
func (h *Hour) SettledBars() []string {
	return slices.DeleteFunc(slices.Clone(h.Bars), func(bar string) bool { return bar == BarEdges || bar == BarRunning || bar == BarSettling })
}

const selectLastCertificate = `
SELECT ` + certificateColumns + `
FROM certificates FINAL
WHERE stream = {stream:String} AND hour = {hour:DateTime('UTC')}
ORDER BY number DESC
LIMIT 1`

// LastCertificate returns the last entry of an hour, which says how the hour stands. It is false where there is none.
func (s *Store) LastCertificate(ctx context.Context, stream string, hour time.Time) (Certificate, bool, error) {
	var last Certificate
	found := false
	args := params{}.value("stream", stream).value("hour", hour)
	err := s.query(ctx, "read the certificate of an hour", selectLastCertificate, args, func(r driver.Rows) error {
		var err error
		last, err = scanCertificate(r)
		found = true
		return err
	})
	return last, found, err
}

// Standing is the last entry of an hour, in short.
type Standing struct {
	Number uint64
	Action string // certify, supersede, revoke
}

const selectStandings = `
SELECT stream, hour, max(number), argMax(action, number)
FROM certificates
WHERE stream IN (SELECT stream FROM wanted) AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
GROUP BY stream, hour`

// LastEntries returns, by hour, the last entry of the streams' hours in [from, to); of those that have one.
func (s *Store) LastEntries(ctx context.Context, streams []string, from, to time.Time) (map[WindowKey]Standing, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[WindowKey]Standing{}
	err = s.query(ctx, "read which hours are certified", selectStandings, args.value("from", from).value("to", to), func(r driver.Rows) error {
		var k WindowKey
		var last Standing
		err := r.Scan(&k.Stream, &k.Start, &last.Number, &last.Action)
		k.Start = k.Start.UTC()
		found[k] = last
		return err
	})
	return found, err
}

// Standings returns the actions of LastEntries.
func (s *Store) Standings(ctx context.Context, streams []string, from, to time.Time) (map[WindowKey]string, error) {
	entries, err := s.LastEntries(ctx, streams, from, to)
	found := make(map[WindowKey]string, len(entries))
	for k, last := range entries {
		found[k] = last.Action
	}
	return found, err
}

const selectCertifiedUntil = `
SELECT
    stream, min(hour) AS first, arraySort(groupArrayIf(hour, last != 'revoke')) AS good,
    arrayFirstIndex((h, i) -> h != first + toIntervalHour(i - 1), good, arrayEnumerate(good)) AS gap,
    first + toIntervalHour(if(gap = 0, length(good), gap - 1))
FROM (SELECT stream, hour, argMax(action, number) AS last FROM certificates WHERE hour >= {from:DateTime('UTC')} GROUP BY stream, hour)
GROUP BY stream`

// CertifiedUntil returns, by stream, the end of its last certified hour before which every hour is certified too, from the first one on that has an
// entry and starts at from or later; that hour's start where it stands revoked. Of streams that have no entry it says nothing.
func (s *Store) CertifiedUntil(ctx context.Context, from time.Time) (map[string]time.Time, error) {
	found := map[string]time.Time{}
	err := s.query(ctx, "read until when streams are certified", selectCertifiedUntil, params{}.value("from", from), func(r driver.Rows) error {
		var stream string
		var first, until time.Time
		var good []time.Time
		var gap uint32
		err := r.Scan(&stream, &first, &good, &gap, &until)
		found[stream] = until.UTC()
		return err
	})
	return found, err
}

// ChangedHour is an hour of which a verdict or a certificate was stored.
type ChangedHour struct {
	WindowKey
	StoredAt time.Time // the latest of these, by the server's clock
	Print    uint64    // of all of these: another one, be it stored earlier, changes it
}

const selectChangedHours = `
SELECT stream, hour, max(stored), sum(print)
FROM (
    SELECT stream, toStartOfHour(start) AS hour, stored_at AS stored, cityHash64(start, edge_from, edge_to, revision, stored_at) AS print
    FROM verdicts WHERE stored_at >= {since:Int64}
    UNION ALL
    SELECT stream, hour, toUnixTimestamp64Milli(stored_at) AS stored, cityHash64(number, stored_at) AS print
    FROM certificates WHERE stored_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
)
GROUP BY stream, hour
ORDER BY max(stored), stream, hour`

// ChangedHours returns the hours of which a verdict or a certificate was stored from an instant of the server's clock on, the oldest change
// first. A row becomes visible a moment after its instant, so that who follows must look back further than the last one seen.
func (s *Store) ChangedHours(ctx context.Context, since time.Time) ([]ChangedHour, error) {
	var found []ChangedHour
	err := s.query(ctx, "read hours that changed", selectChangedHours, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var c ChangedHour
		var stored int64
		err := r.Scan(&c.Stream, &c.Start, &stored, &c.Print)
		c.Start, c.StoredAt = c.Start.UTC(), at(stored)
		found = append(found, c)
		return err
	})
	return found, err
}

const selectCertifiedUpTo = `SELECT share, max(up_to) FROM certified GROUP BY share`

// CertifiedUpTo returns, by share, up to which instant of the server's clock changes were looked at for certificates.
func (s *Store) CertifiedUpTo(ctx context.Context) (map[uint32]time.Time, error) {
	found := map[uint32]time.Time{}
	err := s.query(ctx, "read how far hours were looked at", selectCertifiedUpTo, params{}, func(r driver.Rows) error {
		var share uint32
		var upTo int64
		err := r.Scan(&share, &upTo)
		found[share] = at(upTo)
		return err
	})
	return found, err
}

// SetCertifiedUpTo stores up to which instant the changes of shares were looked at; an earlier one than before changes nothing.
func (s *Store) SetCertifiedUpTo(ctx context.Context, upTo map[uint32]time.Time) error {
	rows := make([][]any, 0, len(upTo))
	for share, at := range upTo {
		rows = append(rows, []any{share, at.UnixMilli()})
	}
	return s.insert(ctx, "certified", rows)
}

// reportsAfter is how long after an hour's end reports that mention it are counted in its coverage.
const reportsAfter = 24 * time.Hour

const selectCoverage = `
SELECT uniqExact(hop, epoch, emitter), uniqExactArray(arrayMap(l -> (hop, l), mapKeys(lanes)))
FROM lanes
WHERE stream = {stream:String} AND top >= {since:Int64} AND top < {until:Int64}
    AND arrayExists(w -> w >= {from:DateTime('UTC')} AND w < {to:DateTime('UTC')}, windows)`

// Coverage is what the windows of a range rest on.
type Coverage struct {
	Emitters uint64 // that mention one of the windows
	Lanes    uint64 // that their reports state
}

// Coverage counts who speaks of the windows that start in [from, to), in reports of until a day later.
func (s *Store) Coverage(ctx context.Context, stream string, from, to time.Time) (Coverage, error) {
	var c Coverage
	args := params{}.value("stream", stream).value("from", from).value("to", to)
	args = args.value("since", from.UnixMilli()).value("until", to.Add(reportsAfter).UnixMilli())
	err := s.query(ctx, "count who speaks of an hour", selectCoverage, args, func(r driver.Rows) error {
		return r.Scan(&c.Emitters, &c.Lanes)
	})
	return c, err
}
