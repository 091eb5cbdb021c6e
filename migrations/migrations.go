// Package migrations holds the store's DDL: one idempotent statement per numbered
// .sql file, in the order of their numbers. It owns the schema and nothing else;
// internal/store applies it.
package migrations

import "embed"

// Files holds NNNN_name.sql, one statement each. A file that was released is never
// changed; what must change gets a new number.
//
//go:embed *.sql
var Files embed.FS
