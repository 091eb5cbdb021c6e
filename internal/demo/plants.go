package demo

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// plant is one entry of the list of what was planted.
type plant struct {
	UID    wire.UID  `json:"uid"`
	Window time.Time `json:"window"` // start of the window the event was produced in
	Fault  Fault     `json:"fault"`
}

// plantWriter appends to the list. An entry is in the file before the fault is done.
type plantWriter struct{ file *os.File }

func openPlants(path string) (*plantWriter, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the list of plants: %w", err)
	}
	return &plantWriter{file: file}, nil
}

// add writes one entry through to the file.
func (w *plantWriter) add(p plant) error {
	line, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the plant %s: %w", p.UID, err)
	}
	if _, err := w.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("list the plant %s: %w", p.UID, err)
	}
	return nil
}

func (w *plantWriter) close() error { return w.file.Close() }

// plantReader follows the list as it grows.
type plantReader struct {
	path   string
	offset int64
	ahead  []plant // read, but of windows not asked for yet
}

// between returns the plants of windows that start in [from, to), and forgets those before.
// Every window before to must have ended.
func (r *plantReader) between(from, to time.Time) ([]plant, error) {
	if err := r.read(); err != nil {
		return nil, err
	}
	var found, later []plant
	for _, p := range r.ahead {
		switch {
		case p.Window.Before(from):
		case p.Window.Before(to):
			found = append(found, p)
		default:
			later = append(later, p)
		}
	}
	r.ahead = later
	return found, nil
}

// read takes in the whole lines added since the last time.
func (r *plantReader) read() error {
	file, err := os.Open(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the list of plants: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(r.offset, io.SeekStart); err != nil {
		return fmt.Errorf("read the list of plants: %w", err)
	}
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // a line without its end is still being written
		}
		if err != nil {
			return fmt.Errorf("read the list of plants: %w", err)
		}
		var p plant
		if err := json.Unmarshal(line, &p); err != nil {
			return fmt.Errorf("read the list of plants at byte %d: %w", r.offset, err)
		}
		r.offset += int64(len(line))
		r.ahead = append(r.ahead, p)
	}
}
