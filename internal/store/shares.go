package store

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Shares is into how many shares the streams are parted, so that several processes may judge them. It is kept for ever: processes that
// part the streams otherwise would not see each other's claims.
const Shares = 16

// ShareOf is the share a stream belongs to; shareOf is the same in SQL.
func ShareOf(stream string) uint32 { return crc32.ChecksumIEEE([]byte(stream)) % Shares }

const shareOf = `CRC32(stream) % 16`

// Claim says that its owner judges the streams of a share, until somebody else claims it.
type Claim struct {
	Share uint32
	Token uint64 // of this claim alone
}

const insertClaims = `
INSERT INTO claims
SELECT w.share, (tupleElement(c.last, 1) + 1, {token:UInt64})
FROM wanted AS w
LEFT JOIN (SELECT share, max(latest) AS last FROM claims GROUP BY share) AS c ON c.share = w.share`

// heldShares are those of the external table held that nobody claimed since. A statement that writes as a judge does asks for them itself, so
// that nothing lies between the question and the writing that a process could be stopped in.
const heldShares = `
SELECT h.share
FROM held AS h
INNER JOIN (SELECT share, max(latest) AS last FROM claims GROUP BY share) AS c ON c.share = h.share
WHERE tupleElement(c.last, 2) = h.token`

// Claim takes the shares from whoever has them, and returns when nothing that was begun under an older claim is still being written.
func (s *Store) Claim(ctx context.Context, shares []uint32) ([]Claim, error) {
	if len(shares) == 0 {
		return nil, nil
	}
	claims, rows := make([]Claim, len(shares)), make([][]any, len(shares))
	token := rand.Uint64()
	for i, share := range shares {
		claims[i], rows[i] = Claim{share, token}, []any{share}
	}
	args, err := params{}.table("wanted", [][2]string{{"share", "UInt32"}}, rows)
	if err != nil {
		return nil, err
	}
	if err := s.conn.Exec(args.value("token", token).context(ctx), insertClaims); err != nil {
		return nil, wrap("claim shares of the streams", err)
	}
	return claims, s.awaitHeld(ctx)
}

// Lost returns those of the claims that somebody else's have overruled.
func (s *Store) Lost(ctx context.Context, claims []Claim) ([]Claim, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	args, err := params{}.held(claims)
	if err != nil {
		return nil, err
	}
	lost := map[uint32]Claim{}
	for _, c := range claims {
		lost[c.Share] = c
	}
	err = s.query(ctx, "read claims", heldShares, args, func(r driver.Rows) error {
		var share uint32
		err := r.Scan(&share)
		delete(lost, share)
		return err
	})
	found := make([]Claim, 0, len(lost))
	for _, c := range lost {
		found = append(found, c)
	}
	return found, err
}

func (p params) held(claims []Claim) (params, error) {
	rows := make([][]any, len(claims))
	for i, c := range claims {
		rows[i] = []any{c.Share, c.Token}
	}
	return p.table("held", [][2]string{{"share", "UInt32"}, {"token", "UInt64"}}, rows)
}

// heldQuery begins the query ids of the statements that ask for heldShares.
const heldQuery = "rollcall-held-"

func heldContext(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithQueryID(fmt.Sprintf("%s%016x%016x", heldQuery, rand.Uint64(), rand.Uint64())))
}

const (
	awaitStep  = 20 * time.Millisecond
	awaitLimit = 3 * time.Second
)

const selectHeldQueries = `
SELECT query_id FROM system.processes WHERE startsWith(query_id, '` + heldQuery + `') AND current_database = currentDatabase()`

// awaitHeld waits for the statements that may have asked for their shares before a claim was made and have not ended. It gives up after a
// while: a statement that takes so long waits for its rows, and asks after it has them.
func (s *Store) awaitHeld(ctx context.Context) error {
	before, err := s.heldQueries(ctx)
	if err != nil || len(before) == 0 {
		return err
	}
	tick, limit := time.NewTicker(awaitStep), time.NewTimer(awaitLimit)
	defer tick.Stop()
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return nil
		case <-tick.C:
		}
		now, err := s.heldQueries(ctx)
		if err != nil || !overlap(before, now) {
			return err
		}
	}
}

func (s *Store) heldQueries(ctx context.Context) (map[string]bool, error) {
	found := map[string]bool{}
	err := s.query(ctx, "read what is being written", selectHeldQueries, params{}, func(r driver.Rows) error {
		var id string
		err := r.Scan(&id)
		found[id] = true
		return err
	})
	return found, err
}

func overlap(a, b map[string]bool) bool {
	for id := range a {
		if b[id] {
			return true
		}
	}
	return false
}

// given are rows for a table. Columns are a list as in SQL, types those of the columns.
type given struct {
	table, columns string
	types          []string
	storedAt       bool // the table has a column stored_at besides, for the server's clock
	rows           [][]any
}

// insertHeld stores those rows whose stream is in a share held; with nil for held all rows. It returns nil only after the server
// stored them.
func (s *Store) insertHeld(ctx context.Context, g given, held []Claim) error {
	if len(g.rows) == 0 || held != nil && len(held) == 0 {
		return nil
	}
	names := strings.Split(g.columns, ",")
	columns := make([][2]string, len(names))
	for i, name := range names {
		columns[i] = [2]string{strings.TrimSpace(name), g.types[i]}
	}
	args, err := params{}.table("given", columns, g.rows)
	if err != nil {
		return err
	}
	where := ""
	if held != nil {
		where = "\nWHERE " + shareOf + " IN (" + heldShares + ")"
		if args, err = args.held(held); err != nil {
			return err
		}
	}
	into, from := g.columns, g.columns
	if g.storedAt {
		into, from = into+", stored_at", from+", toUnixTimestamp64Milli(now64(3))"
	}
	sql := "INSERT INTO " + g.table + " (" + into + ")\nSELECT " + from + "\nFROM given" + where
	return wrap("insert into "+g.table, s.conn.Exec(args.context(heldContext(ctx)), sql))
}
