package store

import (
	"context"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Report is a stored report without its rolls: how far its emitter had got, and which windows it mentions.
// An ended entry is a report of the dead emitter, with Ended set and the Carrier that sent it. Instants are Unix ms.
type Report struct {
	Stream     string
	Hop        string
	Emitter    wire.UID
	Carrier    wire.UID // the emitter itself unless Ended
	Number     uint64   // of the carrier
	Digest     uint64   // of the carrier's report
	Ended      bool
	Epoch      uint32
	SentAt     int64
	ReceivedAt int64
	Closed     bool
	LaneCount  uint32
	Lanes      map[string]int64
	Windows    []time.Time
	After      []string
	Idempotent bool
	Host       string
}

const selectReports = `
SELECT
    stream, hop, emitter, carrier, number, digest, ended, epoch, sent_at, min(received_at), any(closed), any(lane_count), argMin(lanes, received_at), any(windows),
    any(after), any(idempotent), any(host)
FROM (
    SELECT *
    FROM lanes
    WHERE stream IN (SELECT stream FROM wanted) AND top >= {behind:Int64} AND (top >= {since:Int64} OR received_at >= {since:Int64} OR ended = 1)
    UNION ALL
    SELECT *
    FROM lanes
    WHERE stream IN (SELECT stream FROM wanted) AND top < {behind:Int64} AND ended = 1
)
GROUP BY stream, hop, emitter, carrier, number, digest, ended, epoch, sent_at`

// mostBehind is how far a sender's clock may be behind for what it says to be found by its receipt. The rows are in the order of what they
// speak of, so that to look for receipts farther back would cost a look at every row of the stream.
const mostBehind = 24 * time.Hour

// received gives a query the instant since, and the one from which on rows are looked at for having been received since.
func received(p params, since time.Time) params {
	return p.value("since", since.UnixMilli()).value("behind", since.UnixMilli()-mostBehind.Milliseconds())
}

// Reports returns the reports of the streams that speak of an instant from since on or were received since, and all ended entries, in no
// order, each once. Those received since matter where a sender's clock is hours behind: all that it says of itself is long ago.
func (s *Store) Reports(ctx context.Context, streams []string, since time.Time) (map[string][]Report, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string][]Report{}
	err = s.query(ctx, "read reports", selectReports, received(args, since), func(r driver.Rows) error {
		var p Report
		var emitter, carrier uuid.UUID
		var ended, closed, idempotent uint8
		err := r.Scan(&p.Stream, &p.Hop, &emitter, &carrier, &p.Number, &p.Digest, &ended, &p.Epoch, &p.SentAt, &p.ReceivedAt, &closed, &p.LaneCount,
			&p.Lanes, &p.Windows, &p.After, &idempotent, &p.Host)
		p.Emitter, p.Carrier, p.Ended, p.Closed, p.Idempotent = uid(emitter), uid(carrier), ended == 1, closed == 1, idempotent == 1
		found[p.Stream] = append(found[p.Stream], p)
		return err
	})
	return found, err
}

const selectUncovered = `
SELECT s.stream, s.source, min(s.first) AS since
FROM (
    SELECT stream, source, hop, min(first) AS first, min(alone) AS alone
    FROM sources
    WHERE (stream, source) IN (
        SELECT s.stream, s.source
        FROM sources AS s
        INNER JOIN wanted AS w ON w.stream = s.stream
        WHERE s.stream IN (SELECT stream FROM wanted) AND s.last >= toDateTime({earliest:UInt32}, 'UTC') AND s.last >= toDateTime(w.horizon, 'UTC')
    )
    GROUP BY stream, source, hop
) AS s
INNER JOIN (
    SELECT e.stream AS stream, e.hop AS hop, min(e.after_since) AS after_since
    FROM hops AS e WHERE stream IN (SELECT stream FROM wanted) GROUP BY stream, hop
) AS h ON h.stream = s.stream AND h.hop = s.hop
LEFT JOIN not_first AS n ON n.stream = s.stream AND n.hop = s.hop
INNER JOIN wanted AS w ON w.stream = s.stream
GROUP BY s.stream, s.source
HAVING countIf(n.hop = '' AND s.alone < {never:Int64} AND s.alone + w.reach <= h.after_since) = 0
SETTINGS optimize_aggregation_in_order = 1`

// Uncovered is a source that some hop saw and that no report covers; see docs/adr/003-closing-protocol.md, section 2.
type Uncovered struct {
	Source wire.UID
	Since  time.Time // first window it was seen in
}

