package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// params are what a statement is given besides its text: server-side parameters and external
// tables. Nothing a caller says is ever pasted into SQL.
type params struct {
	values   clickhouse.Parameters
	settings clickhouse.Settings
	tables   []*ext.Table
}

func (p params) context(ctx context.Context) context.Context {
	var options []clickhouse.QueryOption
	if len(p.values) > 0 {
		options = append(options, clickhouse.WithParameters(p.values))
	}
	if len(p.settings) > 0 {
		options = append(options, clickhouse.WithSettings(p.settings))
	}
	if len(p.tables) > 0 {
		options = append(options, clickhouse.WithExternalTable(p.tables...))
	}
	return clickhouse.Context(ctx, options...)
}

// value adds a parameter. Strings are escaped as the server's escaped format wants it.
func (p params) value(name string, v any) params {
	next := clickhouse.Parameters{}
	for k, old := range p.values {
		next[k] = old
	}
	switch v := v.(type) {
	case string:
		next[name] = escape(v)
	case time.Time:
		next[name] = fmt.Sprint(v.Unix())
	default:
		next[name] = fmt.Sprint(v)
	}
	p.values = next
	return p
}

// setting sets one of the server's settings for this statement.
func (p params) setting(name string, v any) params {
	next := clickhouse.Settings{name: v}
	for k, old := range p.settings {
		next[k] = old
	}
	p.settings = next
	return p
}

// escape writes s as TabSeparated has it, which is how parameters are read.
func escape(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch s[i] {
		case '\\':
			out = append(out, '\\', '\\')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case 0:
			out = append(out, '\\', '0')
		case '\'':
			out = append(out, '\\', '\'')
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

// table adds an external table whose columns are given as (name, type) and whose rows follow.
func (p params) table(name string, columns [][2]string, rows [][]any) (params, error) {
	var options []func(*ext.Table) error
	for _, c := range columns {
		options = append(options, ext.Column(c[0], column.Type(c[1])))
	}
	t, err := ext.NewTable(name, options...)
	if err != nil {
		return p, fmt.Errorf("store: external table %s: %w", name, err)
	}
	for _, row := range rows {
		if err := t.Append(row...); err != nil {
			return p, fmt.Errorf("store: external table %s: row: %w", name, err)
		}
	}
	p.tables = append(p.tables[:len(p.tables):len(p.tables)], t)
	return p, nil
}

// streamList is the external table `wanted (stream String)`.
func streamList(streams []string) (params, error) {
	rows := make([][]any, len(streams))
	for i, s := range streams {
		rows[i] = []any{s}
	}
	return params{}.table("wanted", [][2]string{{"stream", "String"}}, rows)
}

// windowList is the external table `wanted (stream String, start DateTime)`.
func windowList(keys []WindowKey) (params, error) {
	rows := make([][]any, len(keys))
	for i, k := range keys {
		rows[i] = []any{k.Stream, k.Start}
	}
	return params{}.table("wanted", [][2]string{{"stream", "String"}, {"start", "DateTime('UTC')"}}, rows)
}
