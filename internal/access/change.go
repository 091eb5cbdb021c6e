package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// largest is the most that is read of a file of tokens or of a certificate, in bytes.
const largest = 4 << 20

// ReadPrivate reads a file that holds secrets. It refuses one that others than its owner may read or write.
func ReadPrivate(path string) ([]byte, error) { return read(path, 0o077) }

// read returns what a file holds; none of the bits of barred may be set in its mode.
func read(path string, barred fs.FileMode) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case mode.Perm()&barred != 0:
		return nil, fmt.Errorf("%s has the mode %04o, so that others can reach its secrets: chmod %04o it", path, mode.Perm(), mode.Perm()&^barred)
	}
	text, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largest {
		return nil, fmt.Errorf("%s is larger than %d bytes, the limit of a file of secrets", path, largest)
	}
	return text, nil
}

// privateFile is a file with what it is read for and the bits that its mode must not have.
type privateFile struct {
	path, act string
	barred    fs.FileMode
}

func readAll(files ...privateFile) ([][]byte, error) {
	contents := make([][]byte, len(files))
	for i, f := range files {
		text, err := read(f.path, f.barred)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.act, err)
		}
		contents[i] = text
	}
	return contents, nil
}

// ReadFile reads the file of tokens at a path. An error names the file, and the line where it is of one.
func ReadFile(path string) (*File, error) {
	text, err := ReadPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	return parseNamed(path, text)
}

func parseNamed(path string, text []byte) (*File, error) {
	f, err := ParseFile(text)
	if err != nil {
		return nil, fmt.Errorf("tokens %s: %w", path, err)
	}
	return f, nil
}

// Change reads the file of tokens at a path, an absent one as empty, has it changed, and puts the changed one in its place:
// whoever reads sees the old or the new one whole, and when Change returns nil the new one is on disk. It fails at once
// where another Change is under way. When change returns an error or false, the file stays as it is.
func Change(path string, change func(*File) (bool, error)) error {
	return Edit("the tokens", path, func(text []byte) ([]byte, error) {
		f := newFile()
		if text != nil {
			var err error
			if f, err = parseNamed(path, text); err != nil {
				return nil, err
			}
		}
		if changed, err := change(f); err != nil || !changed {
			return nil, err
		}
		return f.bytes(), nil
	})
}

// Edit is Change of a file of secrets of any kind: edit is given nil where the file is absent, and returns nil for no change. What says what
// is in the file, for errors.
func Edit(what, path string, edit func(text []byte) ([]byte, error)) error {
	path, err := realPath(path)
	if err != nil {
		return fmt.Errorf("change %s: %w", what, err)
	}
	dir, err := lock(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("change %s: %w", what, err)
	}
	defer func() { _ = dir.Close() }()
	text, err := ReadPrivate(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", what, err)
	}
	text, err = edit(text)
	if err != nil || text == nil {
		return err
	}
	if err := replace(path, text); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

// realPath follows a link, which must stay one, to the file that is to be replaced.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// lock takes a directory for this process until the returned file is closed or the process ends. The directory and not
// the file: that one is replaced.
func lock(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err = fmt.Errorf("%s is being changed by another process: %w", dir, err)
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// replace writes a file beside the old one, with the old one's owner and mode 0600, and renames it into its place.
func replace(path string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // with mode 0600
	if err != nil {
		return err
	}
	err = fill(next, path, text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

func fill(next *os.File, path string, text []byte) error {
	if err := keepOwner(next, path); err != nil {
		return err
	}
	if _, err := next.Write(text); err != nil {
		return err
	}
	return next.Sync()
}

// keepOwner gives the new file to the owner of the old: a token that root revokes must stay readable for the server.
func keepOwner(next *os.File, path string) error {
	old, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not told", path)
	}
	if int(owner.Uid) == os.Geteuid() && int(owner.Gid) == os.Getegid() {
		return nil
	}
	return next.Chown(int(owner.Uid), int(owner.Gid))
}
