package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// output is what the sink writes: lines in one file per partition and first offset,
// and state.json, which says how much of it counts.
//
// One rename is the durable step: state.json holds position, length of each file and
// the audit's checkpoint, and replaces the one before after the files were synced. What lies in
// files beyond it was written by a process that died, and is cut off at the next start. A file that is
// finished loses its suffix after the state that says so, so a finished file is whole.
type output struct {
	disk  disk
	dir   string
	state sinkState
	open  map[int32]diskFile
	dirty map[int32]bool
	since map[int32]time.Time
	fresh bool   // a file was opened since the directory was synced, and so perhaps made
	line  []byte // buffer of write
}

// sinkState is state.json.
type sinkState struct {
	Parts      map[int32]part `json:"parts"`
	Checkpoint []byte         `json:"checkpoint"` // of the audit: its unaccepted reports
}

// part is one partition: where to read on, and the file in the making.
type part struct {
	Next   int64 `json:"next"`   // offset to read next
	First  int64 `json:"first"`  // first offset of the file; -1 when none is in the making
	Length int64 `json:"length"` // bytes of the file that count
}

const (
	unfinished = ".part"
	rollBytes  = 4 << 20
	rollAge    = 10 * time.Second
)

// openOutput opens the directory and cuts it back to its state.
func openOutput(on disk, dir string) (*output, error) {
	if err := on.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("make the sink's directory: %w", err)
	}
	if err := on.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("sync the directory of the sink's directory: %w", err)
	}
	o := &output{
		disk: on, dir: dir, state: sinkState{Parts: map[int32]part{}},
		open: map[int32]diskFile{}, dirty: map[int32]bool{}, since: map[int32]time.Time{},
	}
	text, err := on.ReadFile(o.path("state.json"))
	if err == nil {
		err = json.Unmarshal(text, &o.state)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the sink's state: %w", err)
	}
	if err := o.recover(); err != nil {
		return nil, fmt.Errorf("cut the sink's output back: %w", err)
	}
	return o, nil
}

func (o *output) path(name string) string { return filepath.Join(o.dir, name) }

func fileName(partition int32, first int64) string {
	return fmt.Sprintf("%s-%d-%020d.jsonl", stream, partition, first)
}

// recover finishes what the state calls finished, cuts what it counts in part and removes what it does not know.
// First the names are synced, so that the state read is sure to outlive a power loss: where a process was killed
// between putting it in place and that, nothing may follow from it yet, no report and no name.
func (o *output) recover() error {
	if err := errors.Join(o.disk.SyncDir(o.dir), o.checkCounted()); err != nil {
		return err
	}
	names, err := o.disk.List(o.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		name, isPart := strings.CutSuffix(name, unfinished)
		if !isPart {
			continue
		}
		if err := o.recoverFile(name); err != nil {
			return err
		}
	}
	return nil
}

// checkCounted holds that the files in the making are there: a state that counts what is gone is no place to begin.
func (o *output) checkCounted() error {
	for partition, p := range o.state.Parts {
		if p.First < 0 {
			continue
		}
		name := fileName(partition, p.First) + unfinished
		if size, err := o.disk.Size(o.path(name)); err != nil {
			return fmt.Errorf("the state counts %d bytes of %s: %w", p.Length, name, err)
		} else if size < p.Length {
			return fmt.Errorf("the state counts %d bytes of %s, which has %d", p.Length, name, size)
		}
	}
	return nil
}

func (o *output) recoverFile(name string) error {
	var partition int32
	var first int64
	if _, err := fmt.Sscanf(name, stream+"-%d-%d.jsonl", &partition, &first); err != nil {
		return fmt.Errorf("%s is not a file of this sink: %w", name, err)
	}
	p, known := o.state.Parts[partition]
	switch path := o.path(name + unfinished); {
	case known && p.First == first:
		return o.cut(path, p.Length)
	case known && first < p.Next:
		return o.disk.Rename(path, o.path(name))
	default:
		return o.disk.Remove(path)
	}
}

func (o *output) cut(path string, length int64) error {
	file, err := o.disk.Open(path)
	if err != nil {
		return err
	}
	err = file.Truncate(length)
	if err == nil {
		err = file.Sync() // what is cut off must not come back in a file that is published without more being written
	}
	return errors.Join(err, file.Close())
}

