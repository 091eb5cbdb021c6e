package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	// OldestReport is how many days before now a window may start that a report speaks of, at most: where it is filled in after the fact.
	OldestReport = 30
	// LeastEvidence is how many days what windows are judged from is kept at least: two more, so that what was accepted last is judged with all of it.
	LeastEvidence = OldestReport + 2

	mostDays = 3650 // a DateTime ends in 2106
)

// Retention says how many days what is kept; 0 stands for the default. What would have a window called complete that is not is kept for ever, and
// so in no field: which hops there are, what they come after, emitters and lanes that are not closed, sources, verdicts other than complete,
// incidents that are open.
type Retention struct {
	EvidenceDays      int // rolls by emitter, lanes, announcements, emitters that ended
	WindowsDays       int // rolls of windows, and verdicts that were complete at once and for good
	ForeignDays       int // UIDs that Rollcall did not number
	TalliesDays       int // latencies, outcomes of schemas, reasons
	IncidentsDays     int // incidents since they were resolved, with who acknowledged them
	NotificationsDays int // what receivers were told, and no less than its incident
	SilencesDays      int // silences since they ended
	QuarantineDays    int // what could not be read
}

// term is one field of a Retention.
type term struct {
	name         string // in the configuration
	days         *int
	usual, least int
	why          string // of least
}

func (r *Retention) terms() []term {
	evidence := max(r.EvidenceDays, LeastEvidence)
	judged := "windows are judged from it for that long"
	return []term{
		{"evidenceDays", &r.EvidenceDays, LeastEvidence, LeastEvidence,
			fmt.Sprintf("reports may speak of windows of %d days ago, and a window judged without its evidence could be called complete that is not", OldestReport)},
		{"windowsDays", &r.WindowsDays, max(1830, evidence), evidence, judged},
		{"foreignDays", &r.ForeignDays, max(1830, evidence), evidence, judged},
		{"talliesDays", &r.TalliesDays, max(400, evidence), evidence, judged},
		{"incidentsDays", &r.IncidentsDays, max(400, evidence), evidence, "an incident may grow for that long"},
		{"notificationsDays", &r.NotificationsDays, max(400, evidence), evidence, "who forgot what was told would tell it again"},
		{"silencesDays", &r.SilencesDays, 400, 1, "a silence is a record of who muted what"},
		{"quarantineDays", &r.QuarantineDays, 90, 1, "somebody has to have a chance to look"},
	}
}

// WithDefaults returns r with the defaults filled in.
func (r Retention) WithDefaults() Retention {
	for _, t := range r.terms() {
		if *t.days == 0 {
			*t.days = t.usual
		}
	}
	return r
}

// Check refuses terms by which something would be said that is not so. Its error names the field, the value and the limit.
func (r Retention) Check() error {
	for _, t := range r.terms() {
		switch days := *t.days; {
		case days == 0:
		case days < t.least:
			return fmt.Errorf("retention.%s: %d is too short, give at least %d: %s", t.name, days, t.least, t.why)
		case days > mostDays:
			return fmt.Errorf("retention.%s: %d is too long, give at most %d", t.name, days, mostDays)
		}
	}
	return nil
}

// expiry is what expires of one table by what each row says of itself. Rows of one key may lie in parts that are never merged: so only
// that may expire here whose going brings no older row of its key back.
type expiry struct{ table, ttl string }

// instantOf is the SQL of a DateTime of Unix ms, which senders may state any: far beyond now it stands still, where days can still be added.
func instantOf(ms string) string {
	return "toDateTime(least(intDiv(" + ms + ", 1000), 3900000000), 'UTC')"
}

func (r Retention) expiries() []expiry {
	days := func(from string, days int) string { return from + " + toIntervalDay(" + strconv.Itoa(days) + ")" }
	return []expiry{
		{"rolls", days("start", r.EvidenceDays)},
		{"announced", days("start", r.EvidenceDays)},
		// That a dead emitter was ended must be known for as long as the emitter is. A clock that is behind states instants of long ago.
		{"lanes", days(instantOf("greatest(top, received_at)"), r.EvidenceDays) + " DELETE WHERE ended = 0"},
		{"window_rolls", days("start", r.WindowsDays)},
		// Of a window that ever was anything else every revision is kept, or an older one would hold again.
		{"verdicts", days("start", r.WindowsDays) + " DELETE WHERE (state = 1) AND (revision = 1)"},
		{"uid_counts", days("start", r.ForeignDays)},
		{"tallies", days("start", r.TalliesDays)},
		{"quarantine", days(instantOf("at"), r.QuarantineDays)},
	}
}

const selectExpiry = `
SELECT extract(engine_full, ' TTL (.*) SETTINGS '),
    extract(formatQuerySingleLine(concat('CREATE TABLE t (x UInt8) ENGINE = MergeTree ORDER BY x TTL ', {ttl:String}, ' SETTINGS x = 1')), ' TTL (.*) SETTINGS ')
FROM system.tables
WHERE database = currentDatabase() AND name = {table:String}`

// Expire has the tables expire as r says, where they do not yet, and returns the tables it changed. What has expired goes when ClickHouse next merges.
func (s *Store) Expire(ctx context.Context, r Retention) ([]string, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	var changed []string
	for _, e := range r.WithDefaults().expiries() {
		var is, wanted string
		args := params{}.value("ttl", e.ttl).value("table", e.table)
		err := s.query(ctx, "read when "+e.table+" expires", selectExpiry, args, func(rows driver.Rows) error { return rows.Scan(&is, &wanted) })
		if err != nil {
			return changed, err
		}
		if is == wanted && wanted != "" {
			continue
		}
		if err := s.exec(ctx, "set when "+e.table+" expires", "ALTER TABLE "+e.table+" MODIFY TTL "+e.ttl); err != nil {
			return changed, err
		}
		changed = append(changed, e.table)
	}
	return changed, nil
}
