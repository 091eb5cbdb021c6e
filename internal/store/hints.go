package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Hint is one thing that the events of an incident have in common, with what shows it.
type Hint struct {
	Kind     string  // "host", "emitter", "lane", "schema", "since"
	Name     string  // of the host, the emitter …
	Short    string  // what a line of text ends with, as "web-17 only"
	Evidence string  // a sentence with the numbers
	Events   uint64  // of the incident's events, how many it accounts for
	Of       uint64  // the incident's events that were looked at
	Share    float64 // of all events, those of the same host, emitter … : what chance alone would give it
}

// Weight is how much more of the incident's events the hint accounts for than chance would.
func (h *Hint) Weight() float64 { return float64(h.Events)/float64(max(h.Of, 1)) - h.Share }

// SchemaOutcome names an outcome of checking events against a schema.
type SchemaOutcome struct{ ID, Version, Outcome, Reason string }

const selectOutcomes = `
SELECT sumMap(counts)
FROM (
    SELECT maxMap(schemas) AS counts
    FROM tallies
    WHERE stream = {stream:String} AND hop = {hop:String} AND start >= {from:DateTime('UTC')} AND start < {to:DateTime('UTC')}
    GROUP BY start, epoch, emitter
)`

// SchemaOutcomes returns how the events that a hop checked in the windows that start in [from, to) came out.
func (s *Store) SchemaOutcomes(ctx context.Context, stream, hop string, from, to time.Time) (map[SchemaOutcome]uint64, error) {
	args := params{}.value("stream", stream).value("hop", hop).value("from", from).value("to", to)
	found := map[SchemaOutcome]uint64{}
	err := s.query(ctx, "read outcomes of schemas", selectOutcomes, args, func(r driver.Rows) error {
		var counts map[string]uint64
		if err := r.Scan(&counts); err != nil {
			return err
		}
		for text, n := range counts {
			var key [4]string
			if err := json.Unmarshal([]byte(text), &key); err != nil {
				return err
			}
			found[SchemaOutcome{key[0], key[1], key[2], key[3]}] += n
		}
		return nil
	})
	return found, err
}
