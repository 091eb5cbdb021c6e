package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// ErrCursor says that a cursor is not one that was returned.
var ErrCursor = errors.New("not a cursor of this list")

// SampleKey is what samples have in common of which only a few are kept.
type SampleKey struct {
	WindowKey
	Hop, Schema, Version, Outcome, Reason string
}

// SampleID names one sample.
type SampleID struct {
	SampleKey
	UID     string
	Emitter wire.UID
}

// SampleIDOf returns what names a sample.
func SampleIDOf(s wire.Sample) SampleID {
	key := SampleKey{WindowKey{s.Stream, s.Window.UTC()}, s.Hop, s.Schema, s.Version, s.Outcome, s.Reason}
	return SampleID{key, s.UID, s.Emitter}
}

// AddSamples stores samples until they expire, and returns nil only when they are durable. The same sample twice is one.
func (s *Store) AddSamples(ctx context.Context, samples []wire.Sample, at, expires time.Time) error {
	rows := make([][]any, len(samples))
	for i := range samples {
		v := &samples[i]
		rows[i] = []any{
			v.Stream, v.Window, v.Hop, v.Schema, v.Version, v.Outcome, v.Reason, v.UID, id(v.Emitter),
			v.Host, v.Seconds, v.At.UnixMilli(), v.Path, v.Payload, bit(v.Cut), at.UTC(), expires.UTC(),
		}
	}
	return s.insert(ctx, "samples", rows)
}

const selectSampleIDs = `
SELECT DISTINCT stream, start, hop, schema, version, outcome, reason, uid, emitter
FROM samples
WHERE (stream, start) IN (SELECT stream, start FROM wanted) AND expires > {now:DateTime('UTC')}`

// SampleIDs returns which samples of the windows are stored and not expired at now.
func (s *Store) SampleIDs(ctx context.Context, windows []WindowKey, now time.Time) ([]SampleID, error) {
	args, err := windowList(windows)
	if err != nil {
		return nil, err
	}
	var found []SampleID
	err = s.query(ctx, "read which samples are stored", selectSampleIDs, args.value("now", now), func(r driver.Rows) error {
		var k SampleID
		var emitter uuid.UUID
		err := r.Scan(&k.Stream, &k.Start, &k.Hop, &k.Schema, &k.Version, &k.Outcome, &k.Reason, &k.UID, &emitter)
		k.Emitter, k.Start = uid(emitter), k.Start.UTC()
		found = append(found, k)
		return err
	})
	return found, err
}

// SampleCount is how many samples of a stream were received.
type SampleCount struct {
	Stream  string
	Known   bool // it has settings or reports
	Samples uint64
}

const selectSampleCounts = `
SELECT stream, n, stream IN (SELECT stream FROM emitters) OR stream IN (SELECT stream FROM streams) AS known
FROM (
    SELECT stream, sum(one) AS n
    FROM (
        SELECT stream, 1 AS one FROM samples WHERE stored_at >= {since:DateTime('UTC')} AND expires > {now:DateTime('UTC')}
        UNION ALL
        SELECT stream, 0 AS one FROM wanted
    )
    GROUP BY stream
)`

// SampleCounts returns how many samples were received since then and are not expired at now, of each stream that has such or is named. One
// that came twice may count twice until the store has joined the two.
func (s *Store) SampleCounts(ctx context.Context, streams []string, since, now time.Time) ([]SampleCount, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	var found []SampleCount
	err = s.query(ctx, "count samples", selectSampleCounts, args.value("since", since).value("now", now), func(r driver.Rows) error {
		var c SampleCount
		var known uint8
		err := r.Scan(&c.Stream, &c.Samples, &known)
		c.Known = known != 0
		found = append(found, c)
		return err
	})
	return found, err
}

// SampleQuery asks for samples of a stream's windows that start in [From, To); an empty field asks for all.
type SampleQuery struct {
	Stream                       string
	From, To, Now                time.Time
	Hop, Schema, Version, Reason string
	After                        string // cursor that Samples returned
	Limit                        int
}

