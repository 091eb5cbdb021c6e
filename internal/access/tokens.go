package access

import (
	"context"
	"log/slog"
	"time"
)

// Tokens are those of a file, as the file is now.
type Tokens struct{ kept *kept[set] }

// OpenTokens reads a file of tokens and goes on to look at it until Stop: a change is in force within a second, one that
// cannot be read is refused whole. The error is that of ReadFile.
func OpenTokens(path string, metrics *Metrics, log *slog.Logger) (*Tokens, error) {
	k, err := keep(kind[set]{
		name:    "tokens",
		read:    func() ([][]byte, error) { return readAll(privateFile{path, "read the tokens", 0o077}) },
		expires: set.firstExpiry,
		parse: func(contents [][]byte) (set, error) {
			f, err := parseNamed(path, contents[0])
			if err != nil {
				return nil, err
			}
			return newSet(f), nil
		},
	}, metrics, log)
	if err != nil {
		return nil, err
	}
	return &Tokens{k}, nil
}

// Stop ends the looking.
func (t *Tokens) Stop(ctx context.Context) error { return t.kept.stop(ctx) }

// Check says who a request comes from, by all values of its header Authorization. It returns ErrMissing, ErrMalformed or
// ErrUnknown, or the caller with ErrExpired or ErrRevoked.
func (t *Tokens) Check(authorization []string, now time.Time) (Caller, error) {
	return (*t.kept.value.Load()).check(authorization, now)
}
