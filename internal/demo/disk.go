package demo

import (
	"errors"
	"io"
	"os"
)

// disk is what the sink's output asks of a file system. Names that were made, changed or removed are durable
// only after SyncDir of their directory, what was written only after Sync of its file.
type disk interface {
	MkdirAll(path string) error
	List(dir string) ([]string, error) // names of the entries
	ReadFile(path string) ([]byte, error)
	Size(path string) (int64, error)
	Open(path string) (diskFile, error) // to read and write; an empty one is made where there is none
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(path string) error
}

// diskFile is one open file.
type diskFile interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// osDisk is the file system of the host.
type osDisk struct{}

func (osDisk) MkdirAll(path string) error           { return os.MkdirAll(path, 0o755) }
func (osDisk) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }
func (osDisk) Rename(from, to string) error         { return os.Rename(from, to) }
func (osDisk) Remove(path string) error             { return os.Remove(path) }

func (osDisk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (osDisk) Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (osDisk) Open(path string) (diskFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err // a nil *os.File would be no nil diskFile
	}
	return file, nil
}

func (osDisk) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
