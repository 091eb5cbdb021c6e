package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Certificate is an entry of a stream's chain that counts, as it was copied from the topic that decides.
type Certificate struct {
	Stream         string
	Number         uint64
	Hour           time.Time
	Action         string // certify, supersede, revoke
	Previous, Hash [32]byte
	Key            [32]byte // id of the key that signed it
	IssuedAt       time.Time
	IssuedBy       string
	Reason         string
	Envelope       []byte
	Partition      int32
	Offset         int64
}

// AddCertificates stores entries; the same ones again change nothing.
func (s *Store) AddCertificates(ctx context.Context, entries []Certificate) error {
	if len(entries) == 0 {
		return nil
	}
	rows := make([][]any, len(entries))
	for i := range entries {
		c := &entries[i]
		rows[i] = []any{
			c.Stream, c.Number, c.Hour, c.Action, c.Previous[:], c.Hash[:], c.Key[:], ms(c.IssuedAt), c.IssuedBy, c.Reason, string(c.Envelope), c.Partition, c.Offset,
		}
	}
	return s.insert(ctx, "certificates (stream, number, hour, action, previous, hash, key, issued_at, issued_by, reason, envelope, part, position)", rows)
}

// CertificateHead is the last entry of a stream that counts.
type CertificateHead struct {
	Number uint64 // 0: there is none
	Hash   [32]byte
}

const selectCertificateHead = `
SELECT number, hash
FROM certificates
WHERE stream = {stream:String} AND part = {part:Int32} AND position < {before:Int64}
ORDER BY number DESC
LIMIT 1`

// CertificateHead returns the last entry of a stream of which the copy is of a place before an offset of its partition. Other servers may have copied what
// comes later.
func (s *Store) CertificateHead(ctx context.Context, stream string, partition int32, before int64) (CertificateHead, error) {
	args := params{}.value("stream", stream).value("part", partition).value("before", before)
	var head CertificateHead
	err := s.query(ctx, "read the head of a chain", selectCertificateHead, args, func(r driver.Rows) error {
		var hash string
		err := r.Scan(&head.Number, &hash)
		copy(head.Hash[:], hash)
		return err
	})
	return head, err
}

// CertificatePlace is where the copy of a partition ends.
type CertificatePlace struct {
	Offset int64 // of the last entry copied
	Hash   [32]byte
}

const selectCertificatePlaces = `SELECT part, max(position), argMax(hash, position) FROM certificates GROUP BY part`

// CertificatePlaces returns, of those partitions of which any entry is copied, where the copy ends.
func (s *Store) CertificatePlaces(ctx context.Context) (map[int32]CertificatePlace, error) {
	found := map[int32]CertificatePlace{}
	err := s.query(ctx, "read how far certificates are copied", selectCertificatePlaces, params{}, func(r driver.Rows) error {
		var part int32
		var p CertificatePlace
		var hash string
		err := r.Scan(&part, &p.Offset, &hash)
		copy(p.Hash[:], hash)
		found[part] = p
		return err
	})
	return found, err
}

const certificateColumns = `stream, number, hour, action, previous, hash, key, issued_at, issued_by, reason, envelope, part, position`

const selectCertificateChain = `
SELECT ` + certificateColumns + `
FROM certificates FINAL
WHERE stream = {stream:String} AND number > {after:UInt64}
ORDER BY number
LIMIT {limit:UInt64}`

// CertificateChain returns the entries of a stream after a number, ascending, at most limit.
func (s *Store) CertificateChain(ctx context.Context, stream string, after uint64, limit int) ([]Certificate, error) {
	args := params{}.value("stream", stream).value("after", after).value("limit", limit)
	var found []Certificate
	err := s.query(ctx, "read a chain of certificates", selectCertificateChain, args, func(r driver.Rows) error {
		c, err := scanCertificate(r)
		found = append(found, c)
		return err
	})
	return found, err
}

// CertificateQuery asks for the entries of hours in [From, To), after one of them.
type CertificateQuery struct {
	Stream      string
	From, To    time.Time
	AfterHour   time.Time // with AfterNumber: entries after it by hour and number; zero: all
	AfterNumber uint64
	Limit       int
}

// HourCertificate is an entry with what the last entry of its hour is, which may be itself.
type HourCertificate struct {
	Certificate
	Last       uint64 // its number
	LastAction string
	LastReason string
}

const selectHourCertificates = `
SELECT ` + certificateColumns + `, last, last_action, last_reason
FROM (
    SELECT *, max(number) OVER of_hour AS last, argMax(action, number) OVER of_hour AS last_action, argMax(reason, number) OVER of_hour AS last_reason
    FROM certificates FINAL
    WHERE stream = {stream:String} AND hour >= {from:DateTime('UTC')} AND hour < {to:DateTime('UTC')}
    WINDOW of_hour AS (PARTITION BY hour)
)
WHERE (hour, number) > (toDateTime({afterHour:UInt32}, 'UTC'), {afterNumber:UInt64})
ORDER BY hour, number
LIMIT {limit:UInt64}`

// HourCertificates returns the entries asked for, by hour and number.
func (s *Store) HourCertificates(ctx context.Context, q CertificateQuery) ([]HourCertificate, error) {
	args := params{}.value("stream", q.Stream).value("from", q.From).value("to", q.To).value("limit", limitOf(q.Limit))
	args = args.value("afterHour", max(0, q.AfterHour.Unix())).value("afterNumber", q.AfterNumber)
	var found []HourCertificate
	err := s.query(ctx, "read certificates", selectHourCertificates, args, func(r driver.Rows) error {
		var c HourCertificate
		var err error
		c.Certificate, err = scanCertificate(r, &c.Last, &c.LastAction, &c.LastReason)
		found = append(found, c)
		return err
	})
	return found, err
}

func scanCertificate(r driver.Rows, more ...any) (Certificate, error) {
	var c Certificate
	var previous, hash, key, envelope string
	var issued int64
	err := r.Scan(append([]any{
		&c.Stream, &c.Number, &c.Hour, &c.Action, &previous, &hash, &key, &issued, &c.IssuedBy, &c.Reason, &envelope, &c.Partition, &c.Offset,
	}, more...)...)
	copy(c.Previous[:], previous)
	copy(c.Hash[:], hash)
	copy(c.Key[:], key)
	c.IssuedAt, c.Envelope = at(issued), []byte(envelope)
	return c, err
}
