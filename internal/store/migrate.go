package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"
)

const (
	lockTable      = "migration_lock"
	lockExpiry     = 60 * time.Second
	codeTableThere = 57 // TABLE_ALREADY_EXISTS
)

const createMigrations = `
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    at   DateTime('UTC') DEFAULT now(),
    sum  String COMMENT 'SHA-256 of the statement'
)
ENGINE = ReplacingMergeTree
ORDER BY name`

// Migrate applies the statements of files that were not applied yet, in the order of
// their names, and returns their names. One process migrates at a time: the
// lock is a table, since creating one is atomic; a lock left by a dead process
// ends after a minute. Every statement is idempotent, so a step that was
// applied but not written down is applied again. A database to which a
// statement of the same name but another text was applied is refused.
func (s *Store) Migrate(ctx context.Context, files fs.FS) ([]string, error) {
	if err := s.lockMigrations(ctx); err != nil {
		return nil, err
	}
	applied, err := s.migrate(ctx, files)
	return applied, errors.Join(err, s.exec(ctx, "release the migration lock", "DROP TABLE IF EXISTS "+lockTable))
}

func (s *Store) migrate(ctx context.Context, files fs.FS) ([]string, error) {
	if err := s.exec(ctx, "create the table of migrations", createMigrations); err != nil {
		return nil, err
	}
	if err := s.exec(ctx, "bring up the table of migrations", "ALTER TABLE migrations ADD COLUMN IF NOT EXISTS sum String"); err != nil {
		return nil, err
	}
	done := map[string]string{}
	err := s.query(ctx, "read migrations", "SELECT name, max(sum) FROM migrations GROUP BY name", params{}, func(r driver.Rows) error {
		var name, sum string
		err := r.Scan(&name, &sum)
		done[name] = sum
		return err
	})
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("store: list migrations: %w", err)
	}
	sort.Strings(names)
	return s.apply(ctx, files, names, done)
}

func (s *Store) apply(ctx context.Context, files fs.FS, names []string, done map[string]string) ([]string, error) {
	var applied []string
	for _, name := range names {
		statement, err := fs.ReadFile(files, name)
		if err != nil {
			return applied, fmt.Errorf("store: read migration %s: %w", name, err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(statement))
		if before, there := done[name]; there && before == sum {
			continue
		} else if there {
			return applied, fmt.Errorf("store: migration %s was applied to database %s with another text: an unreleased version made it; use a new database, or a new data directory", name, s.database)
		}
		if err := s.exec(ctx, "migration "+name, strings.TrimSpace(string(statement))); err != nil {
			return applied, err
		}
		if err := s.insert(ctx, "migrations (name, sum)", [][]any{{name, sum}}); err != nil {
			return applied, err
		}
		applied = append(applied, name)
	}
	return applied, nil
}

// lockMigrations waits until it owns the lock, or until ctx ends.
func (s *Store) lockMigrations(ctx context.Context) error {
	attempt := func() (struct{}, error) {
		err := s.conn.Exec(ctx, "CREATE TABLE "+lockTable+" (x UInt8) ENGINE = Memory")
		var exception *clickhouse.Exception
		if err != nil && (!errors.As(err, &exception) || exception.Code != codeTableThere) {
			return struct{}{}, backoff.Permanent(fmt.Errorf("store: take the migration lock: %w", away(err)))
		}
		if err != nil {
			return struct{}{}, errors.Join(errors.New("store: another process holds the migration lock"), s.breakStaleLock(ctx))
		}
		return struct{}{}, nil
	}
	_, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(backoff.NewConstantBackOff(200*time.Millisecond)), backoff.WithMaxElapsedTime(2*lockExpiry))
	return err
}

func (s *Store) breakStaleLock(ctx context.Context) error {
	stale := false
	err := s.query(ctx, "look at the migration lock",
		"SELECT metadata_modification_time < now() - toIntervalSecond({age:UInt32}) FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
		params{}.value("age", int(lockExpiry.Seconds())).value("name", lockTable),
		func(r driver.Rows) error { var v uint8; defer func() { stale = v == 1 }(); return r.Scan(&v) })
	if err != nil || !stale {
		return err
	}
	return s.exec(ctx, "break a stale migration lock", "DROP TABLE IF EXISTS "+lockTable)
}

func (s *Store) exec(ctx context.Context, what, sql string) error {
	if err := s.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("store: %s: %w", what, away(err))
	}
	return nil
}
