package keydir

import (
	"context"
	"log/slog"

	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/certificate"
)

// Followed are the keys of a directory, as it is now.
type Followed struct {
	files *access.Followed[*certificate.Keys]
}

// Follow reads a directory of keys and goes on to look at it until Stop: a change is in force within a second, one that cannot be read is
// refused whole.
func Follow(dir string, metrics *access.Metrics, log *slog.Logger) (*Followed, error) {
	files, err := access.Follow("keys",
		func() ([][]byte, error) { return readDir(dir) },
		func(contents [][]byte) (*certificate.Keys, error) { return parseDir(dir, contents) }, metrics, log)
	if err != nil {
		return nil, err
	}
	return &Followed{files}, nil
}

// Keys are the keys as they are now. They must not be changed.
func (f *Followed) Keys() *certificate.Keys { return f.files.Value() }

// Stop ends the looking.
func (f *Followed) Stop(ctx context.Context) error { return f.files.Stop(ctx) }
