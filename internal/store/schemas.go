package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// SchemaKey names what one hop said of schemas in one window.
type SchemaKey struct {
	Start time.Time
	Hop   string
}

// SchemaCount is how many events, of all emitters together, had one outcome for one reason.
type SchemaCount struct {
	Outcome             string
	ID, Version, Reason string // empty where Other is set
	Events              uint64
	Other               bool   // the sum of those that are not among the most frequent of their outcome
	Kinds               uint64 // how many are summed; 1 but for Other
}

// HostCount is how many events the invalid rolls name of one host.
type HostCount struct {
	Host   string // empty where nobody said it, and where Other is set
	Events uint64
	Other  bool   // the sum of those that are not among the most frequent
	Kinds  uint64 // how many hosts are summed; 1 but for Other
}

// SchemaFigures is what a hop said of schemas in a window.
type SchemaFigures struct {
	Counts   []SchemaCount // by outcome, the most frequent first
	Sources  []HostCount   // events named invalid by the host of their source; the most frequent first
	Emitters []HostCount   // the same by the host of the emitter that took them over and found them so
}

// stretchOf is the SQL of the start of the stretch of windows in which the window of a column begins: of the window itself where they are not summed.
func stretchOf(column string) string {
	return "toDateTime({origin:Int64} + intDiv(toInt64(toUnixTimestamp(" + column + ")) - {origin:Int64}, {step:Int64}) * {step:Int64}, 'UTC')"
}

// The tallies of one emitter in a window are joined first, by the maximum of each key; then emitters, and windows, are added up.
var joinedSchemas = `
    SELECT ` + stretchOf("window") + ` AS start, hop, kv.1 AS tally, sum(kv.2) AS n
    FROM (
        SELECT tallies.start AS window, hop, epoch, emitter, maxMap(schemas) AS joined
        FROM tallies
        WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
        GROUP BY window, hop, epoch, emitter
    )
    ARRAY JOIN CAST(joined, 'Array(Tuple(String, UInt64))') AS kv
    GROUP BY start, hop, tally
    HAVING n > 0`

var selectSchemaWindows = `
SELECT DISTINCT ` + stretchOf("start") + ` AS stretch
FROM tallies
WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
    AND notEmpty(schemas)
ORDER BY stretch
LIMIT {limit:UInt64}`

var selectSchemaCounts = `
SELECT start, hop, outcome, if(other, '', k[1]) AS id, if(other, '', k[2]) AS version, if(other, '', k[4]) AS reason, other, sum(n) AS events, count() AS kinds
FROM (
    SELECT start, hop, k, k[3] AS outcome, n, row_number() OVER (PARTITION BY start, hop, outcome ORDER BY n DESC, tally) > {top:UInt64} AS other
    FROM (SELECT start, hop, tally, n, JSONExtract(tally, 'Array(String)') AS k FROM (` + joinedSchemas + `))
)
GROUP BY start, hop, outcome, id, version, reason, other
ORDER BY start, hop, outcome, other, events DESC, id, version, reason`

// Hosts of sources are those of the hops that reported them first and name no hop before theirs.
var selectInvalidSources = `
SELECT stretch AS start, hop, host, n
FROM (
    SELECT ` + stretchOf("r.start") + ` AS stretch, r.hop AS hop, s.host AS host, sum(r.c) AS n
    FROM (
        SELECT start, hop, source, groupBitmapMerge(roll) AS c
        FROM window_rolls
        WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
            AND kind = 'invalid'
        GROUP BY start, hop, source
        UNION ALL
        SELECT start, hop, toFixedString('', 16) AS source, uniqExact(uid) AS c
        FROM uid_counts
        WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
            AND invalid > 0
        GROUP BY start, hop
    ) AS r
    LEFT JOIN (
        SELECT source, argMin(host, (reported, hop)) AS host
        FROM (
            SELECT source, hop, max(sources.host) AS host, min(alone) AS reported
            FROM sources
            WHERE stream = {stream:String} AND last >= {from:DateTime('UTC')} AND first < {to:DateTime('UTC')}
            GROUP BY source, hop
            HAVING reported < 9223372036854775807
        )
        GROUP BY source
    ) AS s ON s.source = r.source
    GROUP BY stretch, hop, host
)`

var selectInvalidEmitters = `
SELECT stretch AS start, hop, host, n
FROM (
SELECT ` + stretchOf("r.start") + ` AS stretch, r.hop AS hop, e.host AS host, sum(r.c) AS n
FROM (
    SELECT start, hop, emitter, groupBitmapMerge(roll) AS c
    FROM rolls
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
        AND kind = 'invalid'
    GROUP BY start, hop, epoch, emitter, source
    UNION ALL
    SELECT start, hop, emitter, uniqExact(uid) AS c
    FROM uid_counts
    WHERE stream = {stream:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')} AND ({hop:String} = '' OR hop = {hop:String})
        AND invalid > 0
    GROUP BY start, hop, epoch, emitter
) AS r
LEFT JOIN (
    SELECT hop, emitter, max(emitters.host) AS host FROM emitters WHERE stream = {stream:String} GROUP BY hop, emitter
) AS e ON e.hop = r.hop AND e.emitter = r.emitter
GROUP BY stretch, hop, host
)`

// topHosts keeps the most frequent hosts of each window and hop, and sums the others.
func topHosts(of string) string {
	return `
SELECT start, hop, if(other, '', host) AS named, other, sum(n) AS events, count() AS kinds
FROM (
    SELECT start, hop, host, n, row_number() OVER (PARTITION BY start, hop ORDER BY n DESC, host) > {top:UInt64} AS other
    FROM (` + of + `)
)
GROUP BY start, hop, named, other
ORDER BY start, hop, other, events DESC, named`
}