// UncoveredQuery asks for the uncovered sources of a stream.
type UncoveredQuery struct {
	Stream   string
	Reach    time.Duration // window length and grace: a report with a hop before it, sent later than start + Reach, leaves the hop first
	NotFirst []string      // hops that required edges lead to
	Horizon  time.Time     // sources seen only in windows before it are left out; zero: none is
}

// UncoveredSources returns the uncovered sources by stream.
func (s *Store) UncoveredSources(ctx context.Context, queries []UncoveredQuery) (map[string][]Uncovered, error) {
	var wanted, notFirst [][]any
	earliest := int64(math.MaxUint32)
	for _, q := range queries {
		horizon := max(0, q.Horizon.Unix())
		earliest = min(earliest, horizon)
		wanted = append(wanted, []any{q.Stream, q.Reach.Milliseconds(), uint32(horizon)})
		for _, hop := range q.NotFirst {
			notFirst = append(notFirst, []any{q.Stream, hop})
		}
	}
	args, err := params{}.table("wanted", [][2]string{{"stream", "String"}, {"reach", "Int64"}, {"horizon", "UInt32"}}, wanted)
	if err != nil {
		return nil, err
	}
	args, err = args.table("not_first", [][2]string{{"stream", "String"}, {"hop", "String"}}, notFirst)
	if err != nil {
		return nil, err
	}
	found := map[string][]Uncovered{}
	args = args.value("never", int64(never)).value("earliest", earliest)
	err = s.query(ctx, "read uncovered sources", selectUncovered, args, func(r driver.Rows) error {
		var stream, source string
		var u Uncovered
		err := r.Scan(&stream, &source, &u.Since)
		copy(u.Source[:], source)
		found[stream] = append(found[stream], u)
		return err
	})
	return found, err
}

// Progress is how far a stream was examined: a window from Earliest and before Examined without a stored verdict is
// complete and empty, or has no edge; only a report sent before the window's end and Reach can change that.
type Progress struct {
	Stream    string
	Earliest  time.Time // the earliest window mentioned
	Examined  time.Time // zero when nothing was, or when windows before the earliest then known have come up since
	Reach     time.Duration
	Uncovered int64 // fingerprint of the uncovered sources; 0 when there are none
	at        int64 // when it was stored, Unix ms: what is stored after it is later
}

const selectProgress = `
SELECT e.stream, e.earliest, if(p.earliest > e.earliest, 0, p.examined), p.reach, p.uncovered, p.at
FROM (
    SELECT stream, min(first_window) AS earliest FROM hops WHERE stream IN (SELECT stream FROM wanted) GROUP BY stream
) AS e
LEFT JOIN (SELECT * FROM progress FINAL WHERE stream IN (SELECT stream FROM wanted)) AS p ON p.stream = e.stream`

// ProgressOf returns the progress of the streams that have reports, by stream.
func (s *Store) ProgressOf(ctx context.Context, streams []string) (map[string]Progress, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := map[string]Progress{}
	err = s.query(ctx, "read progress", selectProgress, args, func(r driver.Rows) error {
		var p Progress
		var earliest, examined, reach int64
		err := r.Scan(&p.Stream, &earliest, &examined, &reach, &p.Uncovered, &p.at)
		p.Earliest, p.Examined, p.Reach = at(earliest), at(examined), time.Duration(reach)*time.Millisecond
		found[p.Stream] = p
		return err
	})
	return found, err
}

// SetProgress stores how far streams were examined at now.
func (s *Store) SetProgress(ctx context.Context, progress []Progress, now time.Time) error {
	return s.insert(ctx, "progress", progressRows(progress, now))
}

func progressRows(progress []Progress, now time.Time) [][]any {
	rows := make([][]any, len(progress))
	for i, p := range progress {
		rows[i] = []any{p.Stream, ms(p.Earliest), ms(p.Examined), p.Reach.Milliseconds(), p.Uncovered, max(now.UnixMilli(), p.at+1)}
	}
	return rows
}

const selectStreamNames = `
SELECT stream FROM (SELECT DISTINCT toString(stream) AS stream FROM hops UNION DISTINCT SELECT stream FROM streams) ORDER BY stream`

// StreamNames returns the streams that have reports or settings, in order.
func (s *Store) StreamNames(ctx context.Context) ([]string, error) {
	var names []string
	err := s.query(ctx, "list streams", selectStreamNames, params{}, func(r driver.Rows) error {
		var name string
		err := r.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}