// part returns a partition's state as it is now; a partition never met begins at offset 0.
func (o *output) part(partition int32) part {
	if p, ok := o.state.Parts[partition]; ok {
		return p
	}
	return part{First: -1}
}

// write appends one line, the event at offset, and moves the position past it.
func (o *output) write(partition int32, offset int64, line []byte, now time.Time) error {
	p := o.part(partition)
	if p.First < 0 {
		p.First, p.Length = offset, 0
		o.since[partition] = now
	}
	file, err := o.file(partition, p.First)
	if err != nil {
		return err
	}
	o.line = append(append(o.line[:0], line...), '\n')
	n, err := file.WriteAt(o.line, p.Length)
	if err != nil {
		return fmt.Errorf("write offset %d of partition %d: %w", offset, partition, err)
	}
	p.Length += int64(n)
	p.Next = offset + 1
	o.state.Parts[partition], o.dirty[partition] = p, true
	return nil
}

// skip moves the position past an offset that is not written.
func (o *output) skip(partition int32, offset int64) {
	p := o.part(partition)
	p.Next = offset + 1
	o.state.Parts[partition] = p
}

func (o *output) file(partition int32, first int64) (diskFile, error) {
	if file, ok := o.open[partition]; ok {
		return file, nil
	}
	file, err := o.disk.Open(o.path(fileName(partition, first) + unfinished))
	if err != nil {
		return nil, fmt.Errorf("open the output of partition %d: %w", partition, err)
	}
	o.open[partition], o.fresh = file, true
	return file, nil
}

// commit makes everything written so far durable, together with the audit's checkpoint.
// After it returned nil a restart begins here; after an error, or a crash, here or where it began before.
func (o *output) commit(checkpoint []byte, now time.Time) error {
	for partition := range o.dirty {
		if err := o.open[partition].Sync(); err != nil {
			return fmt.Errorf("sync the output of partition %d: %w", partition, err)
		}
	}
	clear(o.dirty)
	if o.fresh { // the state must not outlive the name of a file that it counts, nor one that recover removed come back
		if err := o.disk.SyncDir(o.dir); err != nil {
			return fmt.Errorf("sync the names of the output: %w", err)
		}
		o.fresh = false
	}
	finished := o.roll(now)
	o.state.Checkpoint = checkpoint
	if err := o.saveState(); err != nil {
		return fmt.Errorf("save the sink's state: %w", err)
	}
	return o.publish(finished)
}

// roll takes the files that are big or old enough out of the state and returns their names by partition.
func (o *output) roll(now time.Time) map[int32]string {
	finished := map[int32]string{}
	for partition, p := range o.state.Parts {
		if p.First < 0 || (p.Length < rollBytes && now.Sub(o.since[partition]) < rollAge) {
			continue
		}
		finished[partition] = fileName(partition, p.First)
		o.state.Parts[partition] = part{Next: p.Next, First: -1}
	}
	return finished
}

func (o *output) saveState() error {
	text, err := json.Marshal(o.state)
	if err != nil {
		return err
	}
	fresh := o.path("state.json.new")
	if err := o.writeSynced(fresh, text); err != nil {
		return err
	}
	if err := o.disk.Rename(fresh, o.path("state.json")); err != nil {
		return err
	}
	return o.disk.SyncDir(o.dir)
}

func (o *output) writeSynced(path string, text []byte) error {
	file, err := o.disk.Open(path)
	if err != nil {
		return err
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt(text, 0)
	}
	return errors.Join(err, file.Sync(), file.Close())
}

// publish takes the suffix off the finished files.
func (o *output) publish(finished map[int32]string) error {
	for partition, name := range finished {
		if file, ok := o.open[partition]; ok {
			_ = file.Close() // synced; nothing is left to be written
			delete(o.open, partition)
		}
		if err := o.disk.Rename(o.path(name+unfinished), o.path(name)); err != nil {
			return fmt.Errorf("publish %s: %w", name, err)
		}
	}
	return nil
}

func (o *output) close() error {
	var errs []error
	for _, file := range o.open {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}
