//go:build !unix

package audit

import (
	"errors"
	"os"
)

var errNoJournal = errors.New("journals need a Unix system")

func lockFile(*os.File) error { return errNoJournal }

func unlockFile(*os.File) error { return errNoJournal }

func mapFile(*os.File, int) ([]byte, error) { return nil, errNoJournal }
