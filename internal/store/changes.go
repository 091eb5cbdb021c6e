package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Changes are verdicts and incidents that are not as they were, each as it is now, entries of the chains of certificates that are new, and watermarks that
// stepped back.
type Changes struct {
	Verdicts     []Verdict
	Incidents    []Incident
	Certificates []Certificate // without their envelopes; of one stream ascending by number
	Back         []WatermarkMove
}

// Changed is a verdict with the instant the server stored it.
type Changed struct {
	Verdict
	StoredAt time.Time
}

const selectChanged = `
SELECT` + verdictColumns + `, stored_at
FROM verdicts
WHERE stored_at >= {since:Int64}
ORDER BY stored_at, decided_at`

// ChangedSince returns the verdicts stored from an instant of the server's clock on, the oldest first. A verdict becomes visible a moment
// after its instant, so that who follows them must look back further than the last one seen.
func (s *Store) ChangedSince(ctx context.Context, since time.Time) ([]Changed, error) {
	var found []Changed
	err := s.query(ctx, "read changed verdicts", selectChanged, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var stored int64
		v, err := scanVerdict(r, &stored)
		found = append(found, Changed{v, at(stored)})
		return err
	})
	return found, err
}

// Touch says that an incident, or what people said of it, was stored at an instant of the server's clock.
type Touch struct {
	Incident wire.UID
	StoredAt time.Time
	Rows     uint64 // stored at that instant
}

const selectTouched = `
SELECT id, stored_at, count()
FROM (
    SELECT id, stored_at FROM incidents WHERE stored_at >= {since:Int64}
    UNION ALL
    SELECT incident, stored_at FROM incident_acks WHERE stored_at >= {since:Int64}
)
GROUP BY id, stored_at
ORDER BY stored_at, id`

// TouchedSince returns which incidents were stored or acknowledged from an instant of the server's clock on, as ChangedSince does verdicts.
func (s *Store) TouchedSince(ctx context.Context, since time.Time) ([]Touch, error) {
	var found []Touch
	err := s.query(ctx, "read changed incidents", selectTouched, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var t Touch
		var incident uuid.UUID
		var stored int64
		err := r.Scan(&incident, &stored, &t.Rows)
		t.Incident, t.StoredAt = uid(incident), at(stored)
		found = append(found, t)
		return err
	})
	return found, err
}

// ChangedCertificate is an entry, without its envelope, with the instant the server stored a copy of it.
type ChangedCertificate struct {
	Certificate
	StoredAt time.Time
}

const selectChangedCertificates = `
SELECT stream, number, hour, action, issued_at, issued_by, reason, toUnixTimestamp64Milli(stored_at)
FROM certificates
WHERE stored_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY stream, number, stored_at`

// CertificatesSince returns the entries of chains stored from an instant of the server's clock on, as ChangedSince does verdicts. An entry that more
// than one server copied may come once for each.
func (s *Store) CertificatesSince(ctx context.Context, since time.Time) ([]ChangedCertificate, error) {
	var found []ChangedCertificate
	err := s.query(ctx, "read new certificates", selectChangedCertificates, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var c ChangedCertificate
		var issued, stored int64
		err := r.Scan(&c.Stream, &c.Number, &c.Hour, &c.Action, &issued, &c.IssuedBy, &c.Reason, &stored)
		c.Hour, c.IssuedAt, c.StoredAt = c.Hour.UTC(), at(issued), at(stored)
		found = append(found, c)
		return err
	})
	return found, err
}

// ChangedWatermark is a move of a watermark with the instant the server stored it.
type ChangedWatermark struct {
	WatermarkMove
	StoredAt time.Time
}

const selectBackSince = `
SELECT ` + watermarkColumns + `, stored_at
FROM watermarks
WHERE stored_at >= {since:Int64} AND watermark < previous
ORDER BY stored_at, stream, at`

// BackSince returns how watermarks stepped back, of what was stored from an instant of the server's clock on, as ChangedSince does verdicts.
func (s *Store) BackSince(ctx context.Context, since time.Time) ([]ChangedWatermark, error) {
	var found []ChangedWatermark
	err := s.query(ctx, "read watermarks that stepped back", selectBackSince, params{}.value("since", since.UnixMilli()), func(r driver.Rows) error {
		var stored int64
		m, err := scanMove(r, &stored)
		found = append(found, ChangedWatermark{m, at(stored)})
		return err
	})
	return found, err
}

const selectNow = `SELECT toUnixTimestamp64Milli(now64(3))`

// Now returns the server's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now int64
	err := s.query(ctx, "ask the time", selectNow, params{}, func(r driver.Rows) error { return r.Scan(&now) })
	return at(now), err
}