const selectSamples = `
SELECT start, hop, schema, version, outcome, reason, uid, emitter, host, seconds, at, path, payload, cut
FROM samples
WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND expires > {now:DateTime('UTC')}
    AND ({hop:String} = '' OR hop = {hop:String}) AND ({schema:String} = '' OR schema = {schema:String})
    AND ({version:String} = '' OR version = {version:String}) AND ({reason:String} = '' OR reason = {reason:String} OR concat(path, ': ', reason) = {reason:String})
    AND ({first:UInt8} OR (start, hop, schema, version, outcome, reason, uid, emitter) >
        ({a_start:DateTime('UTC')}, {a_hop:String}, {a_schema:String}, {a_version:String}, {a_outcome:String}, {a_reason:String}, {a_uid:String}, toUUID({a_emitter:String})))
ORDER BY start, hop, schema, version, outcome, reason, uid, emitter, at
LIMIT 1 BY start, hop, schema, version, outcome, reason, uid, emitter
LIMIT {limit:UInt64}`

// Samples returns up to Limit samples, ascending by window, hop, schema, version, outcome, reason and UID, and the cursor to go on after; it is
// empty at the end. An After that Samples did not return is an error that wraps ErrCursor.
func (s *Store) Samples(ctx context.Context, q SampleQuery) ([]wire.Sample, string, error) {
	args, err := q.args()
	if err != nil {
		return nil, "", err
	}
	var found []wire.Sample
	err = s.query(ctx, "read samples", selectSamples, args, func(r driver.Rows) error {
		v := wire.Sample{Stream: q.Stream}
		var emitter uuid.UUID
		var checked int64
		var cut uint8
		err := r.Scan(&v.Window, &v.Hop, &v.Schema, &v.Version, &v.Outcome, &v.Reason, &v.UID, &emitter, &v.Host, &v.Seconds, &checked, &v.Path, &v.Payload, &cut)
		v.Emitter, v.At, v.Cut, v.Window = uid(emitter), time.UnixMilli(checked).UTC(), cut != 0, v.Window.UTC()
		found = append(found, v)
		return err
	})
	if err != nil || len(found) <= q.Limit {
		return found, "", err
	}
	found = found[:q.Limit]
	next, err := sampleCursor(found[q.Limit-1])
	return found, next, err
}

func (q SampleQuery) args() (params, error) {
	after, err := readSampleCursor(q.After)
	if err != nil {
		return params{}, err
	}
	args := params{}.value("stream", q.Stream).value("from", q.From).value("to", q.To).value("now", q.Now).value("hop", q.Hop).value("schema", q.Schema)
	args = args.value("version", q.Version).value("reason", q.Reason)
	args = args.value("first", bit(q.After == "")).value("a_start", after.Start).value("a_hop", after.Hop).value("a_schema", after.Schema)
	args = args.value("a_version", after.Version).value("a_outcome", after.Outcome).value("a_reason", after.Reason)
	return args.value("a_uid", after.UID).value("a_emitter", after.Emitter.String()).value("limit", q.Limit+1), nil
}

func sampleCursor(v wire.Sample) (string, error) {
	key, err := json.Marshal([]string{v.Window.Format(time.RFC3339), v.Hop, v.Schema, v.Version, v.Outcome, v.Reason, v.UID, v.Emitter.String()})
	return string(key), err
}

func readSampleCursor(after string) (SampleID, error) {
	k := SampleID{SampleKey: SampleKey{WindowKey: WindowKey{Start: time.Unix(86_400, 0).UTC()}}} // as early as the server reads from text
	if after == "" {
		return k, nil
	}
	var parts []string
	if err := json.Unmarshal([]byte(after), &parts); err != nil || len(parts) != 8 {
		return k, fmt.Errorf("%w: a sample has eight keys", ErrCursor)
	}
	start, err := time.Parse(time.RFC3339, parts[0])
	if err == nil && (start.Year() < 1970 || start.Year() > 2100) {
		err = fmt.Errorf("the year %d", start.Year())
	}
	emitter, wrong := wire.ParseUID(parts[7])
	if err != nil || wrong != nil {
		return k, fmt.Errorf("%w: %w", ErrCursor, errors.Join(err, wrong))
	}
	k.Start, k.Hop, k.Schema, k.Version, k.Outcome, k.Reason, k.UID, k.Emitter = start.UTC(), parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], emitter
	return k, nil
}