var selectSchemaVersions = `
SELECT
    hop, if(other, '', id), if(other, '', version), other, min(first), max(last), sum(events), sum(ok), sum(invalid), sum(deprecated), count()
FROM (
    SELECT *, row_number() OVER (ORDER BY events DESC, hop, id, version) > {top:UInt64} AS other
    FROM (
        SELECT hop, k[1] AS id, k[2] AS version, min(start) AS first, max(start) AS last, sum(n) AS events,
            sumIf(n, k[3] = 'OK') AS ok, sumIf(n, k[3] = 'INVALID') AS invalid, sumIf(n, k[3] = 'DEPRECATED') AS deprecated
        FROM (SELECT start, hop, n, JSONExtract(tally, 'Array(String)') AS k FROM (` + joinedSchemas + `))
        GROUP BY hop, id, version
    )
)
GROUP BY hop, if(other, '', id), if(other, '', version), other
ORDER BY other, hop, min(first), max(last), 2, 3`

// SchemaQuery asks for what hops said of schemas in a stream's windows that start in [From, To).
type SchemaQuery struct {
	Stream   string
	Hop      string // empty: every hop
	From, To time.Time
	Top      int // how many of a sort are named; the others are summed

	// Windows that begin within a step from Origin on are told as one; those of a zero Step each by itself.
	Origin time.Time
	Step   time.Duration
}

func (q SchemaQuery) args() params {
	origin, step := int64(0), int64(1)
	if q.Step > 0 {
		origin, step = q.Origin.Unix(), int64(q.Step/time.Second)
	}
	return params{}.value("stream", q.Stream).value("hop", q.Hop).value("from", q.From).value("to", q.To).value("top", q.Top).
		value("origin", origin).value("step", step)
}

// SchemaWindows returns the starts of up to limit windows, or stretches of them, in which schemas were checked, ascending.
func (s *Store) SchemaWindows(ctx context.Context, q SchemaQuery, limit int) ([]time.Time, error) {
	var found []time.Time
	err := s.query(ctx, "read windows with schemas", selectSchemaWindows, q.args().value("limit", limit), func(r driver.Rows) error {
		var start time.Time
		err := r.Scan(&start)
		found = append(found, start.UTC())
		return err
	})
	return found, err
}

// SchemaFigures returns what hops said of schemas, at most Top+1 rows of each outcome, of source hosts and of emitter hosts for each window, or stretch, and hop.
func (s *Store) SchemaFigures(ctx context.Context, q SchemaQuery) (map[SchemaKey]*SchemaFigures, error) {
	found := map[SchemaKey]*SchemaFigures{}
	at := func(start time.Time, hop string) *SchemaFigures {
		k := SchemaKey{start.UTC(), hop}
		if found[k] == nil {
			found[k] = &SchemaFigures{}
		}
		return found[k]
	}
	err := s.query(ctx, "read schema tallies", selectSchemaCounts, q.args(), func(r driver.Rows) error {
		var start time.Time
		var hop string
		var c SchemaCount
		var other uint8
		err := r.Scan(&start, &hop, &c.Outcome, &c.ID, &c.Version, &c.Reason, &other, &c.Events, &c.Kinds)
		c.Other = other != 0
		figures := at(start, hop)
		figures.Counts = append(figures.Counts, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.hosts(ctx, "read where invalid events come from", topHosts(selectInvalidSources), q, func(start time.Time, hop string, c HostCount) {
		at(start, hop).Sources = append(at(start, hop).Sources, c)
	})
	if err != nil {
		return nil, err
	}
	return found, s.hosts(ctx, "read who found events invalid", topHosts(selectInvalidEmitters), q, func(start time.Time, hop string, c HostCount) {
		at(start, hop).Emitters = append(at(start, hop).Emitters, c)
	})
}

func (s *Store) hosts(ctx context.Context, what, sql string, q SchemaQuery, add func(time.Time, string, HostCount)) error {
	return s.query(ctx, what, sql, q.args(), func(r driver.Rows) error {
		var start time.Time
		var hop string
		var c HostCount
		var other uint8
		err := r.Scan(&start, &hop, &c.Host, &other, &c.Events, &c.Kinds)
		c.Other = other != 0
		add(start, hop, c)
		return err
	})
}

// SchemaVersion is one version of a schema as a hop met it.
type SchemaVersion struct {
	Hop, ID, Version        string    // ID and Version are empty where Other is set
	First, Last             time.Time // starts of the first and the last window it appeared in
	Events                  uint64    // checked against it, whatever came of it
	OK, Invalid, Deprecated uint64
	Other                   bool   // the sum of those that are not among the most frequent
	Kinds                   uint64 // how many are summed; 1 but for Other
}

// SchemaVersions returns the Top most frequent versions by hop and first window, and the sum of the others of each hop.
func (s *Store) SchemaVersions(ctx context.Context, q SchemaQuery) ([]SchemaVersion, error) {
	var found []SchemaVersion
	err := s.query(ctx, "read schema versions", selectSchemaVersions, q.args(), func(r driver.Rows) error {
		var v SchemaVersion
		var other uint8
		err := r.Scan(&v.Hop, &v.ID, &v.Version, &other, &v.First, &v.Last, &v.Events, &v.OK, &v.Invalid, &v.Deprecated, &v.Kinds)
		v.First, v.Last, v.Other = v.First.UTC(), v.Last.UTC(), other != 0
		found = append(found, v)
		return err
	})
	return found, err
}
