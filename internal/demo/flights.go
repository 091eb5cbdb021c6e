package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

// flight is one row of flights-3m.parquet, and as JSON the payload of one event.
type flight struct {
	Date        int64  `parquet:"date,optional" json:"date"` // local time of departure as Unix µs
	Delay       int64  `parquet:"delay,optional" json:"delay"`
	Distance    int64  `parquet:"distance,optional" json:"distance"`
	Origin      string `parquet:"origin,optional" json:"origin"`
	Destination string `parquet:"destination,optional" json:"destination"`
}

// findFlights returns the path of the flights: the one given, or lib/flights-3m.parquet beside the executable.
func findFlights(given, executable string) (string, error) {
	path := given
	if path == "" {
		path = filepath.Join(filepath.Dir(executable), "lib", "flights-3m.parquet")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the flights (\"make build\" puts them there; ROLLCALL_FLIGHTS names another place): %w", err)
	}
	return path, nil
}

// flightReader reads the flights in order, and from the beginning again when they end.
type flightReader struct {
	file   *os.File
	rows   *parquet.GenericReader[flight]
	batch  []flight
	unread []flight
}

func openFlights(path string) (*flightReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the flights: %w", err)
	}
	r, err := readFlights(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the flights in %s: %w", path, err), file.Close())
	}
	return r, nil
}

func readFlights(file *os.File) (*flightReader, error) {
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	table, err := parquet.OpenFile(file, about.Size())
	if err != nil {
		return nil, err
	}
	if table.NumRows() == 0 {
		return nil, errors.New("there are none")
	}
	return &flightReader{file: file, rows: parquet.NewGenericReader[flight](table), batch: make([]flight, 1024)}, nil
}

// next returns the next flight as the payload of an event, and the airport to order events by.
func (r *flightReader) next() (payload []byte, key string, err error) {
	if len(r.unread) == 0 {
		if err := r.fill(); err != nil {
			return nil, "", fmt.Errorf("read the flights: %w", err)
		}
	}
	f := r.unread[0]
	r.unread = r.unread[1:]
	payload, err = json.Marshal(f)
	return payload, f.Origin, err
}

// fill reads the next batch, from the beginning again after the end.
func (r *flightReader) fill() error {
	for len(r.unread) == 0 {
		n, err := r.rows.Read(r.batch)
		r.unread = r.batch[:n]
		if errors.Is(err, io.EOF) {
			err = r.rows.SeekToRow(0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *flightReader) close() error { return errors.Join(r.rows.Close(), r.file.Close()) }
