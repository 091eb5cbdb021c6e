package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// LibraryVariable names the environment variable that holds the path of the ClickHouse library.
const LibraryVariable = "ROLLCALL_LIBCHDB"

// LibraryName is the file name of the ClickHouse library, on every platform.
const LibraryName = "libchdb.so"

// ErrNoLibrary is returned when the ClickHouse library is nowhere to be found.
var ErrNoLibrary = errors.New("the ClickHouse library is missing: run `make build`, which puts it beside the executable, " +
	"or set " + LibraryVariable + " to its path, or give a server's address instead")

// FindLibrary returns the path of the ClickHouse library: what ROLLCALL_LIBCHDB names, else lib/libchdb.so beside
// the executable. The error wraps ErrNoLibrary and says where was looked.
func FindLibrary() (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" {
		return existing(path, LibraryVariable)
	}
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own executable: %w", err)
	}
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		executable = real
	}
	return existing(filepath.Join(filepath.Dir(executable), "lib", LibraryName), "the place beside the executable")
}

func existing(path, place string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%w (%s: %w)", ErrNoLibrary, place, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w (%s: %s is not a file)", ErrNoLibrary, place, path)
	}
	return path, nil
}
