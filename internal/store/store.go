// Package store owns all SQL and its mapping to the domain's types: it is the only
// importer of the ClickHouse driver. It keeps reports, verdicts and what people
// decided, and says what is there; it must not know how windows close, what a
// loss is, or who asks.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// ErrAway says that ClickHouse could not be reached or did not answer; the call may be tried again.
var ErrAway = errors.New("the store is away")

// ErrBusy says, beside ErrAway, that ClickHouse did answer and could not do just this now, as for want of memory: another call may
// well succeed.
var ErrBusy = errors.New("it answered that it cannot do this now")

// never stands in the tables for an instant that has not come.
const never = math.MaxInt64

// Config names a ClickHouse server.
type Config struct {
	Addrs    []string // host:port, native protocol
	Database string
	User     string
	Password string
	TLS      *tls.Config // nil: plain TCP
}

// Store is a pool of connections to one database.
type Store struct {
	conn     driver.Conn
	pings    driver.Conn // apart, so that a ping tells of the server and not of how busy the pool is
	database string
}

// Connect dials the server, makes the database where it is missing, and leaves its schema as it is; see Migrate.
func Connect(ctx context.Context, c Config) (*Store, error) {
	first, err := connect(c, "default", 1)
	if err != nil {
		return nil, err
	}
	err = first.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(c.Database))
	if err := errors.Join(err, first.Close()); err != nil {
		return nil, fmt.Errorf("store: create database %q on %s: %w", c.Database, strings.Join(c.Addrs, ","), refused(c, err))
	}
	conn, err := connect(c, c.Database, 12)
	if err != nil {
		return nil, err
	}
	pings, err := connect(c, c.Database, 2)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Store{conn: conn, pings: pings, database: c.Database}, nil
}

// The server's codes for a user it does not know or a password that is not his.
const (
	unknownUser   = 192
	wrongPassword = 193
	notThisUser   = 516
)

// refused says in words where the server knows no such user and password; all else is as for away.
func refused(c Config, err error) error {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) && slices.Contains([]int32{unknownUser, wrongPassword, notThisUser}, exception.Code) {
		return fmt.Errorf("user %q is refused by ClickHouse: the name or the password is wrong: %w", c.User, err)
	}
	return away(err)
}

func connect(c Config, database string, most int) (driver.Conn, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:         c.Addrs,
		Auth:         clickhouse.Auth{Database: database, Username: c.User, Password: c.Password},
		TLS:          c.TLS,
		Compression:  &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		DialTimeout:  5 * time.Second,
		ReadTimeout:  60 * time.Second,
		MaxOpenConns: most,
		MaxIdleConns: max(1, most/2),
		Settings: clickhouse.Settings{
			"max_execution_time":              60,
			"async_insert":                    0,
			"max_partitions_per_insert_block": 1000,
			"session_timezone":                "UTC",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("store: options for %v: %w", c.Addrs, err)
	}
	return conn, nil
}

// Close ends all connections.
func (s *Store) Close() error { return errors.Join(s.conn.Close(), s.pings.Close()) }

// Ping says whether the server answers before ctx ends; its error wraps ErrAway.
func (s *Store) Ping(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- away(s.pings.Ping(ctx)) }() // the driver gives a server that hangs time of its own for the handshake
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: it did not answer a ping: %w", ErrAway, ctx.Err())
	}
}

const selectSynced = `SELECT toString(value) FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'`

// Synced says whether the server writes what it inserts to the disk before it answers, as far as its defaults tell.
func (s *Store) Synced(ctx context.Context) (bool, error) {
	var value string
	err := s.query(ctx, "read whether inserts are synced", selectSynced, params{}, func(r driver.Rows) error { return r.Scan(&value) })
	return value == "1", err
}

// ofTheData holds the server's error codes that tell of the statement or its data, so that trying again cannot help: parse, type
// and argument errors. Every other one (disk, memory, parts, queries, shutdown) may pass.
func ofTheData(code int32) bool {
	switch code {
	case 6, 26, 27, 33, 36, 38, 41, 42, 43, 44, 46, 47, 53, 57, 62, 69, 70, 72, 117, 128, 131, 321, 349, 407:
		return true
	}
	return false
}

// away wraps err with ErrAway unless it tells of the statement or its data.
func away(err error) error {
	if err == nil {
		return nil
	}
	var network net.Error
	var exception *clickhouse.Exception
	switch {
	case errors.As(err, &exception):
		if ofTheData(exception.Code) {
			return err
		}
		return fmt.Errorf("%w: %w: %w", ErrAway, ErrBusy, err)
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, clickhouse.ErrAcquireConnTimeout),
		errors.Is(err, clickhouse.ErrAcquireConnNoAddress), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// query runs sql with server-side parameters and calls scan once a row. An error of scan ends the query at once.
func (s *Store) query(ctx context.Context, what, sql string, args params, scan func(driver.Rows) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := s.conn.Query(args.context(ctx), sql)
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, away(err))
	}
	defer rows.Close() // rows.Err below says what went wrong
	for rows.Next() {
		if err := scan(rows); err != nil {
			cancel() // else Close would read all that is left
			return fmt.Errorf("store: %s: read row: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: %s: %w", what, away(err))
	}
	return nil
}

// insert sends rows; it returns nil only after the server stored them.
func (s *Store) insert(ctx context.Context, table string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	return s.insertEach(ctx, table, func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	})
}

const (
	blockSendRows  = 16_384
	blockSendBytes = 4 << 20
)

// insertEach is insert of rows that are made one by one: no more than a block of them is held. An error among the rows ends it; what was
// sent before may then be stored.
func (s *Store) insertEach(ctx context.Context, table string, rows iter.Seq2[[]any, error]) error {
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+table)
	if err != nil {
		return fmt.Errorf("store: insert into %s: %w", table, away(err))
	}
	defer batch.Close() // a batch that was sent is closed already
	bytes := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := batch.Append(row...); err != nil {
			return fmt.Errorf("store: insert into %s: row: %w", table, err)
		}
		if bytes += texts(row); batch.Rows() < blockSendRows && bytes < blockSendBytes {
			continue
		}
		if err := batch.Flush(); err != nil {
			return fmt.Errorf("store: insert into %s: %w", table, away(err))
		}
		bytes = 0
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("store: insert into %s: %w", table, away(err))
	}
	return nil
}

// texts is how many bytes the strings of a row hold.
func texts(row []any) int {
	n := 0
	for _, v := range row {
		if text, ok := v.(string); ok {
			n += len(text)
		}
	}
	return n
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at reads Unix ms where 0 and never stand for no instant.
func at(v int64) time.Time {
	if v == 0 || v == never {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

func id(u wire.UID) uuid.UUID  { return uuid.UUID(u) }
func uid(u uuid.UUID) wire.UID { return wire.UID(u) }

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func quoteName(name string) string {
	quoted := make([]byte, 0, len(name)+2)
	quoted = append(quoted, '`')
	for i := range len(name) {
		if name[i] == '`' || name[i] == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, name[i])
	}
	return string(append(quoted, '`'))
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s: %w", what, away(err))
}
